"""Shared memory on Linux, through /proc; see segments.py."""

import contextlib
import json
import mmap
import os
from pathlib import Path
from typing import Any, Dict, List, Union

from tech_renaissance._transport.shm import control

_NAME = "memfd:tech_renaissance"


class Monitor:
    """Looks at the segments of a session's worker, which has to be ready."""

    def __init__(self, session: Any) -> None:
        self.info: Dict[str, Any] = json.loads(Path(session.session_dir, "worker.json").read_text())
        self._folder = f"/proc/{self.info['pid']}/fd"

    def word(self, index: int) -> int:
        """A word of the control segment."""
        descriptor = os.open(f"{self._folder}/{self.info['control']}", os.O_RDONLY)
        try:
            with mmap.mmap(descriptor, control.CONTROL_NBYTES, prot=mmap.PROT_READ) as mapping:
                return int.from_bytes(mapping[8 * index : 8 * index + 8], "little")
        finally:
            os.close(descriptor)

    def arenas_nbytes(self) -> List[int]:
        """The memory that the host's arena and the worker's have taken."""
        variables = Path(f"/proc/{self.info['pid']}/environ").read_bytes().split(b"\0")
        (offer,) = (value[len(b"TR_SHM=") :] for value in variables if value.startswith(b"TR_SHM="))
        _, host, worker, _, _ = map(int, offer.split(b","))
        return [os.stat(f"{self._folder}/{number}").st_blocks * 512 for number in (host, worker)]


def duplicate(number: int) -> int:
    """A second descriptor, for another end in this process."""
    return os.dup(number)


def mappings(pid: Union[int, str] = "self") -> List[str]:
    """The segments that a process has mapped, this one if no other."""
    return [line for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if _NAME in line]


def descriptors(pid: int) -> List[str]:
    """The segments that a process has open."""
    found: List[str] = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # that of the listing itself
            if _NAME in os.readlink(path):
                found.append(path.name)
    return found
