"""status.txt, worker.json and post_mortem.json: what a session directory says to people, on any transport."""

import json
import os
from typing import Any, Dict, cast

from .._system import files

_LENGTH = 500
_INFO_NBYTES = 1 << 20


def write_status(directory: str, line: str) -> None:
    """Write the worker's state, one short line. Raises OSError."""
    files.write(os.path.join(directory, "status.txt"), line[:_LENGTH].encode("utf-8", "replace"))


def read_status(directory: str) -> str:
    """The worker's state, or whatever else is in the file; empty if there is no file."""
    # Longer than any line of ours, but short enough to be harmless.
    try:
        data = files.read(os.path.join(directory, "status.txt"), 4 * _LENGTH) or b""
    except OSError:
        return ""
    return data.decode("utf-8", "replace").strip()


def says_ready(directory: str) -> bool:
    """Whether status.txt says that the worker can serve. If so, worker.json has been written, too."""
    return read_status(directory) in ("ready", "busy", "ok")


def write_worker_info(directory: str, info: Dict[str, Any]) -> None:
    """Write worker.json. Raises OSError."""
    files.write(os.path.join(directory, "worker.json"), json.dumps(info, indent=4).encode())


def read_worker_info(directory: str) -> Dict[str, Any]:
    """The contents of worker.json; empty if it cannot be read."""
    try:
        info: Any = json.loads(files.read(os.path.join(directory, "worker.json"), _INFO_NBYTES) or b"{}")
    except (OSError, ValueError, RecursionError):
        return {}
    return cast("Dict[str, Any]", info) if isinstance(info, dict) else {}


def write_post_mortem(directory: str, text: str) -> None:
    """Write post_mortem.json. Raises OSError."""
    files.write(os.path.join(directory, "post_mortem.json"), text.encode("utf-8", "replace"))
