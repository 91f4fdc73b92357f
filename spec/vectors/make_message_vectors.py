"""Writes message/ and names.json: what the two sides say and what it means, and what is a name.

    python spec/vectors/make_message_vectors.py            write the files
    python spec/vectors/make_message_vectors.py --check    exit 1 if any file differs, is missing or is too many

Only the standard library: what is written here does not depend on the code that it tests.
"""

import json
import sys
from typing import Any, Dict, Iterator, List, Tuple

import call_cases
from message_cases import (
    BAD_FRAMES,
    BAD_JSON,
    BAD_REQUESTS,
    BAD_RESPONSES,
    EXIT,
    VALID_REQUESTS,
    VALID_RESPONSES,
    request,
    short_request,
)
from vector_files import HERE, existing, write_or_check

TYPED_VALID: List[Tuple[str, Dict[str, Any]]] = [
    ("hello", request("hello")),
    ("hello world", request("hello", "world")),
    ("matmul input_a input_b", request("matmul", "input_a input_b")),
    (" \t\n\v\f\rhello \t\n\v\f\rworld  of \n words \n", request("hello", "world  of \n words \n")),
    ("hello\n", request("hello")),
    ("你好 世界", request("你好", "世界")),
    ("hello\u3000world\u00a0\u2003", request("hello\u3000world\u00a0\u2003")),
    ('say "{not json}"', request("say", '"{not json}"')),
    ('"quoted"', request('"quoted"')),
    ("[1]", request("[1]")),
    ("\ufeff{}", request("\ufeff{}")),
    ("nul \0 inside", request("nul", "\0 inside")),
    ('{"command":"matmul","parameters":"a b","timestamp":1}', request("matmul", "a b")),
    ('\n {"cmd":"matmul","params":["a","b"]} \n', short_request("matmul", "a b")),
    ('{"command":"x","id":99,"deadline":1}', request("x")),
    ("exit", EXIT),
    ("exit now", EXIT),
    ('{"cmd":"exit"}', EXIT),
    ('{"command":"exit","id":1}', EXIT),
    ("exiting", request("exiting")),
]

TYPED_INVALID: Dict[str, str] = {
    "empty": "",
    "white-space": " \t\n\v\f\r",
    "brace-alone": "{",
    "json-cut": '{"command":"x"',
    "json-and-more": '{"command":"x"} y',
    "json-after-vertical-tab": '\v{"command":"x"}',
    "json-without-command": "{}",
    "json-empty-command": '{"cmd":""}',
    "json-bad-parameters": '{"cmd":"x","params":{}}',
    "json-bad-id": '{"cmd":"x","id":"a"}',
    "lone-surrogate": "echo \ud800",
    "lone-surrogate-in-json": '{"command":"\udfff"}',
}

NAMES_VALID: List[str] = [
    "a", "A", "0", "input_a", "weights.layer-1.bias", "a..b", "a-", "a_", "~", "a=b;c&d'e`f(g)[h]{i}!@#$%^+", "权重", "é", "e\u0301",
    "😀", "\u200b", "\ufeff", "\ufffd", "\uffff", "\u00a1", "a" * 128, "é" * 64, "default", "exit", "request", "response.json",
    "con_", "xcon", "conx", "co", "com", "com10", "com1x", "lpt", "lpt00", "com\u2074", "com\u00bc", "clock", "conin", "x.con", "x.nul.y", "ÇON",
    "result", "result_", "result_x", "result_0x", "result_0.5", "result_-1", "result_\u0661", "Result_0", "results_0", "x_result_0",
]  # fmt: skip

NAMES_RESERVED: List[str] = [
    "_",
    "__",
    "_x",
    "_0",
    "result_0",
    "result_00",
    "result_7",
    "result_18446744073709551616",
]

NAMES_INVALID: Dict[str, str] = {
    "empty": "",
    "too-long": "a" * 129,
    "too-long-in-bytes": "é" * 64 + "a",
    "dot": ".",
    "dot-dot": "..",
    "begins-with-dot": ".hidden",
    "begins-with-hyphen": "-rf",
    "ends-with-dot": "a.",
    "reserved-but-separator": "_a/b",
    **{f"separator-{ord(c):02x}": f"a{c}b" for c in '/\\:*?"<>|,'},
    **{f"control-{c:02x}": f"a{chr(c)}b" for c in (*range(0x20), *range(0x7F, 0xA0))},
    **{
        f"white-space-{c:04x}": f"a{chr(c)}b"
        for c in (0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)
    },
    "white-space-first": " a",
    "white-space-last": "a ",
    "new-line-last": "a\n",
    **{f"surrogate-{c:04x}": f"a{chr(c)}" for c in (0xD800, 0xDBFF, 0xDC00, 0xDFFF)},
    **{
        f"device-{name.lower()}": name for name in ("CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$")
    },
    **{f"device-{port}{i}": f"{port}{i}" for port in ("com", "lpt") for i in range(10)},
    **{
        f"device-{port}-superscript-{i}": f"{port}{c}"
        for port in ("com", "LPT")
        for i, c in enumerate("¹²³", 1)
    },
    "device-mixed-case": "nUl",
    "device-with-extension": "con.txt",
    "device-with-extensions": "Lpt9.tar.gz",
    "device-port-superscript-with-extension": "COM².x",
}

Files = Iterator[Tuple[str, bytes]]


def dump(value: Any) -> bytes:
    """JSON for people and programs: ASCII, because lone surrogates have no UTF-8."""
    return (json.dumps(value, indent=2) + "\n").encode()


def frame(folder: str, name: str, kind: str, text: Any, meaning: Any) -> Files:
    """A text of one side as it travels, and beside it what it means."""
    data = text if isinstance(text, bytes) else text.encode()
    yield f"message/{folder}/{name}.{kind}.json", data
    yield f"message/{folder}/{name}.{kind}.meaning", dump(meaning)


def invalid_request(
    code: str, detail: str, text: Any, dialect: str = "long", request_id: Any = None
) -> Files:
    """A request that is refused; its error response needs the dialect and the id."""
    meaning = {"code": code, "dialect": dialect, "id": request_id}
    return frame("invalid", f"{code}--{detail}", "request", text, meaning)


def invalid_response(code: str, detail: str, text: Any) -> Files:
    """A response that is refused."""
    return frame("invalid", f"{code}--{detail}", "response", text, {"code": code})


def vectors() -> Files:
    """Every file, as (path, bytes)."""
    for name, (text, meaning) in VALID_REQUESTS.items():
        yield from frame("valid", name, "request", text, meaning)
    for name, (text, meaning) in VALID_RESPONSES.items():
        yield from frame("valid", name, "response", text, meaning)
    for code, cases in (("bad_json", BAD_JSON), ("bad_frame", BAD_FRAMES)):
        for detail, text in cases.items():
            yield from invalid_request(code, detail, text)
            yield from invalid_response(code, detail, text)
    for detail, (text, dialect, request_id) in BAD_REQUESTS.items():
        yield from invalid_request("bad_frame", detail, text, dialect, request_id)
    for detail, text in BAD_RESPONSES.items():
        yield from invalid_response("bad_frame", detail, text)
    typed = [{"text": text, "meaning": meaning} for text, meaning in TYPED_VALID]
    yield "message/typed.json", dump({"valid": typed, "invalid": TYPED_INVALID})
    yield (
        "message/calls.json",
        dump(
            {
                "valid": [
                    {"kind": kind, "text": text, "meaning": meaning}
                    for kind, text, meaning in call_cases.VALID
                ],
                "invalid": {
                    name: {"kind": kind, "text": text, "code": code}
                    for name, (kind, text, code) in call_cases.INVALID.items()
                },
            }
        ),
    )
    yield "names.json", dump({"valid": NAMES_VALID, "invalid": NAMES_INVALID, "reserved": NAMES_RESERVED})


def main() -> int:
    """Write the files, or with --check compare them."""
    return write_or_check(dict(vectors()), existing([*(HERE / "message").rglob("*"), HERE / "names.json"]))


if __name__ == "__main__":
    sys.exit(main())
