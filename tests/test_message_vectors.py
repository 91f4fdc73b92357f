"""Python and C++ say the same of every message in spec/vectors, forwards and backwards."""

import importlib
import json
import math
import random
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Tuple, Union

import pytest
from cpp_programs import built_program

from tech_renaissance._base.errors import ProtocolError
from tech_renaissance._protocol.frame import Answer as AnswerFrame
from tech_renaissance._protocol.frame import Ask, Exit, Failure, MalformedRequest, Request, Response
from tech_renaissance._protocol.message import (
    decode_answer,
    decode_ask,
    decode_progress,
    decode_request,
    decode_response,
    encode_answer,
    encode_request,
    encode_response,
)
from tech_renaissance._protocol.user_message import parse_message

ROOT = Path(__file__).resolve().parents[1]
VECTORS = ROOT / "spec" / "vectors"
GUEST = built_program("guest_message")
TYPED = json.loads((VECTORS / "message" / "typed.json").read_text("ascii"))
TIMESTAMP_MS = 1699123456789

# What is said of a request in work.
DECODERS: Dict[str, Callable[[bytes], Any]] = {
    "progress": decode_progress,
    "ask": decode_ask,
    "answer": decode_answer,
}

Answer = Dict[str, Any]
Question = Tuple[str, bytes]
Guest = Callable[[List[Question]], List[Answer]]


def _meaning(frame: Union[Request, Response, Exit]) -> Answer:
    """What a frame means, as spec/vectors/README.md has it."""
    values = asdict(frame)
    if isinstance(frame, Request):
        values["deadline"] = values.pop("deadline_ns")
    if not isinstance(frame, Exit):
        values["attachments"] = [list(named) for named in frame.attachments]
    return {"kind": type(frame).__name__.lower(), **values}


def _call_answer(kind: str, data: bytes) -> Answer:
    """The same for what is said of a request in work."""
    try:
        frame = DECODERS[kind](data)
    except ProtocolError as error:
        return {"code": error.code, "text": str(error)}
    values = asdict(frame)
    if isinstance(frame, Ask):
        del values["error"]
    if isinstance(frame, (Ask, AnswerFrame)):
        values["attachments"] = [list(named) for named in frame.attachments]
    elif math.isnan(frame.total):
        values["total"] = None
    return {"meaning": values}


def _answer_text(meaning: Answer) -> bytes:
    """What a host in Python writes as an Answer of this meaning."""
    values = dict(meaning)
    named = [(kind, name) for kind, name in values.pop("attachments")]
    error = values.pop("error")
    return encode_answer(AnswerFrame(**values, error=Failure(**error) if error else None), named).encode()


def _encoded(frame: Union[Request, Response, Exit]) -> str:
    if isinstance(frame, Response):
        return encode_response(frame, frame.attachments, TIMESTAMP_MS)
    request = Request("exit") if isinstance(frame, Exit) else frame
    return encode_request(request, request.attachments, TIMESTAMP_MS)


def _python_answer(kind: str, data: bytes) -> Answer:
    """What tests/cpp/guest_message.cpp does, in Python."""
    if kind == "answer to write":
        return {"encoded": _answer_text(json.loads(data)).hex()}
    if kind in DECODERS:
        return _call_answer(kind, data)
    try:
        frame: Union[Request, Response, Exit]
        if kind == "message":
            frame = parse_message(data.decode("utf-8", "surrogatepass"))
        else:
            frame = (decode_response if kind == "response" else decode_request)(data)
    except MalformedRequest as error:
        return {"code": error.code, "text": str(error), "dialect": error.dialect, "id": error.id}
    except ProtocolError as error:
        return {"code": error.code, "text": str(error)}
    return {"meaning": _meaning(frame), "encoded": _encoded(frame).encode().hex()}


def _python_in_full(questions: List[Question]) -> List[Answer]:
    return [_python_answer(kind, data) for kind, data in questions]


def _python(questions: List[Question]) -> List[Answer]:
    return _without_texts(_python_in_full(questions))


def _cpp(questions: List[Question]) -> List[Answer]:
    return _without_texts(_cpp_in_full(questions))


def _without_texts(answers: List[Answer]) -> List[Answer]:
    """The answers without what the errors say, for whoever asks what they are."""
    for answer in answers:
        answer.pop("text", None)
    return answers


def _cpp_in_full(questions: List[Question]) -> List[Answer]:
    if not GUEST.exists():
        pytest.skip(f"{GUEST} is not built")
    lines = [json.dumps({"kind": kind, "hex": data.hex()}) + "\n" for kind, data in questions]
    run = subprocess.run([str(GUEST)], input="".join(lines).encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def _files(folder: str) -> List[Path]:
    return sorted((VECTORS / "message" / folder).glob("*.json"))


def _kind(path: Path) -> str:
    return path.suffixes[-2][1:]


def _expected(path: Path) -> Answer:
    meaning: Answer = json.loads(path.with_suffix(".meaning").read_text("ascii"))
    return meaning


def _differences(names: Iterable[str], expected: List[Answer], actual: List[Answer]) -> Dict[str, Any]:
    """What is not as expected, by name; and nothing was left unanswered."""
    assert len(expected) == len(actual)
    return {name: (e, a) for name, e, a in zip(names, expected, actual) if e != a}


@pytest.fixture(name="guest", params=[_python, _cpp], ids=["python", "cpp"])
def _guest(request: pytest.FixtureRequest) -> Guest:
    guest: Guest = request.param
    return guest


def _ask_files(guest: Guest, paths: List[Path]) -> List[Answer]:
    assert paths
    return guest([(_kind(path), path.read_bytes()) for path in paths])


def test_valid_messages_mean_what_the_vectors_say(guest: Guest) -> None:
    """A valid request or response is decoded to its meaning."""
    paths = _files("valid")
    answers = _ask_files(guest, paths)

    meanings = [answer.get("meaning", answer) for answer in answers]

    assert {} == _differences([p.name for p in paths], [_expected(p) for p in paths], meanings)


def test_invalid_messages_are_refused_with_the_code_the_vectors_say(guest: Guest) -> None:
    """An invalid message gives its code, and for a request the dialect and id of the answer."""
    paths = _files("invalid")
    answers = _ask_files(guest, paths)

    assert {} == _differences([p.name for p in paths], [_expected(p) for p in paths], answers)


def test_what_is_said_of_a_call_means_what_the_vectors_say(guest: Guest) -> None:
    """And what does not add up is refused."""
    cases = json.loads((VECTORS / "message" / "calls.json").read_text("ascii"))
    valid, invalid = cases["valid"], list(cases["invalid"].values())
    if guest is _cpp:  # a host, which reads no answers
        valid, invalid = ([case for case in some if case["kind"] != "answer"] for some in (valid, invalid))
    answers = guest([(case["kind"], case["text"].encode()) for case in [*valid, *invalid]])
    expected = [{"meaning": case["meaning"]} for case in valid] + [{"code": case["code"]} for case in invalid]
    texts = [case["text"] for case in [*valid, *invalid]]
    assert {} == _differences(texts, expected, answers)


def test_what_a_host_answers_a_handler_means_what_the_vectors_say(guest: Guest) -> None:
    """As the worker reads it."""
    cases = json.loads((VECTORS / "message" / "calls.json").read_text("ascii"))
    meanings = [case["meaning"] for case in cases["valid"] if case["kind"] == "answer"]
    answers = guest([("answer to write", json.dumps(meaning).encode()) for meaning in meanings])
    read = _python([("answer", bytes.fromhex(answer["encoded"])) for answer in answers])
    assert [{"meaning": meaning} for meaning in meanings] == read


def test_codes_of_invalid_vectors_are_their_names(guest: Guest) -> None:
    """The file name of an invalid vector begins with the code that both languages give."""
    paths = _files("invalid")
    codes = [answer.get("code") for answer in _ask_files(guest, paths)]

    assert [path.name.split("--")[0] for path in paths] == codes


@pytest.mark.parametrize("reader", [_python, _cpp], ids=["read-by-python", "read-by-cpp"])
def test_encoding_a_meaning_and_decoding_it_gives_it_back(guest: Guest, reader: Guest) -> None:
    """What one language writes the other reads with the same meaning."""
    paths = _files("valid")
    encoded = [bytes.fromhex(answer["encoded"]) for answer in _ask_files(guest, paths)]

    answers = reader([(_kind(path), data) for path, data in zip(paths, encoded)])

    meanings = [answer.get("meaning", answer) for answer in answers]
    assert {} == _differences([p.name for p in paths], [_expected(p) for p in paths], meanings)


def test_both_languages_write_the_same_keys_in_the_same_order() -> None:
    """Key by key, the texts are equal; white space may differ. An exit is only its command."""
    paths = [path for path in _files("valid") if _expected(path)["kind"] != "exit"]
    questions = [(_kind(path), path.read_bytes()) for path in paths]

    def pairs(answers: List[Answer]) -> List[Any]:
        return [json.loads(bytes.fromhex(a["encoded"]), object_pairs_hook=list) for a in answers]

    assert pairs(_python(questions)) == pairs(_cpp(questions))


def test_short_responses_begin_with_what_older_hosts_search_for(guest: Guest) -> None:
    """The first ``"params":`` in the text is the key, and the string follows it."""
    questions = [
        ("response", b'{"result":"r","id":1,"params":"\\"params\\":","cmd":"\\"params\\":\\"no\\""}'),
        ("response", b'{"cmd":"x","params":"y","id":1}'),
    ]

    texts = [bytes.fromhex(answer["encoded"]).decode() for answer in guest(questions)]

    follows = [text.partition('"params":')[2].lstrip() for text in texts]
    assert [True, True] == [text.startswith(start) for text, start in zip(follows, ['"r"', '"y"'])]
    assert [True, True] == [text.replace(" ", "").startswith('{"cmd":') for text in texts]


def test_long_responses_begin_with_the_keys_of_the_dialect(guest: Guest) -> None:
    """Keys stand in the order of the specification."""
    text = b'{"error":{"code":"c"},"id":1,"tensors":["a"],"timestamp":5,"message":"m","result":"r","command":"x"}'

    (answer,) = guest([("response", text)])

    keys = list(json.loads(bytes.fromhex(answer["encoded"])))
    assert ["command", "result", "message", "timestamp"] == keys[:4]
    assert {"id", "tensors", "error"} == set(keys[4:])


def test_typed_messages_mean_what_the_vectors_say(guest: Guest) -> None:
    """What a user types, plain or JSON, becomes the request in the vectors."""
    texts = [case["text"] for case in TYPED["valid"]]
    answers = guest([("message", text.encode()) for text in texts])

    meanings = [answer.get("meaning", answer) for answer in answers]

    assert {} == _differences(texts, [case["meaning"] for case in TYPED["valid"]], meanings)


def test_typed_messages_that_are_no_request_are_refused(guest: Guest) -> None:
    """What cannot be a request is ``bad_message``, before anything is sent."""
    names = list(TYPED["invalid"])
    answers = guest([("message", TYPED["invalid"][name].encode("utf-8", "surrogatepass")) for name in names])

    assert {} == _differences(names, [{"code": "bad_message"}] * len(names), answers)


def test_both_languages_say_the_same_of_what_is_wrong() -> None:
    """Word for word; but where a text is no JSON, the details are those of the language's parser."""
    paths = _files("invalid")
    questions = [(_kind(path), path.read_bytes()) for path in paths]
    python, cpp = (
        [
            {"text": "not a JSON text: "} if answer["code"] == "bad_json" else {"text": answer["text"]}
            for answer in ask(questions)
            if answer["code"] != "bad_json" or answer["text"].startswith("not a JSON text: ")
        ]
        for ask in (_python_in_full, _cpp_in_full)
    )

    assert {} == _differences([path.name for path in paths], python, cpp)


def test_a_cut_message_is_bad_json_at_every_byte(guest: Guest) -> None:
    """No beginning of a request or response is taken for the whole."""
    text = '{"cmd":"x\\ud83d\\ude00","params":["权",-1.5e3,true,null],"result":"é","id":7}'.encode()
    questions = [(kind, text[:end]) for kind in ("request", "response") for end in range(len(text))]

    codes = [answer.get("code") for answer in guest(questions)]

    assert ["bad_json"] * len(questions) == codes


def test_both_languages_agree_about_damaged_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens to a vector on its way, Python and C++ accept it with the same meaning or refuse it alike."""
    monkeypatch.syspath_prepend(ROOT / "fuzz")
    fuzz = importlib.import_module("fuzz_message")
    chance = random.Random(7)
    seeds = [path.read_bytes() for path in _files("valid")]
    damaged = [fuzz.mutated(chance.choice(seeds), chance.choice(seeds), chance) for _ in range(3000)]
    questions = [(kind, data) for data in damaged for kind in ("request", "response")]

    python, cpp = ([{**a, "encoded": None} for a in ask(questions)] for ask in (_python, _cpp))

    assert {} == _differences(map(repr, questions), python, cpp)
    assert any("meaning" in answer for answer in python)
