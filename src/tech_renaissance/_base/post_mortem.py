"""The record of how a worker ended. Contract: spec/life.md, Post-mortem. No I/O."""

import dataclasses
import json
import re
from dataclasses import dataclass
from typing import List, Optional

from .exit_status import describe_exit

_COMMAND_LENGTH = 1000
_LINES = 20
_NO_MODULE = re.compile(r"No module named '?([\w.]+)'?")
_NUMBERS = re.compile(r"(\d{1,3})\.(\d{1,3})")
_OLDEST_PYTHON = (3, 8)
_TRACEBACK = "Traceback (most recent call last):"
_FAULTS = ("Fatal Python error: ", "Windows fatal exception: ")


@dataclass(frozen=True)
class PostMortem:
    """How a worker's process ended; the fields are those of spec/life.md.
    Times in seconds, sizes in bytes.
    """

    pid: int
    exit_status: Optional[int]
    signal: str
    moment: str
    ended_by_host: str
    message: str
    running_s: float
    traceback: str
    stack: str
    output_tail: str
    memory_peak_nbytes: Optional[int]
    out_of_memory: bool
    interpreter: str
    python: str
    tech_renaissance: str
    started_at: float
    ended_at: float

    def __str__(self) -> str:
        """For people: how it ended, what it was doing, its last lines, and what to do about it."""
        text = describe_exit(self.exit_status)
        if self.out_of_memory:
            text += ", most likely by the kernel because memory ran out"
        if self.ended_by_host:
            text += f", by its host: {self.ended_by_host}"
        if self.message:
            text += f", {self.running_s:.3g} s into {_shortened(self.message, 80)!r}"
        lines = self.output_tail.rstrip().splitlines()[-_LINES:]
        if lines:
            text += "; its last lines:\n" + "\n".join(f"    {line}" for line in lines)
        advice = self._advice()
        return f"{text}\n{advice}" if advice else text

    def _advice(self) -> str:
        """What to do about it; empty if unknown."""
        if self.moment == "starting":
            if _is_too_old(self.python):
                return (
                    f"The worker's Python is {self.python}, and tech_renaissance needs 3.8 or later: "
                    "choose another with the option python or TR_PYTHON"
                )
            if self.exit_status == 0 and not self.ended_by_host:
                if not self.python and not self.output_tail:
                    return (
                        f"Nothing shows that {self.interpreter} has run the script: it must be a Python interpreter, "
                        "and the script must create its server and call its run(sys.argv[1])"
                    )
                return "The script ended without serving: it must create its server and call its run(sys.argv[1])"
        missing = _NO_MODULE.findall(self.output_tail)
        if not missing:
            return ""
        package = missing[-1].partition(".")[0].replace("_", "-")
        if package == "tech-renaissance":  # is in no registry
            lack, where, what = "tech_renaissance", "in a checkout of the project ", "."
        else:
            lack, where, what = "a package", "", package
        return f"The worker's interpreter lacks {lack}; {where}this installs it: {self.interpreter} -m pip install {what}"

    def to_json(self) -> str:
        """The text of post_mortem.json."""
        return json.dumps(dataclasses.asdict(self), indent=4)


def _is_too_old(version: str) -> bool:
    numbers = _NUMBERS.match(version)
    return numbers is not None and (int(numbers.group(1)), int(numbers.group(2))) < _OLDEST_PYTHON


def shortened_message(text: str) -> str:
    """A message, cut to the length that a record holds."""
    return _shortened(text, _COMMAND_LENGTH)


def last_traceback(stderr_tail: str, status: Optional[int]) -> str:
    """The Python traceback that ended the process; empty if none did."""
    position = stderr_tail.rfind(_TRACEBACK)
    if status != 1 or position < 0:
        return ""
    # An exception raised while another was being handled belongs to the same traceback.
    while True:
        before = stderr_tail.rfind(_TRACEBACK, 0, position)
        if before < 0 or not _is_chained(stderr_tail[before:position]):
            return stderr_tail[position:]
        position = before


def native_fault(stderr_tail: str) -> str:
    """What faulthandler wrote about a native fault, to the end of the output; empty if it wrote nothing."""
    position = max(map(stderr_tail.rfind, _FAULTS))
    return stderr_tail[position:] if position >= 0 else ""


def _is_chained(text: str) -> bool:
    ends: List[str] = [line for line in text.splitlines() if line.strip()][-1:]
    return bool(ends) and ends[0] in (
        "During handling of the above exception, another exception occurred:",
        "The above exception was the direct cause of the following exception:",
    )


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
