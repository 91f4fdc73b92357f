"""What Python writes as values, and what it refuses; what both languages write and read is in test_value_vectors.py."""

import dataclasses
import decimal
import enum
import gc
import pathlib
import subprocess
import sys
import weakref
from typing import Any, Dict, List, NamedTuple, Optional

import numpy as np
import pytest

from tech_renaissance._base.errors import FormatError, LocalProtocolError, RemoteProtocolError
from tech_renaissance._protocol import body, body_decoder, body_encoder
from tech_renaissance._protocol.body_decoder import decode_call, decode_result
from tech_renaissance._protocol.body_encoder import encode_call, encode_result
from tech_renaissance._protocol.converters import Mismatch
from tech_renaissance._protocol.hints import converter_of


class Color(enum.Enum):
    """An enum whose members are anything."""

    RED = "red"
    BLUE = 3


class Level(enum.IntEnum):
    """An enum of ints."""

    LOW = 1


class Mode(str, enum.Enum):
    """An enum of texts."""

    FAST = "fast"


@dataclasses.dataclass
class Layer:
    """A record with defaults, and a field that its constructor does not take."""

    width: int
    rate: Optional[float] = None
    area: int = dataclasses.field(init=False, default=0)


@dataclasses.dataclass
class Net:
    """A record of records."""

    layers: List[Layer]


class Point(NamedTuple):
    """A tuple with names."""

    x: int
    y: int


class Words(Dict[str, Any]):
    """A dict of the user's own."""


class Name(str):
    """A text of the user's own."""

    __slots__ = ()


def there_and_back(value: Any) -> Any:
    """The value that arrives; the same as an argument."""
    result = decode_result(*encode_result(value))
    (argument,), keywords = decode_call(*encode_call([value], {"k": value}))
    assert repr(result) == repr(argument) == repr(keywords["k"])
    return result


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        ((1, (2.5, "x")), [1, [2.5, "x"]]),
        (Point(1, 2), [1, 2]),
        (Color.RED, "red"),
        ([Color.BLUE, Level.LOW, Mode.FAST], [3, 1, "fast"]),
        ({Mode.FAST: 1, Name("n"): Name("v")}, {"fast": 1, "n": "v"}),
        (Layer(3, 0.5), {"width": 3, "rate": 0.5}),
        (Net([Layer(1), Layer(2)]), {"layers": [{"width": 1, "rate": None}, {"width": 2, "rate": None}]}),
        (Words(a=1), {"a": 1}),
        (bytearray(b"ab"), bytearray(b"ab")),
        ([np.float64(0.5), np.float32(0.5), np.float16(0.5)], [0.5, 0.5, 0.5]),
        ([np.int8(-1), np.uint64(7), np.bool_(True)], [-1, 7, True]),
        (np.float32("inf"), float("inf")),
        ([np.str_("x")], ["x"]),
        ([True] * 17, [True] * 17),
        ([1.0] * 16 + [np.float64(2)], [1.0] * 16 + [2.0]),
    ],
    ids=repr,
)
def test_what_python_has_more_arrives_as_a_value(value: Any, arrives: Any) -> None:
    """With the types of the model, not those of the sender."""
    result = there_and_back(value)

    assert arrives == result
    assert repr(arrives) == repr(result)


def test_bytes_of_any_shape_arrive_in_order() -> None:
    """A view with gaps is copied."""
    _, _, (attachment,) = encode_result(memoryview(b"abcdef")[::2])

    assert b"ace" == bytes(attachment)


def test_a_list_of_numbers_travels_packed_only_if_it_is_long() -> None:
    """And if nothing else is in it."""
    assert [0, 1, 0, 1, 0] == [
        len(encode_result(value)[2])
        for value in ([1] * 16, [1] * 17, [1] * 16 + [True], [0.5] * 17, [0.5] * 17 + [1])
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2**63, "the value is an int that does not fit 64 bits"),
        ([0, -(2**63) - 1], "[1] is an int that does not fit 64 bits"),
        ([1] * 20 + [2**63], "[20] is an int that does not fit 64 bits"),
        (np.uint64(2**63), "the value is an int that does not fit 64 bits"),
        ({"a": {1: 2}}, "a has the key 1 of type int: keys are strings"),
        ({"a": {None: 2}}, "a has the key None of type NoneType: keys are strings"),
        ({"a": ["\ud800"]}, "a[0] has a surrogate, which is no character"),
        ("\udfff", "the value has a surrogate, which is no character"),
        ({"x": {"\ud800": 1}}, "x has a surrogate, which is no character"),
        ({"two words": [{3}]}, '["two words"][0] is of type set, which cannot be sent: send sorted(value), or list(value)'),
        (range(3), "the value is of type range, which cannot be sent: send list(value)"),
        (1j, "the value is of type complex, which cannot be sent: send [value.real, value.imag]"),
        (np.complex64(1), "the value is of type complex64, which cannot be sent: send [value.real"),
        (decimal.Decimal(1), "the value is of type Decimal, which cannot be sent: send str(value)"),
        (pathlib.Path(), "Path, which cannot be sent: send str(value)"),
        (np.datetime64(0, "s"), "the value is of type datetime64, which cannot be sent: send str(value)"),
        ([np.datetime64(0, "ns")], "[0] is of type datetime64, which cannot be sent: send str(value)"),
        (np.timedelta64(5, "ns"), "the value is of type timedelta64, which cannot be sent: send value.astype(int)"),
        (np.timedelta64(5, "Y"), "the value is of type timedelta64, which cannot be sent"),
        (np.timedelta64(5), "the value is of type timedelta64, which cannot be sent"),
        (slice(1), "the value is of type slice, which cannot be sent"),
        (Layer, "the value is of type type, which cannot be sent"),
        (Net([Layer(1), Layer(2**63)]), "layers[1].width is an int that does not fit 64 bits"),
        (Layer(1, 2j), "rate is of type complex, which cannot be sent"),
    ],
    ids=ascii,
)  # fmt: skip
def test_what_is_no_value_is_refused_with_its_path(value: Any, message: str) -> None:
    """And a cure, where there is one."""
    with pytest.raises(LocalProtocolError) as caught:
        encode_result(value)

    assert "bad_value" == caught.value.code
    assert message in str(caught.value)


def test_the_path_of_an_argument_begins_with_its_place() -> None:
    """Or with the name of the keyword."""
    with pytest.raises(LocalProtocolError, match=r"^args\[1\]\.a\[0\] is of type set"):
        encode_call([{1}.pop(), {"a": [{1}]}], {})
    with pytest.raises(LocalProtocolError, match=r"^config\.a is of type set"):
        encode_call([1], {"config": {"a": {1}}})
    with pytest.raises(LocalProtocolError, match=r"^args\[0\] has a surrogate"):
        encode_call(["\ud800"], {})


def test_a_tensor_that_cannot_be_sent_is_told_with_its_path() -> None:
    """The cure is that of tensors."""
    broken = np.array([None])
    with pytest.raises(FormatError, match=r"^weights\[0\]: TSR has no dtype for object") as caught:
        encode_result({"weights": [broken]})
    assert "unsupported_dtype" == caught.value.code
    with pytest.raises(FormatError, match=r"^args\[1\]: "):
        encode_call([np.zeros(1), broken], {})
    with pytest.raises(FormatError, match=r"^the value: ") as caught:
        encode_result(np.zeros((1,) * 9))
    assert "too_many_dims" == caught.value.code


def test_a_value_that_is_refused_is_kept_by_nothing() -> None:
    """Although the error of its innermost part has been looked for; so a stream whose argument is an input can be dropped."""

    class Refused:
        pass

    value = Refused()
    is_kept = weakref.ref(value)
    gc.disable()
    try:
        with pytest.raises(LocalProtocolError):
            encode_call([{"deep": [value]}], {})
        del value
        assert is_kept() is None
    finally:
        gc.enable()


def test_what_contains_itself_is_refused() -> None:
    """Not by running out of stack."""
    value: List[Any] = []
    value.append({"again": value})
    with pytest.raises(LocalProtocolError, match="nested deeper than 64 levels: does it contain itself"):
        encode_result(value)


@pytest.mark.parametrize("leaf", ["x", float("nan"), np.zeros(1), b"", [1] * 17, {}], ids=repr)
def test_what_is_written_at_the_limit_of_nesting_can_be_read(leaf: Any) -> None:
    """One level more is refused by the writer, not only by the reader."""
    depth = 64 if isinstance(leaf, str) else 63
    for _ in range(depth):
        leaf = [leaf]

    assert there_and_back_as_result(leaf)
    with pytest.raises(LocalProtocolError, match="nested deeper"):
        encode_result([leaf])


def there_and_back_as_result(value: Any) -> bool:
    """Whether what arrives looks like what was sent."""
    return repr(value) == repr(decode_result(*encode_result(value)))


def test_a_text_that_is_too_large_is_refused_by_writer_and_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bytes, whatever its form."""
    monkeypatch.setattr(body_encoder, "MAX_TEXT_NBYTES", 10)
    monkeypatch.setattr(body_decoder, "MAX_TEXT_NBYTES", 10)
    assert "é" * 5 == there_and_back_text("é" * 5)
    for write in (lambda: encode_result("é" * 5 + "x"), lambda: encode_call(["123456", 1], {})):
        with pytest.raises(LocalProtocolError) as caught:
            write()
        assert "too_large" == caught.value.code
    for form in (body.TEXT, body.JSON):
        with pytest.raises(RemoteProtocolError) as refused:
            decode_result(form, b"[1,2,3,4,5]")
        assert "too_large" == refused.value.code


def there_and_back_text(text: str) -> Any:
    """A text alone."""
    return decode_result(*encode_result(text))


def test_a_text_may_be_a_view_of_memory() -> None:
    """A transport need not copy it before it is read."""
    assert [1, "é"] == decode_result(body.JSON, memoryview('[1,"é"]'.encode()))
    assert "é" == decode_result(body.TEXT, memoryview("é".encode()))


def test_ints_of_many_digits_cost_no_time() -> None:
    """In a text of any length."""
    for digits in (4000, 1_000_000):
        with pytest.raises(RemoteProtocolError) as caught:
            decode_result(body.JSON, b"[" + b"7" * digits + b"]")
        assert "bad_value" == caught.value.code


def test_keys_and_types_that_never_come_again_are_forgotten() -> None:
    """A worker that makes keys and classes all the time does not grow."""
    keys = {f"key {number}": number for number in range(10_000)}
    assert keys == there_and_back(keys)
    for number in range(5_000):
        encode_result(enum.Enum("Many", {"A": number}).A)

    assert len(body_encoder._keys) <= 4096
    assert len(body_encoder._known) <= 4096
    assert {"a": [1.5, float("inf"), b"x", None]} == there_and_back({"a": [1.5, float("inf"), b"x", None]})


class Watched(Dict[Any, Any]):
    """Never without what must be there, since other threads may look at any time."""

    def pop(self, key: Any, *default: Any) -> Any:
        assert key not in body_encoder._BUILT_IN
        return super().pop(key, *default)

    def clear(self) -> None:
        raise AssertionError


def test_only_types_of_the_users_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that Python itself has stay known at any time."""
    monkeypatch.setattr(body_encoder, "_known", Watched(body_encoder._known))
    for _ in range(5_000):
        body_encoder._learn(type("Once", (float,), {}))

    assert len(body_encoder._known) <= 4096
    assert body_encoder._BUILT_IN.keys() <= body_encoder._known.keys()


@pytest.mark.torch
def test_torch_tensors_are_found_at_any_depth() -> None:
    """Parameters, too."""
    import torch

    weights = torch.nn.Parameter(torch.ones(2))

    form, text, attachments = encode_result({"a": [weights, torch.zeros(1)], "size": torch.zeros(2, 3).shape})

    assert (body.JSON, '{"a":[{"$":0},{"$":1}],"size":[2,3]}') == (form, text)
    assert attachments[0] is weights


def test_values_need_neither_numpy_nor_torch() -> None:
    """Whoever sends no tensors imports neither."""
    assert not {"numpy", "torch"} & set(
        _modules_after("from tech_renaissance._protocol import body_encoder, body_decoder")
    )


def _modules_after(program: str) -> List[str]:
    command = [sys.executable, "-c", f"{program}; import sys; print(*sys.modules)"]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode().split()


# ----------------------------------------------------------------------------------------- records of many kinds


@dataclasses.dataclass
class Pair:
    """Two fields of any types."""

    first: Any
    second: Any


MANY_KINDS: List[Any] = [
    None,
    True,
    1,
    0.5,
    float("nan"),
    "text",
    '"quoted"',
    b"bytes",
    [1, 2.0],
    {"$": "x"},
    (),
]


def test_a_record_is_written_as_the_dict_of_its_fields_whatever_types_they_have() -> None:
    """More combinations of types than a class has functions for; each twice, so that the functions are used."""
    pairs = [(first, second) for first in MANY_KINDS for second in MANY_KINDS] * 2
    for first, second in pairs:
        assert encode_result(Pair(first, second)) == encode_result({"first": first, "second": second})


@pytest.mark.parametrize(
    "value", [2**63, -(2**63) - 1, "\ud800", object()], ids=lambda value: type(value).__name__
)
def test_what_cannot_be_sent_is_refused_in_a_record_of_a_known_kind(value: Any) -> None:
    """With its path, as in any other."""
    encode_result(Pair(1, "text"))
    with pytest.raises(LocalProtocolError, match="second") as caught:
        encode_result(Pair(1, value))
    assert caught.value.code == "bad_value"


def test_records_that_contain_each_other_are_refused_beyond_64_levels() -> None:
    """Also when all of them have the same types."""
    record: Any = 1
    for _ in range(63):
        record = Pair(record, 2)
    encode_result(record)
    with pytest.raises(LocalProtocolError, match="nested deeper"):
        encode_result(Pair(Pair(record, 2), 2))


@dataclasses.dataclass
class Sizes:
    """What a converter makes of a dict."""

    width: int
    rate: float = 0.5
    label: Any = None


def test_a_record_takes_its_fields_in_any_order_and_of_any_types_that_fit() -> None:
    """The types seen before decide nothing."""
    convert = converter_of(Sizes)
    for _ in range(2):
        assert convert({"width": 1, "rate": 2.0, "label": "x"}) == Sizes(1, 2.0, "x")
        assert convert({"label": [1], "rate": 2, "width": 1.0}) == Sizes(1, 2.0, [1])
        assert convert({"width": 1}) == Sizes(1)
        with pytest.raises(Mismatch, match="str"):
            convert({"width": "1", "rate": 2.0, "label": "x"})
        with pytest.raises(Mismatch, match="no such field"):
            convert({"width": 1, "rate": 2.0, "depth": "x"})
