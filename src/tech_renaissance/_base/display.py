"""Names and other texts of users as messages show them, the same in both languages."""

import re

_LONGEST = 64
# What could be mistaken for a quote, or would not be seen: control characters, white space but " ", and
# what moves or hides its neighbours, such as joiners, direction marks and the byte order mark.
_TO_ESCAPE = re.compile(
    r"['\\]|[^\S ]|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def for_display(text: str) -> str:
    """A text as one line of visible characters between quotes, cut after 64 of them."""
    shown = _TO_ESCAPE.sub(_escape, text[:_LONGEST])
    return f"'{shown}'" if len(text) <= _LONGEST else f"'{shown}'..."


def path_for_display(path: str) -> str:
    """A path between quotes, as its user would type it; "?" for what is not Unicode in it."""
    return f"'{path}'".encode("utf-8", "replace").decode("utf-8")


def _escape(found: "re.Match[str]") -> str:
    character = found.group()
    return "\\" + character if character in "'\\" else f"\\u{ord(character):04x}"
