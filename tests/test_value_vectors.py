"""Python and C++ say the same of every body in spec/vectors/values, forwards and backwards."""

import json
import subprocess
from array import array
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Tuple

import numpy as np
import pytest
import value_guest
from cpp_programs import built_program

from tech_renaissance._protocol import body

ROOT = Path(__file__).resolve().parents[1]
VECTORS = ROOT / "spec" / "vectors" / "values"
CPP_GUEST = built_program("guest_value")
PYTHON_GUEST = ROOT / "tests" / "value_guest.py"

Answer = Dict[str, Any]
Question = Dict[str, Any]
Guest = Callable[[List[Question]], List[Answer]]


def _python(questions: List[Question]) -> List[Answer]:
    return [value_guest.answer(question) for question in questions]


def _cpp(questions: List[Question]) -> List[Answer]:
    if not CPP_GUEST.exists():
        pytest.skip(f"{CPP_GUEST} is not built")
    return _process([str(CPP_GUEST)], questions)


def _process(command: List[str], questions: List[Question]) -> List[Answer]:
    lines = "".join(map(value_guest.packed, questions))
    run = subprocess.run(command, input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return [value_guest.unpacked(line) for line in run.stdout.splitlines()]


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


@pytest.mark.interpreters
def test_every_interpreter_reads_and_writes_the_same(worker_python: str) -> None:
    """The vectors, on each Python that workers run on."""
    questions = [
        {"role": role, "body": described} for _, role, case in _cases("valid") for described in case["bodies"]
    ]
    questions += [{"role": role, "body": case["body"]} for _, role, case in _cases("invalid")]
    questions += [{"role": role, "meaning": case["meaning"]} for _, role, case in _cases("valid")]

    answers = _process([worker_python, str(PYTHON_GUEST)], questions)

    assert {} == _differences(map(repr, questions), _python(questions), answers)


def test_the_bytes_of_an_attachment_are_told_from_tensors_and_numbers() -> None:
    """By the type of what it is."""
    attachments = [np.zeros(1), b"", bytearray(), memoryview(b""), array("q"), array("d")]

    kinds = [body.kind_of(attachment) for attachment in attachments]

    assert [body.TENSOR, body.BYTES, body.BYTES, body.BYTES, body.INT64_LIST, body.FLOAT64_LIST] == kinds
