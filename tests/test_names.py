"""Python and C++ agree on what is a name, and on which tags belong to the system."""

import json
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from cpp_programs import built_program
from hypothesis import given
from hypothesis import strategies as st

from tech_renaissance._base.errors import LocalProtocolError
from tech_renaissance._base.names import check_name, check_tag_to_send

ROOT = Path(__file__).resolve().parents[1]
GUEST = built_program("guest_message")
VECTORS = json.loads((ROOT / "spec" / "vectors" / "names.json").read_text("ascii"))

Answer = Dict[str, Any]
Guest = Callable[[List[str]], List[Answer]]


def _python_answer(name: str) -> Answer:
    """What tests/cpp/guest_message.cpp does, in Python."""
    try:
        check_name(name, "tag")
        check_tag_to_send(name)
    except LocalProtocolError as error:
        return (
            {"reserved": True} if error.code == "reserved_name" else {"code": error.code, "text": str(error)}
        )
    return {"reserved": False}


def _python(names: List[str]) -> List[Answer]:
    return [_python_answer(name) for name in names]


def _cpp(names: List[str]) -> List[Answer]:
    if not GUEST.exists():
        pytest.skip(f"{GUEST} is not built")
    questions = [{"kind": "name", "hex": name.encode("utf-8", "surrogatepass").hex()} for name in names]
    text = "".join(json.dumps(question) + "\n" for question in questions)
    run = subprocess.run([str(GUEST)], input=text.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.fixture(name="guest", params=[_python, _cpp], ids=["python", "cpp"])
def _guest(request: pytest.FixtureRequest) -> Guest:
    guest: Guest = request.param
    return guest


@pytest.mark.parametrize(
    ("which", "answer"),
    [("valid", {"reserved": False}), ("reserved", {"reserved": True}), ("invalid", {"code": "bad_name"})],
)
def test_names_are_what_the_vectors_say(guest: Guest, which: str, answer: Answer) -> None:
    """Valid names pass, names of the system are reserved, everything else is ``bad_name``."""
    cases = VECTORS[which]
    names = list(cases.values()) if isinstance(cases, dict) else cases

    answers = guest(names)
    for refusal in answers:
        refusal.pop("text", None)

    assert len(names) == len(answers)
    assert [] == [(name, actual) for name, actual in zip(names, answers) if actual != answer]


def test_every_character_is_judged_alike_in_both_languages() -> None:
    """Each code point, first, in the middle and last in a name, gives the same answer in Python and C++. To C++ lone surrogates
    are bytes that are not UTF-8, and it says so.
    """
    names = [
        form.format(chr(c))
        for c in range(0x110000)
        if (c < 0x3100 or c % 251 == 0) and not 0xD800 <= c < 0xE000
        for form in ("{}a", "a{}b", "a{}")
    ]

    differing = [name for name, python, cpp in zip(names, _python(names), _cpp(names)) if python != cpp]

    assert [] == differing


@given(st.text(max_size=130))
def test_a_name_cannot_leave_its_folder(name: str) -> None:
    """Whatever passes is one component of a path on every platform, and can be written as UTF-8."""
    try:
        check_name(name, "tag")
    except LocalProtocolError:
        return
    assert name == Path(f"{name}.tsr").name[: -len(".tsr")]
    assert not set(name) & set('/\\:\0 \n"*?<>|,')
    assert 1 <= len(name.encode()) <= 128
    assert not name.startswith((".", "-"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "empty"),
        ("a/b", "/"),
        ("a b", "white space"),
        ("x" * 129, "128 bytes"),
        ("..", "."),
        ("nul", "device"),
    ],
)
def test_the_message_says_which_rule_is_broken(name: str, words: str) -> None:
    """The error names the kind of name, shows it, and says what is wrong."""
    with pytest.raises(LocalProtocolError) as caught:
        check_name(name, "session id")

    assert "bad_name" == caught.value.code
    assert str(caught.value).startswith("session id '")
    assert words in str(caught.value)


def test_the_message_shows_any_name_as_one_line_of_ascii() -> None:
    """Control characters, bidirectional marks and surrogates cannot disturb a terminal or a log."""
    with pytest.raises(LocalProtocolError) as caught:
        check_name("a\n\x1b[31m\u202e\ud800", "tag")

    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
