"""Text calls: what is asked, what is answered, and what becomes of answers that nobody waits for."""

from typing import Any, Callable

import numpy as np
import pytest
from asyncio_host import asyncio_everywhere, asyncio_too
from gates import Gate
from hosts import WORKERS

from tech_renaissance import CommandError, LocalProtocolError, PythonSession, SessionClosed, TimedOut

Maker = Callable[..., Any]


TEXTS = (
    "hello world",
    "inner  spaces\tand tabs stay ",
    "line\nbreaks\r\nand \x00 controls \x1f \x7f",
    'quotes " and \\ backslashes / and \b\f',
    "汉字, emoji 😀👩\u200d🚀, accents é, right to left שלום",
    "\u2028\u2029\ufeff\uffff\U0010ffff",
    "",
)

# A worker's texts that UTF-8 cannot hold, and what arrives.
SURROGATES = {
    "\ud800": "\ufffd",
    "a\udfffb": "a\ufffdb",
    "\ud83d\ude00": "\ufffd\ufffd",  # halves of one character, but two of the text's
    "\ude00\ud83d é\ud800": "\ufffd\ufffd é\ufffd",
}

MESSAGES = {
    '{"command": "echo", "parameters": "long form", "timestamp": 1}': "long form",
    '{"cmd": "echo", "params": "short form"}': "short form",
    '  \n{"cmd": "echo", "params": "after white space"}': "after white space",
    '{"command": "echo", "parameters": ["a", 2, true, 1.50]}': "a 2 true 1.50",
    '{"command": "echo", "parameters": 12345678901234567890}': "12345678901234567890",
    '{"command": "echo", "parameters": null}': "",
    '{"command": "echo", "unknown": {"key": []}}': "",
    '{"command": "echo", "cmd": "other", "parameters": "long wins"}': "long wins",
    '{"cmd": "echo", "params": "\\ud83d\\ude00 \\u00e9 \\n"}': "😀 é \n",
    '{"command": "echo", "parameters": "ids are ours", "id": 77}': "ids are ours",
    "\t echo  plain text ": "plain text ",
}

NO_MESSAGES = (
    "",
    "  \t\n",
    "{",
    "{}",
    '{"command": 5}',
    '{"params": "x"}',
    '{"cmd": ""}',
    '{"command": "a"} b',
    '{"command": "echo", "parameters": {}}',
)


@pytest.mark.interpreters
def test_text_travels_unchanged(start: Maker) -> None:
    """Whatever is in it, both ways."""
    session = start()
    assert list(TEXTS) == [session.fetch_response(f"echo {text}") for text in TEXTS]


def test_a_surrogate_in_an_answer_becomes_the_replacement_character(start: Maker) -> None:
    """In the result, the message and the traceback of an error; alike over each transport."""
    session = start("surrogates.py")
    for text, expected in SURROGATES.items():
        assert expected == session.fetch_response(f"answer {text!a}", 60_000)
        with pytest.raises(CommandError) as caught:
            session.fetch_response(f"fail {text!a}", 60_000)
        assert f"ValueError: {expected}" == caught.value.remote_message
        assert caught.value.remote_traceback.endswith(f"ValueError: {expected}\n")


def test_a_megabyte_of_text_travels_both_ways(start: Maker) -> None:
    """Nothing has a limit that a text would meet."""
    session = start()
    text = "0123456789abcde\u6c49" * 65_536
    assert text == session.fetch_response(f"echo {text}", 60_000)
    assert str(len(text)) == session.fetch_response(f"length {text}", 60_000)


@pytest.mark.above_transports
def test_a_message_is_plain_text_or_json_in_two_dialects(start: Maker) -> None:
    """As a user types it."""
    session = start()
    assert MESSAGES == {message: session.fetch_response(message) for message in MESSAGES}


@pytest.mark.above_transports
@pytest.mark.parametrize("call", ["send_request", "fetch_response"])
def test_what_is_no_request_is_refused_before_it_is_sent(start: Maker, call: str) -> None:
    """Our mistake, told at once; the session goes on."""
    session = start()
    for message in NO_MESSAGES:
        with pytest.raises(LocalProtocolError) as caught:
            getattr(session, call)(message)
        assert "bad_message" == caught.value.code
    assert "fine" == session.fetch_response("echo fine")


def test_a_message_is_a_text(workspace: Any) -> None:
    """What is none is refused in a sentence that says how to make one of it. C++ has a type for that."""
    with PythonSession(WORKERS / "echo.py", "text", workspace=str(workspace)) as session:
        for message, cure in (({"cmd": "echo"}, "json.dumps"), (b"echo", "decode"), (None, "not NoneType")):
            with pytest.raises(LocalProtocolError, match=cure) as caught:
                session.fetch_response(message)  # type: ignore[arg-type]
            assert "bad_message" == caught.value.code
        with pytest.raises(LocalProtocolError, match="a tag is a str, not ndarray"):
            session.send_tensor("tag", np.zeros(2))  # type: ignore[arg-type]


def test_sending_and_waiting_are_two_steps(start: Maker) -> None:
    """The oldest request is answered first."""
    session = start()
    session.send_request("echo first")
    session.send_request("echo second")
    assert "first" == session.wait_for_response()
    assert "second" == session.wait_for_response()


@asyncio_everywhere
def test_many_requests_may_be_sent_before_any_answer_is_read(start: Maker) -> None:
    """Sending waits for room, and takes in answers meanwhile."""
    session = start()
    for number in range(50):
        session.send_request(f"echo {number}")
    assert [str(number) for number in range(50)] == [session.wait_for_response() for _ in range(50)]


@pytest.mark.parametrize("transport", ["shm"])
def test_more_requests_than_a_worker_takes_wait_in_line(
    start: Maker, gate: Gate, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    """Nobody waits to ask; they are answered in their order."""
    monkeypatch.setenv("TR_TRANSPORT", transport)
    session = start()
    session.send_request(f"wait {gate.path} 0")
    gate.wait_for_arrival()
    for number in range(1, 1000):
        session.send_request(f"echo {number}")
    gate.open()
    assert [str(number) for number in range(1000)] == [session.wait_for_response() for _ in range(1000)]
    assert session.wait_until_ok()


@asyncio_everywhere
def test_a_fetch_between_a_request_and_its_answer_gets_its_own(start: Maker) -> None:
    """Each answer belongs to its request."""
    session = start()
    session.send_request("echo sent")
    assert "fetched" == session.fetch_response("echo fetched")
    assert "sent" == session.wait_for_response()


@asyncio_too
def test_new_response_and_read_response_do_not_wait(start: Maker, gate: Gate) -> None:
    """Polling, as the reference text offers it."""
    session = start()
    assert session.wait_until_ready(60_000)
    assert not session.new_response()
    session.send_request(f"wait {gate.path} there")
    gate.wait_for_arrival()
    assert not session.new_response()
    with pytest.raises(TimedOut):
        session.read_response()
    gate.open()
    assert session.wait_until_ok()
    assert session.new_response()
    assert "there" == session.read_response()
    assert not session.new_response()


def test_there_is_nothing_to_wait_for_without_a_request(start: Maker) -> None:
    """Each answer is read once."""
    session = start()
    session.send_request("echo")
    session.wait_for_response()
    for call in (
        session.wait_for_response,
        session.wait_for_tensor,
        session.wait_for_tensors,
        session.read_response,
    ):
        with pytest.raises(LocalProtocolError) as caught:
            call()
        assert "no_request" == caught.value.code


def test_a_timeout_is_an_error_and_not_an_empty_text(start: Maker, gate: Gate) -> None:
    """Also a TimeoutError in Python; the message names the command."""
    session = start()
    with pytest.raises(TimedOut, match="wait") as caught:
        session.fetch_response(f"wait {gate.path}", 20)
    assert "timed_out" == caught.value.code
    assert isinstance(caught.value, TimeoutError)
    gate.open()


def test_a_late_answer_is_discarded(start: Maker, gate: Gate) -> None:
    """It does not answer the next call, of whatever kind."""
    session = start()
    with pytest.raises(TimedOut):
        session.fetch_response(f"wait {gate.path} late", 20)
    gate.wait_for_arrival()
    with pytest.raises(TimedOut):
        session.fetch_response("echo never looked at", 20)
    gate.open()
    session.send_request("echo sent")
    assert "fetched" == session.fetch_response("echo fetched")
    assert "sent" == session.wait_for_response()


def test_waiting_again_after_a_timeout_gets_the_answer(start: Maker, gate: Gate) -> None:
    """Until another request is sent."""
    session = start()
    session.send_request(f"wait {gate.path} patience")
    with pytest.raises(TimedOut):
        session.wait_for_response(20)
    gate.open()
    assert "patience" == session.wait_for_response()


def test_a_request_that_was_given_up_is_forgotten_by_the_next(start: Maker, gate: Gate) -> None:
    """Its answer is not the next one's."""
    session = start()
    session.send_request(f"wait {gate.path} given up")
    with pytest.raises(TimedOut):
        session.wait_for_response(20)
    gate.open()
    session.send_request("echo next")
    assert "next" == session.wait_for_response()
    with pytest.raises(LocalProtocolError):
        session.wait_for_response(0)


def test_a_call_that_finds_no_room_times_out(start: Maker, gate: Gate) -> None:
    """A worker that is busy for long is no reason to wait for ever."""
    session = start()
    session.send_request(f"wait {gate.path}")
    gate.wait_for_arrival()
    with pytest.raises(TimedOut):
        for _ in range(10_000):
            session.fetch_response("echo", 1)
    gate.open()
    assert session.wait_until_ok()
    assert "free" == session.fetch_response("echo free")


def test_a_timeout_of_zero_asks_without_waiting(start: Maker, gate: Gate) -> None:
    """It is a TimedOut, not a hang and not an empty answer."""
    session = start()
    assert session.wait_until_ready(60_000)
    with pytest.raises(TimedOut):
        session.fetch_response(f"wait {gate.path}", 0)
    gate.open()
    assert "after" == session.fetch_response("echo after")


@pytest.mark.above_transports
def test_the_last_text_counts(start: Maker) -> None:
    """write_response may be called more than once."""
    assert "second" == start().fetch_response("twice second")


@pytest.mark.above_transports
def test_a_command_that_says_nothing_is_ok(start: Maker) -> None:
    """The default result."""
    assert "ok" == start().fetch_response("silent")


@pytest.mark.above_transports
def test_an_answer_may_have_another_command(start: Maker) -> None:
    """write_response's first argument."""
    assert "answered" == start().fetch_response("renamed")


@pytest.mark.above_transports
def test_returning_false_after_a_reply_is_a_reply(start: Maker) -> None:
    """What was said counts."""
    assert "known after all" == start().fetch_response("said-but-false")


@pytest.mark.above_transports
def test_an_unknown_command_is_told_with_near_matches(start: Maker) -> None:
    """The worker stays up."""
    session = start()
    with pytest.raises(CommandError, match=r"unknown command 'ehco'.*did you mean 'echo'") as caught:
        session.fetch_response("ehco x")
    assert "unknown_command" == caught.value.code
    assert "error" == caught.value.result
    with pytest.raises(CommandError, match=r"unknown command 'e\\x00o'"):  # where a text in C would end
        session.fetch_response("e\0o")
    assert "up" == session.fetch_response("echo up")


@pytest.mark.above_transports
@pytest.mark.parametrize("call", ["fetch_response", "fetch_tensor", "fetch_tensors", "send_request"])
def test_calls_need_a_worker(make_session: Maker, call: str) -> None:
    """A session that was never started says what to do."""
    with pytest.raises(SessionClosed, match="start") as caught:
        getattr(make_session(), call)("echo")
    assert "not_started" == caught.value.code


@pytest.mark.above_transports
def test_the_default_worker_answers_the_reference_texts_hello(start: Maker) -> None:
    """The script path ``default``."""
    session = start("default", "hello_test")
    assert "Hello World" == session.fetch_response("hello world", 30_000)
    assert "pong" == session.fetch_response("ping")
