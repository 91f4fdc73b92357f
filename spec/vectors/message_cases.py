"""Texts of requests and responses, and what they mean: the cases that make_message_vectors.py writes as files.

A valid case is (text, meaning). Names of invalid cases say the defect.
"""

from typing import Any, Dict, List, Optional, Tuple, Union

Json = Dict[str, Any]
Text = Union[str, bytes]


def request(command: str, parameters: str = "", id: Optional[int] = None, dialect: str = "long") -> Json:  # noqa: A002
    """The meaning of a request."""
    return {
        "kind": "request",
        "dialect": dialect,
        "id": id,
        "command": command,
        "parameters": parameters,
        "deadline": None,
        "typed": False,
        "form": 0,
        "attachments": [],
        "streams": False,
        "input": False,
    }


def short_request(command: str, parameters: str = "", id: Optional[int] = None) -> Json:  # noqa: A002
    """The meaning of a request in the short dialect."""
    return request(command, parameters, id, "short")


def response(command: str, result: str, **others: Any) -> Json:
    """The meaning of a response."""
    meaning: Json = {
        "kind": "response",
        "dialect": "long",
        "id": None,
        "command": command,
        "result": result,
        "message": "",
        "form": 0,
        "attachments": [],
        "error": None,
    }
    return {**meaning, **others}


def tensors(*names: str) -> List[List[Any]]:
    """The meaning of attachments that are all tensors."""
    return [[0, name] for name in names]


def short_response(command: str, result: str, **others: Any) -> Json:
    """The meaning of a response in the short dialect."""
    return response(command, result, dialect="short", **others)


def failure(code: str, message: str = "", type: str = "", traceback: str = "") -> Json:  # noqa: A002
    """The meaning of the key ``error``."""
    return {"code": code, "type": type, "message": message, "traceback": traceback}


def nested(levels: int) -> str:
    """A request with so many levels of arrays and objects, the outermost included."""
    half, rest = divmod(levels - 1, 2)
    return '{"command":"x","deep":' + '[{"a":' * half + ("[]" if rest else "0") + "}]" * half + "}"


EXIT: Json = {"kind": "exit"}

VALID_REQUESTS: Dict[str, Tuple[Text, Json]] = {
    "long": ('{"command":"matmul","parameters":"a b","timestamp":1699123456789}', request("matmul", "a b")),
    "long-no-timestamp": ('{"command":"matmul","parameters":"a b"}', request("matmul", "a b")),
    "long-strange-timestamp": ('{"command":"x","timestamp":"yesterday"}', request("x")),
    "long-white-space": (' \t\r\n{ "command" :\n\t"x" , "parameters" : "" }\r\n', request("x")),
    "short": ('{"cmd":"matmul","params":"a b"}', short_request("matmul", "a b")),
    "short-reordered": ('{"params":"a b","cmd":"matmul"}', short_request("matmul", "a b")),
    "both-commands": (
        '{"cmd":"short","params":"s","command":"long","parameters":"l"}',
        request("long", "l"),
    ),
    "both-commands-one-null": ('{"cmd":"short","params":"s","command":null}', short_request("short", "s")),
    "other-dialects-parameters": ('{"command":"x","params":"ignored"}', request("x")),
    "unknown-keys": ('{"command":"x","future":{"a":[1,2.5e-3,null,true]},"Id":"no"}', request("x")),
    "duplicate-keys": ('{"command":"first","id":1,"command":"last","id":2}', request("last", "", 2)),
    "duplicate-key-bad-first": ('{"command":{},"id":"x","command":"last","id":2}', request("last", "", 2)),
    "escaped-key": ('{"\\u0063ommand":"x"}', request("x")),
    "byte-order-mark": ('\ufeff{"command":"x"}', request("x")),
    "parameters-missing": ('{"command":"x"}', request("x")),
    "parameters-null": ('{"command":"x","parameters":null}', request("x")),
    "parameters-empty": ('{"command":"x","parameters":""}', request("x")),
    "parameters-integer": ('{"command":"x","parameters":42}', request("x", "42")),
    "parameters-negative-zero": ('{"command":"x","parameters":-0}', request("x", "-0")),
    "parameters-64-bit": (
        '{"command":"x","parameters":[9223372036854775807,-9223372036854775808,18446744073709551615]}',
        request("x", "9223372036854775807 -9223372036854775808 18446744073709551615"),
    ),
    "parameters-huge-integer": ('{"command":"x","parameters":' + "7" * 5000 + "}", request("x", "7" * 5000)),
    "parameters-float": ('{"command":"x","parameters":0.10}', request("x", "0.10")),
    "parameters-exponents": (
        '{"command":"x","parameters":[1E5,1e+05,2.50e-7]}',
        request("x", "1E5 1e+05 2.50e-7"),
    ),
    "parameters-beyond-double": ('{"command":"x","parameters":1e999}', request("x", "1e999")),
    "parameters-true": ('{"command":"x","parameters":true}', request("x", "true")),
    "parameters-false": ('{"cmd":"x","params":false}', short_request("x", "false")),
    "parameters-array": (
        '{"cmd":"x","params":["a", 1, true, "b c", ""]}',
        short_request("x", "a 1 true b c "),
    ),
    "parameters-empty-array": ('{"command":"x","parameters":[]}', request("x")),
    "parameters-look-like-keys": (
        '{"cmd":"x","params":"\\"params\\":\\"y\\""}',
        short_request("x", '"params":"y"'),
    ),
    "escapes": (
        '{"command":"x","parameters":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\\u00e9\\u4E2d"}',
        request("x", '"\\/\b\f\n\r\t\0\x1f\u00e9\u4e2d'),
    ),
    "raw-delete-and-separators": (
        '{"command":"x","parameters":"\x7f\u2028\u2029"}',
        request("x", "\x7f\u2028\u2029"),
    ),
    "utf-8": (
        '{"command":"问","parameters":"\u00e9 \u07ff \u0800 \ud7ff \ue000 \uffff \U00010000 \U0010ffff"}',
        request("问", "\u00e9 \u07ff \u0800 \ud7ff \ue000 \uffff \U00010000 \U0010ffff"),
    ),
    "surrogate-pairs": (
        '{"command":"x","parameters":"\\ud800\\udc00\\uDBFF\\uDFFF\\ud83d\\ude00"}',
        request("x", "\U00010000\U0010ffff\U0001f600"),
    ),
    "lone-surrogates": (
        '{"command":"\\ud800","parameters":"\\udc00 \\ud800x \\ud800\\n \\ud800\\u0041 \\ud800\\ud800\\udc00 \\udc00\\ud800"}',
        request("\ufffd", "\ufffd \ufffdx \ufffd\n \ufffdA \ufffd\U00010000 \ufffd\ufffd"),
    ),
    "command-is-white-space": ('{"command":" "}', request(" ")),
    "command-exit-in-capitals": ('{"command":"EXIT"}', request("EXIT")),
    "id": ('{"command":"x","parameters":"","timestamp":1,"id":7}', request("x", "", 7)),
    "id-short": ('{"cmd":"x","id":7}', short_request("x", "", 7)),
    "id-null": ('{"command":"x","id":null}', request("x")),
    "id-largest": ('{"command":"x","id":9223372036854775807}', request("x", "", 2**63 - 1)),
    "deadline": (
        '{"command":"x","id":1,"deadline":5000000000}',
        {**request("x", "", 1), "deadline": 5 * 10**9},
    ),
    "deadline-short-without-id": ('{"cmd":"x","deadline":1}', {**short_request("x"), "deadline": 1}),
    "deadline-null": ('{"command":"x","id":1,"deadline":null}', request("x", "", 1)),
    "deadline-largest": (
        '{"command":"x","deadline":9223372036854775807}',
        {**request("x"), "deadline": 2**63 - 1},
    ),
    "deep-64": (nested(64), request("x")),
    "wide": ('{"command":"x","wide":[' + "[]," * 999 + "[]]}", request("x")),
    "brackets-in-strings": (
        '{"command":"x","parameters":"' + "[" * 70 + '\\"{"}',
        request("x", "[" * 70 + '"{'),
    ),
    "long-exit": ('{"command":"exit","parameters":"","timestamp":1}', EXIT),
    "short-exit": ('{"cmd":"exit"}', EXIT),
    "exit-with-id-and-parameters": ('{"command":"exit","parameters":"now","id":3}', EXIT),
}

VALID_REQUESTS.update(
    {
        "typed": (
            (
                '{"command":"add","parameters":"","timestamp":1,"id":5,"typed":true,"form":1,'
                '"attachments":[{"kind":0,"name":"_5_0"},{"kind":1,"name":"_5_1"}]}'
            ),
            {**request("add", "", 5), "typed": True, "form": 1, "attachments": [[0, "_5_0"], [1, "_5_1"]]},
        ),
        "typed-json": (
            '{"cmd":"add","params":"[[1]]","id":5,"typed":true,"form":2,"streams":true}',
            {**short_request("add", "[[1]]", 5), "typed": True, "form": 2, "streams": True},
        ),
        "typed-input": (
            '{"command":"train","parameters":"[[{\\"$in\\":0}]]","id":5,"typed":true,"form":2,"input":true}',
            {**request("train", '[[{"$in":0}]]', 5), "typed": True, "form": 2, "input": True},
        ),
        "input-is-true-or-nothing": (
            '{"command":"x","id":5,"typed":true,"input":1}',
            {**request("x", "", 5), "typed": True},
        ),
        "attachments-of-a-text": (
            '{"command":"sum","parameters":"$0","id":5,"attachments":[{"name":"_5_0","kind":0,"more":{}}],"typed":false}',
            {**request("sum", "$0", 5), "attachments": [[0, "_5_0"]]},
        ),
        "typed-is-true-or-nothing": (
            '{"command":"x","typed":1,"form":null,"attachments":null}',
            request("x"),
        ),
    }
)

VALID_RESPONSES: Dict[str, Tuple[Text, Json]] = {
    "kinds": (
        '{"command":"x","result":"[{\\"$\\":0},{\\"$\\":1}]","form":2,"id":9,"tensors":["result_0","result_1"],"kinds":[3,1]}',
        response("x", '[{"$":0},{"$":1}]', id=9, form=2, attachments=[[3, "result_0"], [1, "result_1"]]),
    ),
    "attachments-alone": (
        '{"cmd":"x","params":"","result":"","form":1,"id":9,"tensors":["result_0"]}',
        short_response("x", "", id=9, form=1, attachments=tensors("result_0")),
    ),
    "long-without-id": (
        '{"command":"matmul","result":"ok","message":"Matrix multiplication completed","timestamp":1699123456790}',
        response("matmul", "ok", message="Matrix multiplication completed"),
    ),
    "long-minimal": ('{"command":"x","result":""}', response("x", "")),
    "long-nulls": (
        '{"command":"x","result":"ok","message":null,"tensors":null,"error":null,"id":null}',
        response("x", "ok"),
    ),
    "long-tensors": (
        '{"command":"svd","result":"ok","message":"","timestamp":1,"id":9,"tensors":["result_0","result_1","result_2"]}',
        response("svd", "ok", id=9, attachments=tensors("result_0", "result_1", "result_2")),
    ),
    "long-no-tensors": ('{"command":"x","result":"y","id":9,"tensors":[]}', response("x", "y", id=9)),
    "long-error": (
        (
            '{"command":"x","result":"error","message":"ValueError: no","id":1,"tensors":[],"error":'
            '{"code":"command_failed","type":"ValueError","message":"no","traceback":"Traceback...\\n"}}'
        ),
        response(
            "x",
            "error",
            id=1,
            message="ValueError: no",
            error=failure("command_failed", "no", "ValueError", "Traceback...\n"),
        ),
    ),
    "long-error-without-id": (
        '{"command":"x","result":"error","message":"no","error":{"code":"unknown_command","message":"no"}}',
        response("x", "error", message="no", error=failure("unknown_command", "no")),
    ),
    "long-malformed-request": (
        '{"command":"","result":"error","error":{"code":"malformed_request","type":null,"message":"m","traceback":""}}',
        response("", "error", error=failure("malformed_request", "m")),
    ),
    "long-invalid-tensors-with-results": (
        '{"command":"x","result":"fallback","message":"no tensor \'a\'","id":4,"tensors":["result_0"]}',
        response("x", "fallback", id=4, message="no tensor 'a'", attachments=tensors("result_0")),
    ),
    "error-code-of-the-future": (
        '{"command":"x","result":"error","error":{"code":"brand_new","more":1}}',
        response("x", "error", error=failure("brand_new")),
    ),
    "short-without-id": ('{"cmd":"hello","params":"Hello World"}', short_response("hello", "Hello World")),
    "short-names-without-id": (
        '{"cmd":"svd","params":"result_0,result_1"}',
        short_response("svd", "result_0,result_1"),
    ),
    "short-error-without-id": (
        '{"cmd":"x","params":"error: no","error":{"code":"command_failed","message":"no"}}',
        short_response("x", "error: no", error=failure("command_failed", "no")),
    ),
    "short-invalid-without-id": (
        '{"cmd":"x","params":"invalid","error":{"code":"invalid_tensors","message":"no"}}',
        short_response("x", "invalid", error=failure("invalid_tensors", "no")),
    ),
    "short-text": (
        '{"cmd":"hello","params":"Hello World","result":"Hello World","message":"","id":1,"tensors":[]}',
        short_response("hello", "Hello World", id=1),
    ),
    "short-tensors": (
        '{"cmd":"svd","params":"result_0,result_1","id":2,"result":"ok","tensors":["result_0","result_1"]}',
        short_response("svd", "ok", id=2, attachments=tensors("result_0", "result_1")),
    ),
    "short-error": (
        (
            '{"cmd":"x","params":"invalid","result":"invalid","message":"no tensor","id":3,"tensors":[],'
            '"error":{"code":"invalid_tensors","type":"","message":"no","traceback":""}}'
        ),
        short_response("x", "invalid", id=3, message="no tensor", error=failure("invalid_tensors", "no")),
    ),
    "short-result-only": ('{"cmd":"x","result":"y","id":3}', short_response("x", "y", id=3)),
    "both-dialects": ('{"cmd":"s","params":"p","command":"l","result":"r"}', response("l", "r")),
    "byte-order-mark": ('\ufeff{"command":"x","result":"ok"}', response("x", "ok")),
    "duplicate-keys": ('{"command":"x","result":1,"result":"last"}', response("x", "last")),
    "escapes": (
        '{"command":"\\u0078","result":"\\ud83d\\ude00\\ud83d \\u0000"}',
        response("x", "\U0001f600\ufffd \0"),
    ),
    "tensor-names": (
        '{"command":"x","result":"ok","id":1,"tensors":["权重","a.b","_x","\\ud800"]}',
        response("x", "ok", id=1, attachments=tensors("权重", "a.b", "_x", "\ufffd")),
    ),
}

# Not JSON. Most would be a request and a response without the defect.
BAD_JSON: Dict[str, Text] = {
    "empty": "",
    "white-space": " \n",
    "byte-order-mark-only": "\ufeff",
    "two-byte-order-marks": '\ufeff\ufeff{"command":"x","result":"r"}',
    "byte-order-mark-after-white-space": ' \ufeff{"command":"x","result":"r"}',
    "not-white-space": '\u00a0{"command":"x","result":"r"}',
    "vertical-tab": '\v{"command":"x","result":"r"}',
    "plain-text": "hello world",
    "two-values": '{"command":"x","result":"r"}{}',
    "trailing-byte": '{"command":"x","result":"r"}x',
    "trailing-nul": '{"command":"x","result":"r"}\0',
    "trailing-comma-object": '{"command":"x","result":"r",}',
    "trailing-comma-array": '{"command":"x","result":"r","a":[1,]}',
    "leading-comma": '{,"command":"x","result":"r"}',
    "double-comma": '{"command":"x",,"result":"r"}',
    "no-comma": '{"command":"x" "result":"r"}',
    "no-comma-array": '{"command":"x","result":"r","a":[1 2]}',
    "no-colon": '{"command" "x","result":"r"}',
    "no-value": '{"command":"x","result":}',
    "key-unquoted": '{command:"x","result":"r"}',
    "key-number": '{1:"x","command":"x","result":"r"}',
    "single-quotes": "{'command':'x','result':'r'}",
    "comment": '{"command":"x","result":"r"/**/}',
    "nan": '{"command":"x","result":"r","a":NaN}',
    "infinity": '{"command":"x","result":"r","a":Infinity}',
    "minus-infinity": '{"command":"x","result":"r","a":-Infinity}',
    "leading-zero": '{"command":"x","result":"r","a":01}',
    "leading-zero-negative": '{"command":"x","result":"r","a":-01}',
    "leading-plus": '{"command":"x","result":"r","a":+1}',
    "leading-point": '{"command":"x","result":"r","a":.5}',
    "trailing-point": '{"command":"x","result":"r","a":1.}',
    "minus-alone": '{"command":"x","result":"r","a":-}',
    "exponent-empty": '{"command":"x","result":"r","a":1e}',
    "exponent-sign-alone": '{"command":"x","result":"r","a":1e+}',
    "hexadecimal": '{"command":"x","result":"r","a":0x10}',
    "digits-arabic": '{"command":"x","result":"r","a":\u0661}',
    "word-in-capitals": '{"command":"x","result":"r","a":True}',
    "word-cut": '{"command":"x","result":"r","a":tru}',
    "word-too-long": '{"command":"x","result":"r","a":nulll}',
    "control-character": '{"command":"x\n","result":"r"}',
    "nul-in-string": '{"command":"x\0","result":"r"}',
    "unit-separator-in-key": '{"comm\x1fand":"x","result":"r"}',
    "unknown-escape": '{"command":"\\x41","result":"r"}',
    "escape-in-capitals": '{"command":"\\N","result":"r"}',
    "escape-not-hexadecimal": '{"command":"\\u00g0","result":"r"}',
    "escape-with-sign": '{"command":"\\u+041","result":"r"}',
    "escape-with-minus": '{"command":"\\u-041","result":"r"}',
    "escape-with-0x": '{"command":"\\u0x41","result":"r"}',
    "escape-short": '{"command":"\\u004","result":"r"}',
    "escape-short-after-surrogate": '{"command":"\\ud800\\u","result":"r"}',
    "escape-cut": '{"command":"\\u00',
    "escape-cut-after-backslash": '{"command":"\\',
    "string-cut": '{"command":"x',
    "object-cut": '{"command":"x","result":"r"',
    "object-cut-after-key": '{"command"',
    "object-cut-after-colon": '{"command":',
    "array-cut": '{"command":"x","result":"r","a":[1,2',
    "mismatched-brackets": '{"command":"x","result":"r","a":[1,2}]',
    "deep-65": nested(65),
    "deep-65-arrays": "[" * 65 + "]" * 65,
    "deep-100000": "[" * 100_000,
    "deep-after-string": '{"a":"' + '\\"' * 100 + '","b":' + '{"a":' * 100,
    "many-quotes": '"' + '\\"' * 10_000 + "[" * 100,
    "utf-8-continuation-alone": b'{"command":"\x80","result":"r"}',
    "utf-8-cut-before-quote": b'{"command":"\xe4\xb8","result":"r"}',
    "utf-8-cut-at-end": b'{"command":"x","result":"r"}\xe4',
    "utf-8-overlong-2": b'{"command":"\xc0\xaf","result":"r"}',
    "utf-8-overlong-3": b'{"command":"\xe0\x80\xaf","result":"r"}',
    "utf-8-overlong-4": b'{"command":"\xf0\x80\x80\xaf","result":"r"}',
    "utf-8-surrogate": b'{"command":"\xed\xa0\x80","result":"r"}',
    "utf-8-beyond-unicode": b'{"command":"\xf4\x90\x80\x80","result":"r"}',
    "utf-8-ff": b'{"command":"x","result":"r"}\xff',
    "utf-16": '{"command":"x","result":"r"}'.encode("utf-16-le"),
    "utf-16-byte-order-mark": '{"command":"x","result":"r"}'.encode("utf-16"),
    "latin-1": '{"command":"caf\u00e9","result":"r"}'.encode("latin-1"),
}

BAD_FRAMES: Dict[str, str] = {
    "null": "null",
    "true": "true",
    "number": "1",
    "string": '"command"',
    "array": '["command","x"]',
}

BAD_REQUESTS: Dict[str, Tuple[str, str, Optional[int]]] = {  # text, dialect, id
    "form-unknown": ('{"command":"x","form":3,"id":3}', "long", 3),
    "form-float": ('{"command":"x","form":1.0}', "long", None),
    "form-string": ('{"command":"x","form":"1"}', "long", None),
    "attachments-object": ('{"command":"x","attachments":{}}', "long", None),
    "attachments-names": ('{"command":"x","attachments":["_1_0"]}', "long", None),
    "attachment-without-kind": ('{"command":"x","attachments":[{"name":"_1_0"}]}', "long", None),
    "attachment-of-unknown-kind": ('{"command":"x","attachments":[{"kind":4,"name":"_1_0"}]}', "long", None),
    "attachment-kind-string": ('{"command":"x","attachments":[{"kind":"0","name":"_1_0"}]}', "long", None),
    "attachment-without-name": ('{"command":"x","attachments":[{"kind":0}]}', "long", None),
    "attachment-outside": ('{"command":"x","attachments":[{"kind":0,"name":"../x"}]}', "long", None),
    "empty-object": ("{}", "long", None),
    "no-command": ('{"parameters":"a","id":3}', "long", 3),
    "params-only": ('{"params":"a","id":3}', "long", 3),
    "command-in-capitals": ('{"Command":"x"}', "long", None),
    "command-empty": ('{"command":"","id":3}', "long", 3),
    "cmd-empty": ('{"cmd":"","id":3}', "short", 3),
    "command-null": ('{"command":null}', "long", None),
    "cmd-null": ('{"cmd":null,"id":3}', "long", 3),
    "command-number": ('{"command":5,"id":3}', "long", 3),
    "command-true": ('{"command":true}', "long", None),
    "command-array": ('{"command":["x"]}', "long", None),
    "command-object": ('{"command":{"x":1}}', "long", None),
    "command-number-beside-cmd": ('{"cmd":"x","command":5,"id":3}', "long", 3),
    "cmd-number": ('{"cmd":5,"id":3}', "short", 3),
    "parameters-object": ('{"command":"x","parameters":{},"id":3}', "long", 3),
    "params-object": ('{"cmd":"x","params":{},"id":3}', "short", 3),
    "parameters-nested-array": ('{"command":"x","parameters":[["a"]]}', "long", None),
    "parameters-object-in-array": ('{"command":"x","parameters":["a",{}]}', "long", None),
    "parameters-null-in-array": ('{"command":"x","parameters":["a",null]}', "long", None),
    "id-zero": ('{"command":"x","id":0}', "long", None),
    "id-negative": ('{"cmd":"x","id":-1}', "short", None),
    "id-float": ('{"command":"x","id":1.0}', "long", None),
    "id-exponent": ('{"command":"x","id":1e3}', "long", None),
    "id-string": ('{"command":"x","id":"1"}', "long", None),
    "id-true": ('{"command":"x","id":true}', "long", None),
    "id-array": ('{"command":"x","id":[1]}', "long", None),
    "id-beyond-64-bit": ('{"command":"x","id":9223372036854775808}', "long", None),
    "id-huge": ('{"command":"x","id":' + "9" * 5000 + "}", "long", None),
    "deadline-zero": ('{"command":"x","id":1,"deadline":0}', "long", 1),
    "deadline-float": ('{"cmd":"x","id":1,"deadline":1.5}', "short", 1),
    "deadline-string": ('{"command":"x","deadline":"1"}', "long", None),
    "deadline-beyond-64-bit": ('{"command":"x","deadline":9223372036854775808}', "long", None),
    "exit-with-bad-parameters": ('{"command":"exit","parameters":{},"id":3}', "long", 3),
}

BAD_RESPONSES: Dict[str, str] = {
    "empty-object": "{}",
    "no-command": '{"result":"ok"}',
    "command-null": '{"command":null,"result":"ok"}',
    "command-number": '{"command":1,"result":"ok"}',
    "cmd-array": '{"cmd":[],"params":"ok"}',
    "no-result": '{"command":"x","message":"m"}',
    "no-params": '{"cmd":"x"}',
    "result-null": '{"command":"x","result":null}',
    "result-number": '{"command":"x","result":1}',
    "result-object": '{"command":"x","result":{}}',
    "params-instead-of-result": '{"command":"x","params":"ok"}',
    "params-array": '{"cmd":"x","params":["result_0"]}',
    "message-number": '{"command":"x","result":"ok","message":1}',
    "id-zero": '{"command":"x","result":"ok","id":0}',
    "id-string": '{"command":"x","result":"ok","id":"1"}',
    "id-float": '{"command":"x","result":"ok","id":1.5}',
    "id-beyond-64-bit": '{"command":"x","result":"ok","id":18446744073709551617}',
    "form-unknown": '{"command":"x","result":"ok","form":3}',
    "form-negative": '{"command":"x","result":"ok","form":-1}',
    "form-true": '{"command":"x","result":"ok","form":true}',
    "kinds-too-few": '{"command":"x","result":"ok","tensors":["a","b"],"kinds":[0]}',
    "kinds-too-many": '{"command":"x","result":"ok","kinds":[0]}',
    "kinds-unknown": '{"command":"x","result":"ok","tensors":["a"],"kinds":[4]}',
    "kinds-string": '{"command":"x","result":"ok","tensors":["a"],"kinds":["0"]}',
    "kinds-number": '{"command":"x","result":"ok","tensors":["a"],"kinds":0}',
    "tensors-string": '{"command":"x","result":"ok","tensors":"result_0"}',
    "tensors-object": '{"command":"x","result":"ok","tensors":{}}',
    "tensors-number": '{"command":"x","result":"ok","tensors":3}',
    "tensors-with-number": '{"command":"x","result":"ok","tensors":["result_0",1]}',
    "tensors-with-null": '{"command":"x","result":"ok","tensors":[null]}',
    "tensors-empty-name": '{"command":"x","result":"ok","tensors":[""]}',
    "tensors-leave-the-directory": '{"command":"x","result":"ok","tensors":["../../etc/passwd"]}',
    "tensors-device": '{"command":"x","result":"ok","tensors":["nul"]}',
    "error-string": '{"command":"x","result":"error","error":"boom"}',
    "error-true": '{"command":"x","result":"error","error":true}',
    "error-array": '{"command":"x","result":"error","error":[]}',
    "error-empty": '{"command":"x","result":"error","error":{}}',
    "error-code-empty": '{"command":"x","result":"error","error":{"code":""}}',
    "error-code-number": '{"command":"x","result":"error","error":{"code":7}}',
    "error-message-number": '{"command":"x","result":"error","error":{"code":"c","message":1}}',
    "error-traceback-array": '{"command":"x","result":"error","error":{"code":"c","traceback":[]}}',
}
