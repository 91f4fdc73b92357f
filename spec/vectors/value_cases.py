"""The cases of make_value_vectors.py: meanings in a notation that leaves nothing open, and the bodies that have them."""

import struct
from typing import Any, Dict, List, Tuple, Union

Body = Dict[str, Any]

# ---------------------------------------------------------------------------------------- meanings and bodies


def integer(value: int) -> Dict[str, str]:
    """An int."""
    return {"int": str(value)}


def floating(value: float) -> Dict[str, str]:
    """A float, by its bits."""
    return {"float": struct.pack(">d", value).hex()}


def members(*pairs: Tuple[str, Any]) -> Dict[str, Any]:
    """A dict, in order."""
    return {"dict": [list(pair) for pair in pairs]}


def data(value: bytes) -> Dict[str, str]:
    """Bytes; as an attachment, too."""
    return {"bytes": value.hex()}


def tensor(*values: int) -> Dict[str, Any]:
    """A row of INT32; as an attachment, too."""
    return {
        "tensor": {
            "dtype": "INT32",
            "shape": [len(values)],
            "data": struct.pack(f"<{len(values)}i", *values).hex(),
        }
    }


def integers(*values: int) -> Dict[str, Any]:
    """An attachment of ints."""
    return {"int64 list": [str(value) for value in values]}


def floats(*values: float) -> Dict[str, Any]:
    """An attachment of floats, by their bits."""
    return {"float64 list": [struct.pack(">d", value).hex() for value in values]}


def text(value: Union[str, bytes], *attachments: Any) -> Body:
    """A body of form 0."""
    return _body("text", value, attachments)


def attached(*attachments: Any) -> Body:
    """A body of form 1."""
    return _body("attachments", "", attachments)


def json(value: Union[str, bytes], *attachments: Any) -> Body:
    """A body of form 2."""
    return _body("json", value, attachments)


def _body(form: str, value: Union[str, bytes], attachments: Tuple[Any, ...]) -> Body:
    content = {"text": value} if isinstance(value, str) else {"hex": value.hex()}
    return {"form": form, **content, "attachments": list(attachments)}


# ------------------------------------------------------------------------------------------------------ valid

NAN, INF = float("nan"), float("inf")
A, B, EMPTY = tensor(1, 2, 3), tensor(-1), tensor()
BLOB = data(b"\0\xff{")
MANY_INTS = [*range(16), 2**63 - 1, -(2**63)]
MANY_FLOATS = [0.5 * number for number in range(14)] + [NAN, INF, -0.0, 5e-324]
NESTED: Any = "x"
for _ in range(64):
    NESTED = [NESTED]
MANY_KEYS = [(f"k{number}", integer(number)) for number in range(40)]

VALID_RESULTS: Dict[str, Tuple[Any, ...]] = {
    "null": (None, attached(), json("null")),
    "true": (True, json("true")),
    "false": (False, json("false")),
    "int": (integer(42), json("42"), json(" 42 ")),
    "int-zero": (integer(0), json("0"), json("-0")),
    "int-negative": (integer(-7), json("-7")),
    "int-largest": (integer(2**63 - 1), json("9223372036854775807")),
    "int-smallest": (integer(-(2**63)), json("-9223372036854775808")),
    "int-beyond-doubles": (integer(2**53 + 1), json("9007199254740993")),
    "float": (floating(1.5), json("1.5"), json("15e-1"), json("0.15E+1"), json("1.50")),
    "float-without-fraction": (floating(1.0), json("1.0"), json("1e0"), json("1E0"), json("10e-1")),
    "float-zero": (floating(0.0), json("0.0"), json("0e5"), json("1e-400")),
    "float-minus-zero": (floating(-0.0), json("-0.0"), json("-0e0")),
    "float-largest": (floating(1.7976931348623157e308), json("1.7976931348623157e308")),
    "float-smallest": (floating(5e-324), json("5e-324")),
    "float-large": (floating(1e22), json("1e22"), json("10000000000000000000000.0")),
    "float-shortest-digits": (floating(0.1 + 0.2), json("0.30000000000000004"), json("0.3000000000000000444")),
    "float-halfway": (floating(9007199254740992.0), json("9007199254740993.0")),
    "float-nan": (floating(NAN), json('{"$f":"nan"}'), json(' { "\\u0024\\u0066" : "n\\u0061n" } ')),
    "float-infinity": (floating(INF), json('{"$f":"inf"}')),
    "float-minus-infinity": (floating(-INF), json('{"$f":"-inf"}')),
    "string": ("hello", text("hello"), json('"hello"'), json('"\\u0068ello"')),
    "string-empty": ("", text(""), json('""')),
    "string-characters": ("é权😀\u2028", text("é权😀\u2028"), json('"é权😀\u2028"'), json('"\\u00e9\\u6743\\uD83D\\ude00\\u2028"')),
    "string-escapes": ('"\\/\b\f\n\r\t', text('"\\/\b\f\n\r\t'), json('"\\"\\\\\\/\\b\\f\\n\\r\\t"')),
    "string-nul": ("a\0b", text("a\0b"), json('"a\\u0000b"')),
    "string-delete": ("\x7f", text("\x7f"), json('"\x7f"')),
    "string-like-json": ('{"$":0}', text('{"$":0}'), json('"{\\"$\\":0}"')),
    "string-like-an-escape": ("\\ud800", text("\\ud800"), json('"\\\\ud800"')),
    "string-byte-order-mark": ("\ufeff[1]", text("\ufeff[1]"), json('"\ufeff[1]"')),
    "string-noncharacter": ("\uffff\U0010ffff", text("\uffff\U0010ffff"), json('"\\uffff\\udbff\\udfff"')),
    "string-beside-tensors": ("done", text("done", A, B)),
    "list-empty": ([], json("[]"), json("[ ]")),
    "list": ([integer(1), floating(2.0), "x", None, True], json('[1,2.0,"x",null,true]'), json('\t[ 1 ,\n2.0\r, "x",null , true ]\n')),
    "list-nested": ([[], [[integer(1)]]], json("[[],[[1]]]")),
    "list-nested-64": (NESTED, json("[" * 64 + '"x"' + "]" * 64)),
    "list-of-brackets": (['["[{', '\\"[', "]}"] * 30, json("[" + ",".join(['"[\\"[{","\\\\\\"[","]}"'] * 30) + "]")),
    "list-of-16-ints": ([integer(1)] * 16, json("[" + ",".join("1" * 16) + "]"), json('{"$":0}', integers(*[1] * 16))),
    "list-of-many-ints": ([integer(n) for n in MANY_INTS], json('{"$":0}', integers(*MANY_INTS)), attached(integers(*MANY_INTS)), json(str(MANY_INTS))),
    "list-of-many-floats": ([floating(x) for x in MANY_FLOATS], json('{"$":0}', floats(*MANY_FLOATS)), attached(floats(*MANY_FLOATS))),
    "list-of-ints-and-floats": ([integer(1)] * 17 + [floating(1.0)], json("[" + "1," * 17 + "1.0]")),
    "list-of-many-bools": ([True] * 17, json("[" + "true," * 16 + "true]")),
    "list-packed-and-empty": ([], json("[]"), json('{"$":0}', integers()), attached(floats())),
    "lists-packed-within": (
        members(("x", [floating(0.5)] * 17), ("y", [integer(1)] * 17)),
        json('{"x":{"$":0},"y":{"$":1}}', floats(*[0.5] * 17), integers(*[1] * 17)),
        json('{"x":{"$":1},"y":{"$":0}}', integers(*[1] * 17), floats(*[0.5] * 17)),
    ),
    "dict-empty": (members(), json("{}"), json(" { } ")),
    "dict": (members(("b", integer(1)), ("a", members(("b", None)))), json('{"b":1,"a":{"b":null}}'), json('{ "b" : 1 , "\\u0061":{"b":null}}')),
    "dict-keys": (members(("", integer(0)), (" ", integer(1)), ("é\0", integer(2))), json('{"":0," ":1,"é\\u0000":2}')),
    "dict-of-many": (members(*MANY_KEYS), json("{" + ",".join(f'"k{n}":{n}' for n in range(40)) + "}")),
    "dict-dollar": (members(("$", integer(0))), json('{"$$":0}'), json('{"\\u0024$":0}')),
    "dict-dollars": (
        members(("$f", "nan"), ("$$", members(("$", integer(1)))), ("a$", integer(1))),
        json('{"$$f":"nan","$$$":{"$$":1},"a$":1}'),
    ),
    "bytes": (BLOB, attached(BLOB), json('{"$":0}', BLOB)),
    "bytes-empty": (data(b""), attached(data(b"")), json('{"$":0}', data(b""))),
    "bytes-within": ([BLOB, "x"], json('[{"$":0},"x"]', BLOB)),
    "tensor": (A, attached(A), json('{"$":0}', A), json('{ "\\u0024" : 0 }', A)),
    "tensor-empty": (EMPTY, attached(EMPTY), json('{"$":0}', EMPTY)),
    "tensor-alone-in-a-list": ([A], json('[{"$":0}]', A)),
    "tensors": ([A, B], attached(A, B), json('[{"$":0},{"$":1}]', A, B), json('[{"$":1},{"$":0}]', B, A)),
    "tensors-and-bytes": ([A, BLOB], attached(A, BLOB), json('[{"$":0},{"$":1}]', A, BLOB)),
    "tensor-twice": ([A, A], attached(A, A), json('[{"$":0},{"$":0}]', A)),
    "tensors-anywhere": (
        members(("loss", floating(0.5)), ("weights", members(("w", A), ("b", [B, None]))), ("log", "done")),
        json('{"loss":0.5,"weights":{"w":{"$":0},"b":[{"$":1},null]},"log":"done"}', A, B),
    ),
    "key-twice": (members(("a", integer(2))), json('{"a":2}'), json('{"a":1,"a":2}')),
}  # fmt: skip


def call(*args: Any, **kwargs: Any) -> Dict[str, Any]:
    """What a call means."""
    return {"args": list(args), "kwargs": [list(pair) for pair in kwargs.items()]}


CONFIG = members(("layers", [members(("width", integer(3)))]))

VALID_CALLS: Dict[str, Tuple[Any, ...]] = {
    "nothing": (call(), attached(), json("[[]]"), json("[[],{}]"), json(" [ [ ] , { } ] ")),
    "string": (call("world"), text("world"), json('[["world"]]'), json('[["world"],{}]')),
    "string-like-a-call": (call("[[1]]"), text("[[1]]"), json('[["[[1]]"]]')),
    "strings": (call("a", "b"), json('[["a","b"]]')),
    "string-with-tensors": (call("sum $0 $1"), text("sum $0 $1", A, B)),
    "null": (call(None), json("[[null]]")),
    "scalars": (call(integer(1), floating(1.0), True, "x"), json('[[1,1.0,true,"x"]]'), json('[[1,1.0,true,"x"],{}]')),
    "tensor": (call(A), attached(A), json('[[{"$":0}]]', A)),
    "tensors": (call(A, B), attached(A, B), json('[[{"$":0},{"$":1}]]', A, B)),
    "bytes": (call(BLOB), attached(BLOB), json('[[{"$":0}]]', BLOB)),
    "list": (call([integer(1), integer(2)]), json("[[[1,2]]]")),
    "ints": (call(integer(1), integer(2)), json("[[1,2]]"), json('[{"$":0}]', integers(1, 2))),
    "list-of-many-floats": (call([floating(0.5)] * 17), json('[[{"$":0}]]', floats(*[0.5] * 17)), attached(floats(*[0.5] * 17))),
    "keyword": (call(scale=floating(2.0)), json('[[],{"scale":2.0}]')),
    "tensors-and-keyword": (call(A, B, scale=floating(2.0)), json('[[{"$":0},{"$":1}],{"scale":2.0}]', A, B)),
    "keyword-with-tensor": (call(A, mask=B), json('[[{"$":0}],{"mask":{"$":1}}]', A, B)),
    "keywords-in-order": (call(b=integer(1), a=integer(2)), json('[[],{"b":1,"a":2}]')),
    "keyword-dollar": (call(**{"$x": integer(1)}), json('[[],{"$$x":1}]')),
    "record": (call(CONFIG, verbose=True), json('[[{"layers":[{"width":3}]}],{"verbose":true}]')),
}  # fmt: skip

# ---------------------------------------------------------------------------------------------------- invalid

_TOKENS: List[Tuple[str, str]] = [
    ("nothing", ""),
    ("white-space", " \t\r\n"),
    ("word", "nul"),
    ("word-and-more", "nullx"),
    ("python-word", "None"),
    ("nan", "NaN"),
    ("infinity", "-Infinity"),
    ("single-quotes", "'x'"),
    ("byte-order-mark", "\ufeff1"),
    ("two-values", "1 2"),
    ("leading-zero", "01"),
    ("leading-plus", "+1"),
    ("minus", "-"),
    ("point-first", ".5"),
    ("point-last", "1."),
    ("exponent-cut", "1e"),
    ("exponent-sign-alone", "1e+"),
    ("hexadecimal", "0x10"),
    ("underscore", "1_000"),
    ("other-digits", "\u0661"),
    ("string-cut", '"x'),
    ("string-cut-in-escape", '"\\'),
    ("string-line-feed", '"a\nb"'),
    ("string-nul", '"a\0b"'),
    ("string-unknown-escape", '"\\x41"'),
    ("string-short-escape", '"\\u12"'),
    ("string-escape-with-sign", '"\\u+123"'),
    ("string-escape-not-hexadecimal", '"\\u12g4"'),
    ("list-cut", "[1"),
    ("list-cut-after-comma", "[1,"),
    ("list-comma-last", "[1,]"),
    ("list-comma-first", "[,1]"),
    ("list-without-comma", "[1 2]"),
    ("list-closed-as-dict", "[1}"),
    ("list-closed-twice", "[1]]"),
    ("dict-cut", '{"a":1'),
    ("dict-cut-after-key", '{"a"'),
    ("dict-comma-last", '{"a":1,}'),
    ("dict-without-colon", '{"a" 1}'),
    ("dict-without-value", '{"a":}'),
    ("dict-key-no-string", "{1:2}"),
    ("dict-comment", '{"a":1}//'),
    ("vertical-tab", "\v1"),
    ("no-break-space", "\u00a01"),
    ("nested-65", "[" * 65 + "]" * 65),
    ("nested-65-in-dicts", '{"a":' * 65 + "1" + "}" * 65),
    ("reference-nested-65", "[" * 64 + '{"$":0}' + "]" * 64),
    ("nan-nested-65", "[" * 64 + '{"$f":"nan"}' + "]" * 64),
    ("nested-65-with-ends-in-strings", '["]\\"]]",' * 65 + "1" + "]" * 65),
    ("nested-65-after-others", "[" + "[]," * 100 + "[" * 64 + "]" * 64 + "]"),
    ("nested-far-too-deep", "[" * 100_000),
]  # fmt: skip

INVALID_RESULTS: Dict[str, Body] = {
    **{f"bad_json--{name}": json(source) for name, source in _TOKENS},
    "bad_json--bytes-in-string": json(b'"\xff"'),
    "bad_json--bytes-cut-in-string": json(b'"\xe6\x9d'),
    "bad_json--surrogate-as-bytes": json(b'"\xed\xa0\x80"'),
    "bad_json--overlong-bytes": json(b'"\xc0\x80"'),
    "bad_json--text-is-bytes": text(b"abc\xff"),
    "bad_json--text-is-a-surrogate": text(b"\xed\xb0\x80"),
    "bad_value--int-too-large": json("9223372036854775808"),
    "bad_value--int-too-small": json("-9223372036854775809"),
    "bad_value--int-of-thousands-of-digits": json("1" * 5000),
    "bad_value--int-too-large-within": json('{"a":[18446744073709551615]}'),
    "bad_value--float-too-large": json("1e400"),
    "bad_value--float-too-large-by-digits": json("9" * 309 + ".0"),
    "bad_value--float-too-small": json("[-1.8e308]"),
    "bad_value--surrogate-first": json('"\\ud800"'),
    "bad_value--surrogate-first-and-more": json('"\\ud800\\u0041"'),
    "bad_value--surrogate-second": json('"\\udc00"'),
    "bad_value--surrogates-first-twice": json('"\\ud800\\ud800\\udc00"'),
    "bad_value--surrogate-in-key": json('{"\\udfff":1}'),
    "bad_value--reference-without-attachment": json('{"$":0}'),
    "bad_value--reference-too-large": json('[{"$":0},{"$":1}]', A),
    "bad_value--reference-negative": json('{"$":-1}', A),
    "bad_value--reference-float": json('{"$":0.0}', A),
    "bad_value--reference-bool": json('{"$":false}', A),
    "bad_value--reference-string": json('{"$":"0"}', A),
    "bad_value--reference-list": json('{"$":[0]}', A),
    "bad_value--reference-huge": json('{"$":18446744073709551616}', A),
    "bad_value--reference-and-more": json('{"$":0,"a":1}', A),
    "bad_value--reference-after-more": json('{"a":1,"$":0}', A),
    "bad_value--attachment-not-used": json("1", A),
    "bad_value--second-attachment-not-used": json('{"$":0}', A, B),
    "bad_value--first-attachment-not-used": json('[{"$":1}]', A, B),
    "bad_value--bytes-twice": json('[{"$":0},{"$":0}]', BLOB),
    "bad_value--ints-twice": json('[{"$":0},{"$":0}]', integers(1)),
    "bad_value--floats-twice": json('{"a":{"$":1},"b":[{"$":0},{"$":1}]}', A, floats(0.5)),
    "bad_value--dollar-key": json('{"$x":1}'),
    "bad_value--dollar-key-by-escape": json('{"\\u0024x":1}'),
    "bad_value--dollar-key-second": json('{"a":1,"$x":1}'),
    "bad_value--input-in-a-value": json('{"$in":0}'),
    "bad_value--special-float-unknown": json('{"$f":"infinity"}'),
    "bad_value--special-float-number": json('{"$f":1.0}'),
    "bad_value--special-float-list": json('{"$f":["nan"]}'),
    "bad_value--special-float-and-more": json('{"$f":"nan","a":1}'),
    "bad_value--text-beside-attachments": {**attached(A), "text": "x"},
    "bad_value--unknown-form": {**json("1"), "form": "3"},
}  # fmt: skip

INVALID_CALLS: Dict[str, Body] = {
    "bad_json--cut": json("[[1]"),
    "bad_value--no-list": json("1"),
    "bad_value--input-that-is-not-expected": json('[[{"$in":0}]]'),
    "bad_value--input-within-an-argument": json('[[[{"$in":0}]]]'),
    "bad_value--dict": json('{"a":1}'),
    "bad_value--empty": json("[]"),
    "bad_value--arguments-no-list": json("[1]"),
    "bad_value--arguments-dict": json('[{"a":1}]'),
    "bad_value--keywords-no-dict": json("[[],[]]"),
    "bad_value--keywords-null": json("[[],null]"),
    "bad_value--keywords-special": json('[[],{"$f":"nan"}]'),
    "bad_value--three-parts": json("[[],{},[]]"),
    "bad_value--all-packed": json('{"$":0}', integers(1)),
    "bad_value--attachment-not-used": json("[[]]", A),
    "bad_value--text-beside-attachments": {**attached(A), "text": "x"},
}  # fmt: skip
