"""Any bytes in status.txt, worker.json and cancel.txt are read as what they say, or as nothing: nothing else.

    python fuzz/fuzz_session_files.py [--seconds N] [--runs N] [--seed N]

Mutates files as workers and hosts write them, and messages of the vectors. Bytes that break this are printed as a literal, and the exception
ends the program.
"""

import contextlib
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Iterator

import loop
from fuzz_message import VECTORS, mutated
from loop import check_shown

from tech_renaissance._transport.file.host import FileHost
from tech_renaissance._transport.file.worker import FileWorker
from tech_renaissance._transport.session_files import read_status, read_worker_info
from tech_renaissance._transport.session_place import SessionPlace

INFO = {
    "pid": 4711,
    "interpreter": "/usr/bin/python3",
    "python": "3.11.7",
    "protocol": 1,
    "transport": "shm",
    "start_time": 1.5,
}
SEEDS = [
    json.dumps(INFO, indent=4).encode(),
    *(
        word.encode()
        for word in ("ready", "busy", "ok", "error: ValueError: x", "exiting", "terminated", "exit")
    ),
    *(number.encode() for number in ("1", "42", str(2**63 - 1), "0", "-1", " 42", "42\n")),
    b"1\nstop 42\n",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"9" * 100_000,
    b"\xff\xfe" * 2000,
]
STATES = ("ready", "busy", "ok", "exiting", "terminated", "exit")


class Ends:
    """Both ends of a directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host, self.worker = FileHost(str(folder), "1:1"), FileWorker(SessionPlace(str(folder)), "1:1")

    def close(self) -> None:
        """Release what they hold."""
        self.host.close()
        self.worker.close()

    def check(self, data: bytes) -> None:
        """Read the bytes as each of the files."""
        for name in ("status.txt", "worker.json", "cancel.txt"):
            (self.folder / name).write_bytes(data)
        status = read_status(str(self.folder))
        assert isinstance(status, str)
        assert len(status) <= 2000
        if status in STATES:
            assert data.strip() == status.encode()
        info = read_worker_info(str(self.folder))
        assert isinstance(info, dict)
        assert not info or json.loads(data) == info or info != info  # noqa: PLR0124 - NaN
        for number in (1, 42, 2**63 - 1):
            lines = [line.strip() for line in data.splitlines()]
            assert self.worker.is_cancelled(number) == (str(number).encode() in lines)
            assert self.worker.is_stopping(number) == (f"stop {number}".encode() in lines)
        self.host.prepare()
        assert not any(self.folder.iterdir())


@contextlib.contextmanager
def ends() -> Iterator[Ends]:
    """In a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        both = Ends(Path(folder))
        yield both
        both.close()


def main() -> int:
    """Run the loop."""
    seeds = SEEDS + [
        path.read_bytes() for path in sorted(VECTORS.rglob("*.json")) if path.stat().st_size < 4096
    ]
    with ends() as both:

        def attempt(chance: random.Random) -> None:
            data = chance.choice(seeds)
            if chance.randrange(4):
                data = mutated(data, chance.choice(seeds), chance)
            check_shown(both.check, data)

        return loop.main(attempt)


if __name__ == "__main__":
    sys.exit(main())
