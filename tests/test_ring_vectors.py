"""Python and C++ say the same of every ring frame in spec/vectors, forwards and backwards: C++ as a host, Python as both sides."""

import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from cpp_programs import built_program

from tech_renaissance import ProtocolError
from tech_renaissance._protocol.frame import Credit, Failure, Item, Request, Response
from tech_renaissance._transport.shm import frame

ROOT = Path(__file__).resolve().parents[1]
VECTORS = ROOT / "spec" / "vectors" / "ring"
GUEST = built_program("guest_ring")

Answer = Dict[str, Any]
Guest = Callable[[List[Answer]], List[Answer]]

KINDS = {"request": frame.REQUEST, "response": frame.RESPONSE}
# What a C++ host reads, and what it writes.
CPP_READS = ("response", "item", "body in block")
CPP_WRITES = ("request", "exit", "credit", "put", "drop", "body in block")


def _meaning(data: bytes) -> Answer:
    kind, flags = data[4], data[6]
    if flags & frame.FLAG_BODY_IN_BLOCK:
        (offset, lease), nbytes = frame.decode_body_in_block(data)
        meaning = {"of": {number: name for name, number in KINDS.items()}[kind], "flags": flags & ~2}
        meaning.update(id=int.from_bytes(data[8:16], "little"), offset=offset, lease=lease, nbytes=nbytes)
        return {"kind": "body in block", **meaning}
    if kind == frame.REQUEST:
        values = asdict(frame.decode_request(data))
        values["deadline"] = values.pop("deadline_ns")
        values["attachments"] = [[kind, *lent] for kind, lent in values["attachments"]]
        return {"kind": "request", **values}
    if kind == frame.PUT:
        tag, (offset, lease) = frame.decode_put(data)
        return {"kind": "put", "tag": tag, "offset": offset, "lease": lease}
    if kind == frame.DROP:
        return {"kind": "drop", "tag": frame.decode_drop(data)}
    if kind == frame.READY:
        return {"kind": "ready", "info": frame.decode_ready(data)}
    if kind == frame.CREDIT:
        return {"kind": "credit", **asdict(frame.decode_credit(data))}
    if kind == frame.ITEM:
        values = asdict(frame.decode_item(data))
        values["attachments"] = [[kind, *lent] for kind, lent in values["attachments"]]
        del values["error"]
        return {"kind": "item", **values}
    if kind == frame.RESPONSE:
        values = asdict(frame.decode_response(data))
        values["attachments"] = [[kind, *lent] for kind, lent in values["attachments"]]
        return {"kind": "response", **values}
    return {"kind": {frame.EXIT: "exit", frame.EXITING: "exiting"}[kind]}


def _encoded(meaning: Answer) -> bytes:
    values = dict(meaning)
    kind = values.pop("kind")
    if kind == "body in block":
        head = frame._HEADER.pack(0, KINDS[values["of"]], values["flags"], values["id"])
        return frame.encode_body_in_block(head, (values["offset"], values["lease"]), values["nbytes"])
    if kind == "request":
        deadline = values.pop("deadline")
        attached = _attached(values)
        return frame.encode_request(Request(**values, deadline_ns=deadline), attached)
    if kind == "put":
        return frame.encode_put(values["tag"], (values["offset"], values["lease"]))
    if kind == "drop":
        return frame.encode_drop(values["tag"])
    if kind == "ready":
        return frame.encode_ready(values["info"])
    if kind == "credit":
        return frame.encode_credit(Credit(**values))
    if kind == "item":
        attached = _attached(values)
        return frame.encode_item(Item(**values), attached)
    if kind == "response":
        attached = _attached(values)
        error = values.pop("error")
        response = Response(**values, error=Failure(**error) if error else None)
        return frame.encode_response(response, attached, "")
    return frame.encode_simple({"exit": frame.EXIT, "exiting": frame.EXITING}[kind])


def _attached(values: Answer) -> List[frame.Attached]:
    """The attachments of a meaning, which are taken out of it."""
    return [(kind, (offset, lease)) for kind, offset, lease in values.pop("attachments")]


def _python(questions: List[Answer]) -> List[Answer]:
    """What tests/cpp/guest_ring.cpp does, in Python."""
    answers: List[Answer] = []
    for question in questions:
        try:
            if "meaning" in question:
                answers.append({"hex": _encoded(question["meaning"]).hex()})
            else:
                answers.append({"meaning": _meaning(bytes.fromhex(question["hex"]))})
        except ProtocolError as error:
            answers.append({"code": error.code})
    return answers


def _cpp(questions: List[Answer]) -> List[Answer]:
    if not GUEST.exists():
        pytest.skip(f"{GUEST} is not built")
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    run = subprocess.run([str(GUEST)], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.fixture(name="guest", params=[_python, _cpp], ids=["python", "cpp"])
def _guest(request: pytest.FixtureRequest) -> Guest:
    guest: Guest = request.param
    return guest


def _files(folder: str) -> List[Path]:
    paths = sorted((VECTORS / folder).glob("*.frame"))
    assert paths
    return paths


def _expected(path: Path) -> Answer:
    expected: Answer = json.loads(path.with_suffix(".json").read_text("ascii"))
    return expected


def _differences(paths: List[Path], expected: List[Answer], actual: List[Answer]) -> Dict[str, Any]:
    assert len(expected) == len(actual) == len(paths)
    return {path.name: (e, a) for path, e, a in zip(paths, expected, actual) if e != a}


def test_valid_frames_mean_what_the_vectors_say(guest: Guest) -> None:
    """A frame is decoded to its meaning, whatever stands in its unused bytes."""
    paths = [path for path in _files("valid") if guest is _python or _expected(path)["kind"] in CPP_READS]
    answers = guest([{"hex": path.read_bytes().hex()} for path in paths])
    assert {} == _differences(paths, [{"meaning": _expected(path)} for path in paths], answers)


def test_invalid_frames_are_refused_with_the_code_the_vectors_say(guest: Guest) -> None:
    """Whatever does not add up, however much it claims."""
    paths = [
        path
        for path in _files("invalid")
        if guest is _python or path.name.partition("--")[2].startswith(("response", "body"))
    ]
    answers = guest([{"hex": path.read_bytes().hex()} for path in paths])
    assert {} == _differences(paths, [_expected(path) for path in paths], answers)


def test_meanings_become_the_frames_of_the_vectors(guest: Guest) -> None:
    """Byte for byte; but a JSON text may have other white space and escapes, so that it is read again."""
    paths = [
        path
        for path in _files("valid")
        if not path.name.startswith("read-only-")
        and (guest is _python or _expected(path)["kind"] in CPP_WRITES)
    ]
    answers = guest([{"meaning": _expected(path)} for path in paths])
    for path, answer in zip(paths, answers):
        data = bytes.fromhex(answer["hex"])
        assert _expected(path) == _meaning(data), path.name
        if not (_expected(path)["kind"] == "ready" or _expected(path).get("error")):
            assert path.read_bytes() == data, path.name
