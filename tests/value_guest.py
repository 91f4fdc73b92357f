"""Python's side of spec/vectors/values, for any interpreter: a line of JSON in, a line of JSON out, as in tests/cpp/guest_value.cpp.

    {"role": "result" | "call", "body": {"form", "text" or "hex", "attachments"}}      -> {"meaning"} or {"code"}
    {"role": ..., "meaning": ...}                                                      -> {"body"}

Meanings travel in strings, because nothing may be nested deeper than they are.
"""

import json
import math
import struct
import sys
from array import array
from typing import Any, Dict, List, Tuple, Union

from tech_renaissance._base.errors import RemoteProtocolError
from tech_renaissance._base.tensor import DTYPES, describe, from_buffer
from tech_renaissance._protocol import body
from tech_renaissance._protocol.body_decoder import decode_call, decode_result
from tech_renaissance._protocol.body_encoder import encode_call, encode_result

FORMS = {"text": body.TEXT, "attachments": body.ATTACHMENTS, "json": body.JSON}
DTYPE_NAMED = {dtype.name: dtype for dtype in DTYPES}


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
        if value.typecode == "q":
            return {"int64 list": list(map(str, numbers))}
        return {"float64 list": list(map(_bits, numbers))}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    raw = describe(value)
    return {"tensor": {"dtype": raw.dtype.name, "shape": list(raw.shape), "data": raw.data.hex()}}


def _bits(value: float) -> str:
    return struct.pack(">d", math.nan if math.isnan(value) else value).hex()


def _call_meaning(args: List[Any], kwargs: Dict[str, Any]) -> Dict[str, Any]:
    return {"args": meaning_of(args), "kwargs": [[key, meaning_of(value)] for key, value in kwargs.items()]}


def _arguments_of(meaning: Dict[str, Any]) -> Tuple[List[Any], Dict[str, Any]]:
    return value_of(meaning["args"]), {key: value_of(value) for key, value in meaning["kwargs"]}


def _body_of(described: Dict[str, Any]) -> Tuple[int, bytes, List[Any]]:
    text = bytes.fromhex(described["hex"]) if "hex" in described else described["text"].encode()
    form = FORMS.get(described["form"], 3)
    return form, text, [attachment_of(attachment) for attachment in described["attachments"]]


def _described(form: int, text: str, attachments: List[Any]) -> Dict[str, Any]:
    (name,) = [name for name, number in FORMS.items() if number == form]
    return {"form": name, "text": text, "attachments": [meaning_of(value) for value in attachments]}


def answer(question: Dict[str, Any]) -> Dict[str, Any]:
    """The answer to a question whose meaning, if it has one, is not in a string."""
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


def packed(message: Dict[str, Any]) -> str:
    """A question or an answer as a line."""
    return json.dumps({k: json.dumps(v) if k == "meaning" else v for k, v in message.items()}) + "\n"


def unpacked(line: Union[str, bytes]) -> Dict[str, Any]:
    """And back."""
    return {k: json.loads(v) if k == "meaning" else v for k, v in json.loads(line).items()}


if __name__ == "__main__":
    for question_line in sys.stdin:
        sys.stdout.write(packed(answer(unpacked(question_line))))
