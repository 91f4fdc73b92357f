"""Dataclasses as JSON, by functions that are written for the types that their fields hold.

Most records of a class hold the same types in the same fields. So the first of a kind has a function compiled, with one expression for each
field, as the standard library does it for the constructors of dataclasses; the others take half the time of a loop over the fields.
"""

import dataclasses
from json.encoder import encode_basestring
from operator import attrgetter
from typing import Any, Callable, Dict, List, Tuple, cast

from .body import MAX_DEPTH, MAX_INT, MIN_INT, check_depth, type_of

# Makes the text of a value, which has so many brackets around it, and adds its attachments to the list.
Put = Callable[[Any, int, List[Any]], str]

# A class whose fields hold ever other types is written in the general way from there on.
_MOST_PLANS = 16
_WORDS = {True: "true", False: "false"}
# What a field of that type is written as, and the condition under which it is.
_EXPRESSIONS: Dict[Any, Tuple[str, str]] = {
    str: ("quote({0})", ""),
    bool: ("words[{0}]", ""),
    int: ("{0}", "least <= {0} <= most"),
    float: ("{0}!r", "{0} - {0} == 0.0"),  # neither NaN nor infinite
    type(None): ('"null"', ""),
}


def put_of_dataclass(kind: Any, put: Put) -> Put:
    """How records of a class are written: what their constructor takes. ``put``: for any value."""
    names = [field.name for field in dataclasses.fields(kind) if field.init]
    if len(names) < 2:  # attrgetter gives no tuple
        return _general(names, put)
    get, general = attrgetter(*names), _general(names, put)
    plans: Dict[Tuple[Any, ...], Put] = {}

    def put_record(value: Any, depth: int, attachments: List[Any]) -> str:
        values = get(value)
        kinds = tuple(map(type_of, values))
        plan = plans.get(kinds)
        if plan is None:
            if len(plans) >= _MOST_PLANS:
                return general(value, depth, attachments)
            plans[kinds] = plan = _planned(names, kinds, put)
        return plan(values, depth, attachments) or general(value, depth, attachments)

    return put_record


def _general(names: List[str], put: Put) -> Put:
    """For any types."""
    keys = [(encode_basestring(name) + ":", name) for name in names]

    def put_record(value: Any, depth: int, attachments: List[Any]) -> str:
        check_depth(depth)
        inner = depth + 1
        return (
            "{" + ",".join([key + put(getattr(value, name), inner, attachments) for key, name in keys]) + "}"
        )

    return put_record


def _planned(names: List[str], kinds: Tuple[Any, ...], put: Put) -> Callable[[Any, int, List[Any]], str]:
    """A function for the values of fields of these types, in their order. It gives no text if one of them needs more than an expression."""
    fields, conditions = [f"v{place}" for place in range(len(names))], [f"depth < {MAX_DEPTH}"]
    parts: List[str] = []
    for name, field, kind in zip(names, fields, kinds):
        expression, condition = _EXPRESSIONS.get(kind, ("put({0}, depth + 1, attachments)", ""))
        parts.append(encode_basestring(name) + ":{" + expression.format(field) + "}")
        if condition:
            conditions.append(condition.format(field))
    source = f"""
def planned(values, depth, attachments):
    {", ".join(fields)} = values
    return f'{{{{{",".join(parts)}}}}}' if {" and ".join(conditions)} else ""
"""
    scope = {"put": put, "quote": encode_basestring, "words": _WORDS, "least": MIN_INT, "most": MAX_INT}
    exec(source, scope)  # noqa: S102 - nothing in it is foreign but names, which are identifiers
    return cast("Callable[[Any, int, List[Any]], str]", scope["planned"])
