"""Session ids and tags are names, on both sides, whoever wrote them."""

from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

from tech_renaissance import CommandError, LocalProtocolError

pytestmark = pytest.mark.above_transports

Maker = Callable[..., Any]

BAD = (
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    "a b",
    "a\tb",
    "a\0b",
    "a:b",
    "a,b",
    "NUL",
    "con.txt",
    "-x",
    ".x",
    "x.",
    "x" * 129,
    "\u2028",
    "\x85",
)
GOOD = ("a", "weights.v1", "x" * 128, "汉字", "😀", "result", "result_x", "Result_0", "nulls", "a-b_c")
RESERVED = ("_", "_x", "result_0", "result_12345")


@pytest.mark.parametrize("name", BAD)
def test_a_bad_session_id_is_refused(make_session: Maker, name: str) -> None:
    """When the session is made."""
    with pytest.raises(LocalProtocolError, match="session id") as caught:
        make_session(session_id=name)
    assert "bad_name" == caught.value.code


def test_a_session_id_may_be_any_name(start: Maker) -> None:
    """In any language."""
    session = start(session_id="会议-é.1")
    assert "会议-é.1" == session.session_id
    assert "yes" == session.fetch_response("echo yes")


def test_bad_tags_are_refused(make_session: Maker) -> None:
    """To send, and to drop."""
    session = make_session()
    for names, code in ((BAD, "bad_name"), (RESERVED, "reserved_name")):
        for name in names:
            for call in (lambda tag: session.send_tensor(np.ones(1, np.float32), tag), session.drop_tensor):
                with pytest.raises(LocalProtocolError) as caught:
                    call(name)
                assert code == caught.value.code, name
    assert not Path(session.session_dir).exists()


def test_good_tags_arrive(start: Maker) -> None:
    """Under their names."""
    session = start("tensors.py")
    session.send_tensors([np.full(1, n, np.float32) for n in range(len(GOOD))], GOOD)
    assert list(range(len(GOOD))) == [
        int(result.item()) for result in session.fetch_tensors("same " + " ".join(GOOD))
    ]


@pytest.mark.parametrize("name", ["../secret", "/etc/secret", "..", "a\\..\\b"])
def test_a_handler_cannot_be_sent_out_of_the_directory(start: Maker, name: str) -> None:
    """Names in a request are checked by the worker."""
    session = start("tensors.py")
    with pytest.raises(CommandError, match="tensor") as caught:
        session.fetch_tensors(f"one {name}")
    assert "invalid_tensors" == caught.value.code
