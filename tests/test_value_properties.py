"""What holds for every value and every body, not only for those in the vectors."""

import contextlib
import importlib
import json
import math
import random
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

import pytest
import value_guest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_value_vectors import Answer, Question, _cpp, _python

from tech_renaissance._base.errors import LocalProtocolError, RemoteProtocolError
from tech_renaissance._protocol import body
from tech_renaissance._protocol.body_decoder import decode_call, decode_result
from tech_renaissance._protocol.body_encoder import encode_call, encode_result
from tech_renaissance._protocol.hints import converter_of

FUZZ = Path(__file__).resolve().parents[1] / "fuzz"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = TEXTS | st.sampled_from(["$", "$$", "$f", "$x", ""])
INTS = st.integers(-(2**63), 2**63 - 1)
LEAVES = st.none() | st.booleans() | INTS | st.floats() | TEXTS | st.binary()
LONG_LISTS = st.lists(INTS, min_size=15, max_size=20) | st.lists(st.floats(), min_size=15, max_size=20)
VALUES = st.recursive(
    LEAVES | LONG_LISTS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=30
)


@settings(max_examples=50)
@given(VALUES)
def test_a_value_arrives_as_it_was_sent(value: Any) -> None:
    """With the same types, in the same order."""
    assert repr(value) == repr(decode_result(*encode_result(value)))


@settings(max_examples=50)
@given(st.lists(VALUES, max_size=3), st.dictionaries(KEYS, VALUES, max_size=3))
def test_arguments_arrive_as_they_were_given(args: List[Any], kwargs: Dict[str, Any]) -> None:
    """By place and by name."""
    assert repr((args, kwargs)) == repr(decode_call(*encode_call(args, kwargs)))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_what_is_written_is_json_that_others_read(value: Any) -> None:
    """Or it is refused with a path."""
    try:
        form, text, attachments = encode_result([value, value])
    except LocalProtocolError as error:
        refusal = f"{error.code} {error}"
        assert refusal.startswith("bad_value [0]")
        return
    assert body.JSON == form
    if '{"$' not in text:
        assert [value, value] == json.loads(text)
        assert [] == attachments


@given(st.sampled_from([0, 1, 2, 3]), st.text() | st.sampled_from(["[[]]", "[[],{}]", "null"]))
def test_any_text_is_a_value_or_refused(form: int, text: str) -> None:
    """Never with another error."""
    for decode in (decode_result, decode_call):
        with contextlib.suppress(RemoteProtocolError):
            decode(form, text.encode("utf-8", "surrogatepass"))


# What values are made of, and what looks like it.
PIECES = [
    "[",
    "]",
    "{",
    "}",
    '"',
    '"k":',
    ",",
    "0",
    "1.5",
    "-",
    "9" * 18,
    "9" * 19,
    "9" * 20,
    "e99",
    "E+308",
    "e400",
    "1e0308",
    "null",
    "tru",
    " ",
]
PIECES += [
    "[" * 63,
    "[" * 64,
    "]" * 63,
    "]" * 64,
    "$",
    '{"$":0}',
    '{"$f":"inf"}',
    "\\",
    "\\u0024",
    "\x00",
    "\\ud800",
    "e",
    "NaN",
    "-Infinity",
]


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(PIECES), max_size=9).map("".join)
    | VALUES.map(lambda value: encode_result(value)[1])
)
def test_a_short_text_is_read_like_a_long_one(text: str) -> None:
    """White space makes it long, and changes nothing else."""
    for decode in (decode_result, decode_call):
        for whole in (text, f"[[{text}]]"):
            answers: List[str] = []
            for same in (whole, whole + 5000 * " "):
                try:
                    answers.append(repr(decode(2, same)))
                except RemoteProtocolError:
                    answers.append("refused")
            assert answers[0] == answers[1]


@given(st.floats(allow_nan=False) | st.integers(-(2**70), 2**70).map(float))
def test_a_float_becomes_an_int_only_if_it_is_one(value: float) -> None:
    """And an int a float only if nothing is lost."""
    is_int = math.isfinite(value) and value == math.trunc(value) and abs(value) <= 2**53
    try:
        assert converter_of(int)(value) == value
    except Exception:
        assert not is_int
    else:
        assert is_int


@settings(max_examples=50)
@given(VALUES)
def test_hints_of_anything_change_nothing(value: Any) -> None:
    """A union of all that a value can be, either."""
    everything = Union[None, bool, int, float, str, bytes, list, dict]
    for hint in (Any, Optional[Any], everything):
        assert repr(value) == repr(converter_of(hint)(value))


@pytest.fixture(name="fuzz")
def _fuzz(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(FUZZ)
    return importlib.import_module("fuzz_values")


def _without_code(answers: List[Answer]) -> List[Answer]:
    """Of several defects a reader may tell any."""
    return [{"code": None} if "code" in answer else answer for answer in answers]


def _repeats_a_key(pairs: Any) -> Any:
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        raise KeyError
    return dict(pairs)


def _has_each_key_once(text: bytes) -> bool:
    try:
        json.loads(text, object_pairs_hook=_repeats_a_key)
    except KeyError:
        return False
    except ValueError:
        pass
    return True


def test_both_languages_agree_about_damaged_bodies(fuzz: Any) -> None:
    """Whatever happens to a text, both give it the same meaning, or both refuse it. Texts with repeated keys are left out: there a reader may do either."""
    chance = random.Random(11)
    texts = [text for text in (fuzz.random_text(chance) for _ in range(4000)) if _has_each_key_once(text)]
    attachments = [value_guest.meaning_of(one) for one in fuzz.ATTACHMENTS]
    questions: List[Question] = []
    for text in texts:
        used = [chance.choice(attachments) for _ in range(chance.choice((0, 0, 0, 1, 2)))]
        described = {"form": "json", "hex": text.hex(), "attachments": used}
        questions.append({"role": chance.choice(("result", "result", "call")), "body": described})

    python, cpp = (_without_code(ask(questions)) for ask in (_python, _cpp))

    assert [] == [(q, p, c) for q, p, c in zip(questions, python, cpp) if p != c][:3]
    assert sum("meaning" in answer for answer in python) > 200


def test_what_one_language_writes_of_anything_the_other_reads(fuzz: Any) -> None:
    """In both directions."""
    chance = random.Random(12)
    questions: List[Question] = []
    while len(questions) < 1000:
        try:
            arrived = decode_result(*encode_result(fuzz.random_value(chance)))
            meaning = value_guest.meaning_of(arrived)
        except Exception:  # not everything there can be sent
            continue
        questions.append({"role": "result", "meaning": meaning})
    expected = [{"meaning": question["meaning"]} for question in questions]

    from_python, from_cpp = _python(questions), _cpp(questions)

    assert expected == _cpp([{"role": "result", **answer} for answer in from_python])
    assert expected == _python([{"role": "result", **answer} for answer in from_cpp])
