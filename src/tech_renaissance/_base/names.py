"""Names: session ids and tags become file names, so they are checked on both sides.
Rules: spec/protocol.md, Names.
"""

import functools
import re
from typing import Set

from .errors import LocalProtocolError

_MAX_NBYTES = 128
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|,\ud800-\udfff]')
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
    defect = _defect(name)
    if defect:
        raise LocalProtocolError("bad_name", f"{what} {name!a} {defect}")
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
            f"tag {tag!a} belongs to the system: tags that begin with '_' and result_<number>",
        )
    if len(_good_tags) < _MOST_GOOD_TAGS:
        _good_tags.add(tag)
    return tag


@functools.lru_cache(maxsize=1024)  # the same tags come with every call
def _defect(name: str) -> str:
    if not name:
        return "is empty"
    forbidden = _FORBIDDEN.search(name)
    if forbidden:
        return f"contains {forbidden.group()!a}, which no name may contain"
    if any(character.isspace() for character in name):
        return "contains white space"
    if len(name.encode()) > _MAX_NBYTES:
        return f"is longer than {_MAX_NBYTES} bytes"
    if name[0] in ".-" or name[-1] == ".":
        return "begins with '.' or '-', or ends with '.'"
    if _DEVICE.fullmatch(name.split(".", 1)[0]):
        return "is a device name on Windows"
    return ""
