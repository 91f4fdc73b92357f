"""Dataclasses as JSON, by functions that are written for the types that their fields hold.

Most records of a class hold the same types in the same fields. So the first one has a function compiled, with
one expression for each field, as the standard library does it for the constructors of dataclasses. One that
holds other types has it compiled anew, with what is for any type where they differ.
"""

import dataclasses
from json.encoder import encode_basestring
from typing import Any, Callable, Dict, List, Tuple, cast

from .body import MAX_DEPTH, MAX_INT, MIN_INT, check_depth, type_of

# Makes the text of a value, which has so many brackets around it, and adds its attachments to the list.
Put = Callable[[Any, int, List[Any]], str]

# What a field of that type is written as, and the condition under which it is.
_EXPRESSIONS: Dict[Any, Tuple[str, str]] = {
    str: ("quote({0})", ""),
    bool: ("true if {0} else false", ""),
    int: ("{0}!r", f"{MIN_INT} <= {{0}} <= {MAX_INT}"),
    float: ("{0}!r", "{0} - {0} == 0.0"),  # neither NaN nor infinite
    type(None): ("null", ""),
}


def put_of_dataclass(kind: Any, put: Put, put_of: Callable[[Any], Put]) -> Put:
    """How records of a class are written: what their constructor takes. ``put``: for any value.
    ``put_of``: for the values of a type.
    """
    names = [field.name for field in dataclasses.fields(kind) if field.init]
    keys = [(encode_basestring(name) + ":", name) for name in names]
    kinds: List[Any] = []  # of the fields; None where they differ
    planned: Put = _not_planned

    def put_record(value: Any, depth: int, attachments: List[Any]) -> str:
        text = planned(value, depth, attachments)
        if text:
            return text
        plan(value)
        check_depth(depth)
        inner = depth + 1
        return (
            "{" + ",".join([key + put(getattr(value, name), inner, attachments) for key, name in keys]) + "}"
        )

    def plan(value: Any) -> None:
        nonlocal kinds, planned
        ours = [type_of(getattr(value, name)) for name in names]
        merged = [one if one is other else None for one, other in zip(ours, kinds or ours)]
        if not kinds or merged != kinds:
            kinds, planned = merged, _planned(names, merged, put, put_of)

    return put_record


def _not_planned(*_: Any) -> str:
    return ""


def _planned(names: List[str], kinds: List[Any], put: Put, put_of: Callable[[Any], Put]) -> Put:
    """A function for records whose fields have these types. It gives no text if one has another, or
    needs more than an expression.
    """
    scope: Dict[str, Any] = {"put": put, "quote": encode_basestring}
    scope.update(true="true", false="false", null="null")
    conditions = [f"depth < {MAX_DEPTH}"]
    parts: List[str] = []
    for place, (name, kind) in enumerate(zip(names, kinds)):
        field, expression, condition = f"v{place}", "put({0}, depth, attachments)", ""
        if kind in _EXPRESSIONS:
            expression, condition = _EXPRESSIONS[kind]
        elif kind is not None:
            scope[f"put{place}"] = put_of(kind)
            expression = f"put{place}({{0}}, depth, attachments)"
        if kind is not None:
            scope[f"k{place}"] = kind
            conditions.append(f"type({field}) is k{place}")
        if condition:
            conditions.append(condition.format(field))
        parts.append(encode_basestring(name) + ":{" + expression.format(field) + "}")
    joint = "\n    "
    source = f"""
def planned(value, depth, attachments):
    {joint.join(f"v{place} = value.{name}" for place, name in enumerate(names)) or "pass"}
    if not ({" and ".join(conditions)}):
        return ""
    depth += 1
    return f'{{{{{",".join(parts)}}}}}'
"""
    exec(compile(source, __file__, "exec"), scope)  # noqa: S102 - nothing in it is foreign but names, which are identifiers
    return cast("Put", scope["planned"])
