"""The options of a session, as PythonSession gets them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Mapping, NamedTuple, Optional, Sequence, Union

from .._base.tensor import Library
from .._process.output import Output

if TYPE_CHECKING:
    import os

RESTARTS = ("never", "on-crash")


class CancelPatience(NamedTuple):
    """When a call is ended, how long each step is given before the next one is taken, in
    milliseconds; see spec/life.md.
    """

    notice_ms: float = 200
    interrupt_ms: float = 1000
    terminate_ms: float = 1000


class RestartPolicy(NamedTuple):
    """How a crashed worker is restarted: a back-off, doubled with each crash in a row, and at most ``limit``
    restarts in ``window_s``. ``keep_tags``: the next worker finds the tensors under their tags again.
    """

    first_backoff_ms: float = 100
    max_backoff_ms: float = 10_000
    limit: int = 5
    window_s: float = 60.0
    keep_tags: bool = True


@dataclass
class Options:
    """The options of PythonSession; see there."""

    script_path: "Union[str, os.PathLike[str]]"
    session_id: str
    quiet: bool
    arguments: Sequence[str]
    python: Optional[str]
    python_arguments: Sequence[str]
    environment: Mapping[str, str]
    working_directory: Optional[str]
    workspace: Optional[str]
    launch_timeout_s: float
    output: Optional[Output]
    poll_ms: Optional[str]
    look_us: Optional[int]
    library: Optional[Library]
    transport: Optional[str]
    patience: CancelPatience
    restart: str
    restart_policy: RestartPolicy
