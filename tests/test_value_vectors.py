"""Python and C++ say the same of every body in spec/vectors/values, forwards and backwards."""

import json
import math
import os
import struct
import subprocess
from array import array
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Tuple

import numpy as np
import pytest

from tech_renaissance._base.errors import RemoteProtocolError
from tech_renaissance._base.tensor import DTYPES, RawTensor, describe, from_buffer
from tech_renaissance._protocol import body
from tech_renaissance._protocol.body_decoder import decode_call, decode_result
from tech_renaissance._protocol.body_encoder import encode_call, encode_result

ROOT = Path(__file__).resolve().parents[1]
VECTORS = ROOT / "spec" / "vectors" / "values"
GUEST = ROOT / os.environ.get("TR_TEST_CPP_BUILDS", "build/plain").split()[0] / "bin" / "guest_value"
FORMS = {"text": body.TEXT, "attachments": body.ATTACHMENTS, "json": body.JSON}
DTYPE_NAMED = {dtype.name: dtype for dtype in DTYPES}

Answer = Dict[str, Any]
Question = Dict[str, Any]
Guest = Callable[[List[Question]], List[Answer]]


# ------------------------------------------------------------------------- meanings as spec/vectors/README.md has them


def value_of(meaning: Any) -> Any:
    """The value that a meaning stands for."""
    if isinstance(meaning, list):
        return [value_of(part) for part in meaning]
    if not isinstance(meaning, dict):
        return meaning
    ((kind, content),) = meaning.items()
    if kind == "dict":
        return {key: value_of(part) for key, part in content}
    return int(content) if kind == "int" else _float(content) if kind == "float" else attachment_of(meaning)


def attachment_of(meaning: Any) -> Any:
    """The object that an attachment is."""
    ((kind, content),) = meaning.items()
    if kind == "tensor":
        data = memoryview(bytearray.fromhex(content["data"]))
        return from_buffer(DTYPE_NAMED[content["dtype"]], content["shape"], data, "numpy")
    if kind == "int64 list":
        return array("q", map(int, content))
    return array("d", map(_float, content)) if kind == "float64 list" else bytes.fromhex(content)


def _float(bits: str) -> float:
    return struct.unpack(">d", bytes.fromhex(bits))[0]


def meaning_of(value: Any) -> Any:
    """What a value, or an attachment, means."""
    if isinstance(value, (bool, str)) or value is None:
        return value
    if isinstance(value, int):
        return {"int": str(value)}
    if isinstance(value, float):
        return {"float": _bits(value)}
    if isinstance(value, list):
        return [meaning_of(part) for part in value]
    if isinstance(value, dict):
        return {"dict": [[key, meaning_of(part)] for key, part in value.items()]}
    if isinstance(value, array):
        numbers = value.tolist()
        is_ints = value.typecode == "q"
        return (
            {"int64 list": list(map(str, numbers))}
            if is_ints
            else {"float64 list": list(map(_bits, numbers))}
        )
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    raw: RawTensor = describe(value)
    return {"tensor": {"dtype": raw.dtype.name, "shape": list(raw.shape), "data": raw.data.hex()}}


def _bits(value: float) -> str:
    return struct.pack(">d", math.nan if math.isnan(value) else value).hex()


def _call_meaning(args: List[Any], kwargs: Dict[str, Any]) -> Answer:
    return {"args": meaning_of(args), "kwargs": [[key, meaning_of(value)] for key, value in kwargs.items()]}


def _arguments_of(meaning: Answer) -> Tuple[List[Any], Dict[str, Any]]:
    return value_of(meaning["args"]), {key: value_of(value) for key, value in meaning["kwargs"]}


def _body_of(described: Answer) -> Tuple[int, bytes, List[Any]]:
    text = bytes.fromhex(described["hex"]) if "hex" in described else described["text"].encode()
    form = FORMS.get(described["form"], 3)
    return form, text, [attachment_of(attachment) for attachment in described["attachments"]]


def _described(form: int, text: bytes, attachments: List[Any]) -> Answer:
    (name,) = [name for name, number in FORMS.items() if number == form]
    return {"form": name, "text": text.decode(), "attachments": [meaning_of(value) for value in attachments]}


# ------------------------------------------------------------------------------------------------------------- guests


def _python_answer(question: Question) -> Answer:
    """What tests/cpp/guest_value.cpp does, in Python."""
    is_call = question["role"] == "call"
    try:
        if "body" in question and is_call:
            return {"meaning": _call_meaning(*decode_call(*_body_of(question["body"])))}
        if "body" in question:
            return {"meaning": meaning_of(decode_result(*_body_of(question["body"])))}
    except RemoteProtocolError as error:
        return {"code": error.code}
    if is_call:
        return {"body": _described(*encode_call(*_arguments_of(question["meaning"])))}
    return {"body": _described(*encode_result(value_of(question["meaning"])))}


def _python(questions: List[Question]) -> List[Answer]:
    return [_python_answer(question) for question in questions]


def _cpp(questions: List[Question]) -> List[Answer]:
    if not GUEST.exists():
        pytest.skip(f"{GUEST} is not built")
    # Meanings travel in strings, because nothing may be nested deeper than they are.
    packed = [
        {k: json.dumps(v) if k == "meaning" else v for k, v in question.items()} for question in questions
    ]
    lines = "".join(json.dumps(question) + "\n" for question in packed)
    run = subprocess.run([str(GUEST)], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    return [{k: json.loads(v) if k == "meaning" else v for k, v in answer.items()} for answer in answers]


@pytest.fixture(name="guest", params=[_python, _cpp], ids=["python", "cpp"])
def _guest(request: pytest.FixtureRequest) -> Guest:
    guest: Guest = request.param
    return guest


def _cases(folder: str) -> Iterable[Tuple[str, str, Any]]:
    """The name, role and content of each vector."""
    paths = sorted((VECTORS / folder).glob("*.json"))
    assert paths
    return [(path.name, path.suffixes[-2][1:], json.loads(path.read_text("ascii"))) for path in paths]


def _differences(names: Iterable[str], expected: List[Any], actual: List[Any]) -> Dict[str, Any]:
    """What is not as expected, by name; and nothing was left unanswered."""
    assert len(expected) == len(actual)
    return {name: (e, a) for name, e, a in zip(names, expected, actual) if e != a}


def test_valid_bodies_mean_what_the_vectors_say(guest: Guest) -> None:
    """Each body of a vector is decoded to its meaning."""
    cases = [(name, role, case, body) for name, role, case in _cases("valid") for body in case["bodies"]]
    answers = guest([{"role": role, "body": body} for _, role, _, body in cases])

    names = [f"{name}: {body}" for name, _, _, body in cases]
    assert {} == _differences(names, [{"meaning": case["meaning"]} for _, _, case, _ in cases], answers)


def test_invalid_bodies_are_refused_with_the_code_the_vectors_say(guest: Guest) -> None:
    """The code is also the beginning of the vector's name."""
    cases = list(_cases("invalid"))
    answers = guest([{"role": role, "body": case["body"]} for _, role, case in cases])

    assert {} == _differences(
        [name for name, _, _ in cases], [{"code": case["code"]} for _, _, case in cases], answers
    )
    assert [] == [name for name, _, case in cases if name.partition("--")[0] != case["code"]]


def test_a_meaning_is_written_in_the_first_form_of_its_vector(guest: Guest) -> None:
    """With the same attachments. The texts may differ in how they write floats."""
    cases = list(_cases("valid"))
    bodies = [answer["body"] for answer in guest([{"role": r, "meaning": c["meaning"]} for _, r, c in cases])]

    def shape(body: Answer) -> Answer:
        # Attachments beside a text are no part of its meaning.
        return {"form": body["form"], "attachments": [] if body["form"] == "text" else body["attachments"]}

    expected = [shape(case["bodies"][0]) for _, _, case in cases]
    assert {} == _differences([name for name, _, _ in cases], expected, [shape(body) for body in bodies])


@pytest.mark.parametrize("reader", [_python, _cpp], ids=["read-by-python", "read-by-cpp"])
def test_what_one_language_writes_the_other_reads(guest: Guest, reader: Guest) -> None:
    """With the same meaning."""
    cases = list(_cases("valid"))
    bodies = guest([{"role": role, "meaning": case["meaning"]} for _, role, case in cases])
    answers = reader([{"role": role, **answer} for (_, role, _), answer in zip(cases, bodies)])

    assert {} == _differences(
        [name for name, _, _ in cases], [{"meaning": case["meaning"]} for _, _, case in cases], answers
    )


def test_a_cut_body_is_bad_json_at_every_byte(guest: Guest) -> None:
    """No beginning of a JSON text is taken for the whole."""
    text = '[[{"a":[-1.5e3,true,null,"\\ud83d\\ude00é"]},{"$f":"nan"}],{"k":""}]'.encode()
    bodies = [{"form": "json", "hex": text[:end].hex(), "attachments": []} for end in range(len(text))]

    codes = [answer.get("code") for answer in guest([{"role": "call", "body": body} for body in bodies])]

    assert ["bad_json"] * len(bodies) == codes


def test_the_bytes_of_an_attachment_are_told_from_tensors_and_numbers() -> None:
    """By the type of what it is."""
    attachments = [np.zeros(1), b"", bytearray(), memoryview(b""), array("q"), array("d")]

    kinds = [body.kind_of(attachment) for attachment in attachments]

    assert [body.TENSOR, body.BYTES, body.BYTES, body.BYTES, body.INT64_LIST, body.FLOAT64_LIST] == kinds
