"""Which transport a session gets: shared memory if both sides support it, else files. Only
this file knows the default.
"""

import re
from typing import List, Mapping, NamedTuple, Optional, Union

from .._base.errors import LaunchError, LocalProtocolError
from .._base.tensor import Library
from .session_place import SessionPlace
from .shm.segment import UNAVAILABLE
from .transport import HostTransport, Offer, WorkerTransport

SHM = "shm"
FILE = "file"

# Anyone who asks for longer has probably mistaken the unit.
LONGEST_LOOK_US = 1_000_000
# In TR_SHM, comes before the reason why the host offers no shared memory.
_NONE = "none: "
_MICROSECONDS = re.compile("[0-9]{1,9}")


class Choice(NamedTuple):
    """A worker's end, with its name and the reason for the choice, which go into worker.json."""

    end: WorkerTransport
    name: str
    reason: str


def check_transport_name(name: Optional[str]) -> Optional[str]:
    """``name`` if it is None or names a transport. Raises LocalProtocolError ``bad_option``."""
    if name not in (None, "", SHM, FILE):
        raise LocalProtocolError("bad_option", f"a transport is {SHM!r} or {FILE!r}, not {name!r}")
    return name or None


def checked_look_us(text: Union[int, str, None]) -> Optional[int]:
    """How long to look before sleeping, in microseconds; None if ``text`` does not say. Raises
    LocalProtocolError ``bad_option``.
    """
    if text is None or text == "":
        return None
    if isinstance(text, float) or not _MICROSECONDS.fullmatch(str(text)) or int(text) > LONGEST_LOOK_US:
        raise LocalProtocolError(
            "bad_option",
            f"look_us is a whole number of microseconds from 0 to {LONGEST_LOOK_US}, not {text!r}",
        )
    return int(text)


def host_transport(
    name: Optional[str],
    directory: str,
    poll_ms: Optional[str],
    look_us: Optional[int],
    library: Optional[Library],
) -> HostTransport:
    """The host's end. ``name``: the transport that was asked for, None for the best available.

    Raises LaunchError ``launch_failed`` if shared memory was asked for and is not available.
    """
    # Only the chosen transport is imported, to keep starting fast.
    from .file.host import FileHost

    if name == FILE:
        return FileHost(directory, poll_ms, library)
    if name is None and UNAVAILABLE:
        return FileHost(directory, poll_ms, library, _no_offer(UNAVAILABLE))
    from .fallback import FallbackHost

    try:
        return FallbackHost(directory, poll_ms, library, look_us)
    except OSError as error:
        if name == SHM:
            raise LaunchError("launch_failed", f"there is no shared memory: {error}") from error
        return FileHost(directory, poll_ms, library, _no_offer(str(error)))


def worker_transport(
    place: SessionPlace, environment: Mapping[str, str], offered: Optional[str], *, is_hosted: bool = True
) -> Choice:
    """The worker's end. ``offered``: the value of TR_SHM; None if the host offered nothing.
    ``is_hosted``: see FileWorker.
    """
    try:
        if not offered:
            raise ValueError("the host offered no shared memory")
        if offered.startswith(_NONE):
            raise ValueError(f"the host has no shared memory: {offered[len(_NONE) :]}")
        if environment.get("TR_TRANSPORT") == FILE:
            raise ValueError("TR_TRANSPORT says so")
        if UNAVAILABLE:
            raise ValueError(UNAVAILABLE)
        from .shm.worker import ShmWorker

        look_us = checked_look_us(environment.get("TR_LOOK_US"))
        return Choice(ShmWorker(place, _numbers(offered), look_us), SHM, "both sides can")
    except (OSError, ValueError) as error:
        from .file.worker import FileWorker

        end = FileWorker(place, environment.get("TR_POLL_MS"), is_hosted=is_hosted)
        return Choice(end, FILE, str(error))


def _no_offer(reason: str) -> Offer:
    return Offer({"TR_SHM": _NONE + reason}, [])


def _numbers(text: str) -> List[int]:
    numbers = [int(number) for number in text.split(",")]
    if len(numbers) != 5:
        raise ValueError("TR_SHM names five descriptors")
    return numbers
