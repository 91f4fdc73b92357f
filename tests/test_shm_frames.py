"""Frames in a ring: what is written is read; whatever else stands there is refused with one kind of error."""

import random
from typing import Any, Callable, List, Optional, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tech_renaissance import RemoteProtocolError
from tech_renaissance._protocol import body
from tech_renaissance._protocol.body import KINDS
from tech_renaissance._protocol.frame import LONG, SHORT, Failure, Request, Response
from tech_renaissance._transport.shm import frame as shm_frame

Decoder = Callable[[bytes], Any]

TEXTS = st.text(st.characters(exclude_categories=("Cs",)))
WORDS = st.integers(0, 2**64 - 1)
LENT = st.tuples(WORDS, WORDS)
ATTACHED = st.lists(st.tuples(st.sampled_from(KINDS), LENT), max_size=5).map(tuple)
FORMS = st.sampled_from(body.FORMS)
IDS = st.one_of(st.none(), st.integers(1, 2**63 - 1))
DIALECTS = st.sampled_from([LONG, SHORT])
FAILURES = st.one_of(st.none(), st.builds(Failure, TEXTS.filter(bool), TEXTS, TEXTS, TEXTS))

SAMPLES: List[Tuple[bytes, Decoder]] = [
    (shm_frame.encode_ready({"pid": 1, "versions": [1, 2.5, None]}), shm_frame.decode_ready),
    (shm_frame.encode_put("tag", (4096, 3)), shm_frame.decode_put),
    (shm_frame.encode_drop("tag \U0001f600"), shm_frame.decode_drop),
    (
        shm_frame.encode_response(
            Response("c", "result", "m\u00e9", (), Failure("code", "m", "t", "tb"), 9),
            [(0, (64, 1)), (3, (128, 2))],
            "",
        ),
        shm_frame.decode_response,
    ),
    (
        shm_frame.encode_body_in_block(shm_frame.encode_drop("tag"), (64, 5), 8),
        shm_frame.decode_body_in_block,
    ),
    (shm_frame.encode_request(Request("command", "parameters \u6c49", 7, SHORT)), shm_frame.decode_request),
    (
        shm_frame.encode_request(
            Request("add", "", 7, deadline_ns=5, typed=True, form=1), [(0, (64, 1)), (2, (128, 2))]
        ),
        shm_frame.decode_request,
    ),
]
NAMES = ["ready", "put", "drop", "response", "body in block", "request", "request with attachments"]
FRAMES = pytest.mark.parametrize(("frame", "decode"), SAMPLES, ids=NAMES)


def attempt(decode: Decoder, frame: bytes) -> Optional[Any]:
    """What a frame says; None if it is refused as it should be."""
    try:
        return decode(frame)
    except RemoteProtocolError as error:
        assert error.code in ("bad_frame", "bad_json")  # noqa: PT017 - it may succeed, too
        return None


@given(
    st.builds(
        Request, TEXTS.filter(bool), TEXTS, IDS, DIALECTS, st.none() | WORDS, st.booleans(), FORMS, ATTACHED
    )
)
def test_requests_survive(request: Request) -> None:
    """Whatever is in them."""
    frame = shm_frame.encode_request(request, request.attachments)
    assert request == shm_frame.decode_request(frame)
    assert 0 == len(frame) % 8
    assert len(frame) == int.from_bytes(frame[:4], "little")


@given(st.builds(Response, TEXTS, TEXTS, TEXTS, ATTACHED, FAILURES, IDS, DIALECTS, FORMS))
def test_responses_survive(response: Response) -> None:
    """Whatever is in them; the request's own command is left out."""
    frame = shm_frame.encode_response(response, response.attachments, "\ud800")
    assert response == shm_frame.decode_response(frame)
    assert 0 == len(frame) % 8
    same = shm_frame.encode_response(response, response.attachments, response.command)
    assert "" == shm_frame.decode_response(same).command


@given(TEXTS, LENT)
def test_tags_survive(tag: str, lent: Any) -> None:
    """In Put and Drop."""
    assert (tag, lent) == shm_frame.decode_put(shm_frame.encode_put(tag, lent))
    assert tag == shm_frame.decode_drop(shm_frame.encode_drop(tag))


# The attachments of a request fill it, so that its size counts.
@pytest.mark.parametrize(("frame", "decode"), SAMPLES[:-1], ids=NAMES[:-1])
def test_a_frame_that_is_cut_off_anywhere_is_refused(frame: bytes, decode: Decoder) -> None:
    """Or means the same, where only padding is missing."""
    whole = decode(frame)
    for length in range(len(frame)):
        assert attempt(decode, frame[:length]) in (None, whole)


@pytest.mark.parametrize(("frame", "decode"), SAMPLES[:-2], ids=NAMES[:-2])
def test_a_frame_with_bytes_behind_it_means_the_same(frame: bytes, decode: Decoder) -> None:
    """They count for nothing."""
    assert decode(frame) == decode(frame + b"\xff" * 24)


@FRAMES
def test_a_frame_that_is_changed_anywhere_is_refused_or_says_something(frame: bytes, decode: Decoder) -> None:
    """Nothing else happens."""
    numbers = random.Random(5)
    for position in range(16, len(frame)):
        for value in (0, 1, 0x7F, 0x80, 0xFF, numbers.randrange(256)):
            attempt(decode, frame[:position] + bytes([value]) + frame[position + 1 :])


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 100_000, "9" * 60_000, "null", "[]", '"x"', "NaN", "{", ""],
    ids=lambda text: text[:9],  # pytest puts them into a variable of the environment, which Windows limits
)
def test_texts_that_are_no_objects_are_refused(text: str) -> None:
    """In Ready and in the error of a response; however deep or long they are."""
    body = text.encode()
    ready = shm_frame.encode_ready({})[:16] + len(body).to_bytes(4, "little") + bytes(4) + body
    assert attempt(shm_frame.decode_ready, ready) is None
    counts = [0, 0, 0, len(body), 0, 0]
    head = shm_frame.encode_response(Response("", ""), (), "")[:16]
    response = head + b"".join(count.to_bytes(4, "little") for count in counts) + body
    decoded = attempt(shm_frame.decode_response, response)
    assert decoded is None or not body
