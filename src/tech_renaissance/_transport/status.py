"""status.txt and worker.json: what a session directory tells people, on any transport."""

import json
import os
from typing import Any, Dict, cast

from .. import _files

_LENGTH = 500


def write_status(directory: str, line: str) -> None:
    """Write the worker's state, one short line. Raises OSError."""
    _files.write(os.path.join(directory, "status.txt"), line[:_LENGTH].encode("utf-8", "replace"))


def read_status(directory: str) -> str:
    """The worker's state, whoever wrote it; empty if there is none."""
    # Longer than any line of ours, short enough to be harmless.
    data = _files.read(os.path.join(directory, "status.txt")) or b""
    return data[: 4 * _LENGTH].decode("utf-8", "replace").strip()


def write_worker_info(directory: str, info: Dict[str, Any]) -> None:
    """Write worker.json. Raises OSError."""
    _files.write(os.path.join(directory, "worker.json"), json.dumps(info, indent=4).encode())


def read_worker_info(directory: str) -> Dict[str, Any]:
    """What worker.json says; nothing if it cannot be read."""
    try:
        info: Any = json.loads(_files.read(os.path.join(directory, "worker.json")) or b"{}")
    except ValueError:
        return {}
    return cast("Dict[str, Any]", info) if isinstance(info, dict) else {}
