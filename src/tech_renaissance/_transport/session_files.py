"""status.txt and worker.json: what a session directory tells people, on any transport."""

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
    """The worker's state, whoever wrote it; empty if there is none."""
    # Longer than any line of ours, short enough to be harmless.
    try:
        data = files.read(os.path.join(directory, "status.txt"), 4 * _LENGTH) or b""
    except OSError:
        return ""
    return data.decode("utf-8", "replace").strip()


def says_ready(directory: str) -> bool:
    """Whether status.txt says that the worker can serve; worker.json was there before that."""
    return read_status(directory) in ("ready", "busy", "ok")


def write_worker_info(directory: str, info: Dict[str, Any]) -> None:
    """Write worker.json. Raises OSError."""
    files.write(os.path.join(directory, "worker.json"), json.dumps(info, indent=4).encode())


def read_worker_info(directory: str) -> Dict[str, Any]:
    """What worker.json says; nothing if it cannot be read."""
    try:
        info: Any = json.loads(files.read(os.path.join(directory, "worker.json"), _INFO_NBYTES) or b"{}")
    except (OSError, ValueError, RecursionError):
        return {}
    return cast("Dict[str, Any]", info) if isinstance(info, dict) else {}


def write_post_mortem(directory: str, text: str) -> None:
    """Write post_mortem.json. Raises OSError."""
    files.write(os.path.join(directory, "post_mortem.json"), text.encode("utf-8", "replace"))
