"""Names: session ids and tags become file names, so they are checked on both sides.
Rules: spec/protocol.md, Names.
"""

import functools
import re
from typing import Set

from .display import for_display
from .errors import LocalProtocolError

_MAX_NBYTES = 128
# White space is what Unicode calls so; control characters that Python counts among it are forbidden as such.
_FORBIDDEN = re.compile(r'([\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f/\\:*?"<>|,\ud800-\udfff])|\s')
_DEVICE = re.compile(
    r"(con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9¹²³])", re.IGNORECASE | re.ASCII
)
_RESERVED_TAG = re.compile(r"_|result_[0-9]+\Z")
# Tags that passed the check; the same ones come with every call.
_good_tags: Set[str] = set()
_MOST_GOOD_TAGS = 4096


def check_name(name: str, what: str) -> str:
    """Return ``name`` if it is valid; ``what`` (such as "tag") is for the message.

    Raises LocalProtocolError ``bad_name``.
    """
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance] - users mix up arguments
        raise LocalProtocolError("bad_name", f"a {what} is a str, not {type(name).__name__}")
    defect = defect_of_name(name)
    if defect:
        raise LocalProtocolError("bad_name", f"{what} {for_display(name)} {defect}")
    return name


def is_reserved_tag(tag: str) -> bool:
    """Whether a tag is reserved for the system: ``_anything``, ``result_<digits>``."""
    return _RESERVED_TAG.match(tag) is not None


def check_tag_to_send(tag: str) -> str:
    """Like check_name, but also refuses reserved tags, with ``reserved_name``."""
    if type(tag) is str and tag in _good_tags:
        return tag
    check_name(tag, "tag")
    if is_reserved_tag(tag):
        raise LocalProtocolError(
            "reserved_name",
            f"tag {for_display(tag)} belongs to the system, as do all tags result_<number> and those that begin with '_'",
        )
    if len(_good_tags) < _MOST_GOOD_TAGS:
        _good_tags.add(tag)
    return tag


@functools.lru_cache(maxsize=1024)  # the same tags come with every call
def defect_of_name(name: str) -> str:
    """What is wrong with a name; empty if it is valid."""
    if not name:
        return "is empty"
    forbidden = _FORBIDDEN.search(name)
    if forbidden:
        if not forbidden.group(1):
            return "contains white space"
        return f"contains {for_display(forbidden.group())}, which no name may contain"
    if len(name.encode()) > _MAX_NBYTES:
        return f"is longer than {_MAX_NBYTES} bytes"
    if name[0] in ".-":
        return "begins with '.' or '-'"
    if name[-1] == ".":
        return "ends with '.'"
    if _DEVICE.fullmatch(name.split(".", 1)[0]):
        return "is a device name on Windows"
    return ""
