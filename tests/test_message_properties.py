"""What holds for every message, not only for those in the vectors."""

import json
from typing import Any, Callable

from hypothesis import given
from hypothesis import strategies as st

from tech_renaissance._base.errors import ProtocolError
from tech_renaissance._protocol import body
from tech_renaissance._protocol.body import KINDS, TENSOR
from tech_renaissance._protocol.frame import LONG, SHORT, Exit, Failure, Request, Response
from tech_renaissance._protocol.message import (
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from tech_renaissance._protocol.user_message import parse_message

IDS = st.integers(1, 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
COMMANDS = TEXTS.filter(lambda text: text not in ("", "exit"))
DIALECTS = st.sampled_from([LONG, SHORT])
NAMES = st.from_regex(r"_?[a-z]{1,3}_[0-9]{1,3}", fullmatch=True)
ATTACHMENTS = st.lists(st.tuples(st.sampled_from(KINDS), NAMES)).map(tuple)
TENSORS = st.lists(st.tuples(st.just(TENSOR), NAMES)).map(tuple)
FORMS = st.sampled_from(body.FORMS)
FAILURES = st.builds(Failure, TEXTS.filter(bool), TEXTS, TEXTS, TEXTS)
KEYS = [
    "command",
    "cmd",
    "parameters",
    "params",
    "id",
    "result",
    "message",
    "tensors",
    "kinds",
    "form",
    "typed",
    "attachments",
    "kind",
    "name",
    "error",
    "code",
    "other",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner),
)


def _code(decode: Callable[[Any], Any], data: Any) -> str:
    """The code with which the protocol refuses ``data``; empty if it does not. Other errors pass through."""
    try:
        decode(data)
    except ProtocolError as error:
        return error.code
    return ""


REQUESTS = st.builds(
    Request, COMMANDS, TEXTS, st.none() | IDS, DIALECTS, st.none() | IDS, st.booleans(), FORMS, ATTACHMENTS
)


@given(REQUESTS)
def test_a_request_is_decoded_as_it_was_encoded(request: Request) -> None:
    """Nothing of a request is lost or changed, as text or as bytes."""
    text = encode_request(request, request.attachments, 5)

    assert request == decode_request(text)
    assert request == decode_request(text.encode())


@given(st.builds(Response, TEXTS, TEXTS, TEXTS, ATTACHMENTS, st.none() | FAILURES, IDS, DIALECTS, FORMS))
def test_a_response_with_an_id_is_decoded_as_it_was_encoded(response: Response) -> None:
    """Nothing of a response is lost or changed in either dialect."""
    assert response == decode_response(encode_response(response, response.attachments, 5).encode())


@given(st.builds(Response, TEXTS, TEXTS, TEXTS, TENSORS, st.none() | FAILURES, st.none(), DIALECTS))
def test_a_response_without_an_id_has_only_the_keys_older_hosts_know(response: Response) -> None:
    """Older hosts get the keys of their dialect, and ``error``, which they ignore."""
    keys = set(json.loads(encode_response(response, response.attachments, 5))) - {"error"}

    long_keys = {"command", "result", "message", "timestamp"}
    assert ({"cmd", "params"} if response.dialect == SHORT else long_keys) == keys


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode("utf-8", "replace")))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    """A decoder raises a protocol error with one of two codes, and nothing else."""
    assert {_code(decode, data) for decode in (decode_request, decode_response)} <= {
        "",
        "bad_json",
        "bad_frame",
    }


@given(st.text() | JSON.map(json.dumps))
def test_any_typed_text_becomes_a_request_that_can_be_sent_or_is_refused(text: str) -> None:
    """What parse_message accepts arrives at the worker unchanged; what it refuses is ``bad_message``."""
    code = _code(parse_message, text)
    assert code in ("", "bad_message")
    frame = parse_message(text) if not code else Exit()
    if isinstance(frame, Request):
        assert frame.id is None
        assert frame == decode_request(encode_request(frame, frame.attachments, 5).encode())


@given(COMMANDS.map(lambda text: "".join(text.split())).filter(bool), TEXTS)
def test_plain_text_is_a_command_and_its_parameters(command: str, parameters: str) -> None:
    """The first word is the command; the rest, without the white space before it, is the parameters."""
    if command.startswith("{") or command == "exit":
        return
    assert Request(command, parameters.lstrip(" \t\r\n\v\f")) == parse_message(f" {command}\t{parameters}")
