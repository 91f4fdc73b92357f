"""A worker that does not use the shared memory it is offered: MODE says how."""

import errno
import mmap
import os
import sys


def refuse(*_, **__):
    raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


mode = os.environ["MODE"]
if mode == "does not know it":
    del os.environ["TR_SHM"]
elif mode == "wants files":
    os.environ["TR_TRANSPORT"] = "file"
elif mode == "cannot map it":
    if sys.platform == "win32":
        from tech_renaissance._transport.shm import segment_windows

        segment_windows.map_view = refuse
    else:
        mmap.mmap = refuse
elif mode == "cannot read it":
    os.environ["TR_SHM"] = "nonsense"

from shm_tensors import SharingServer  # noqa: E402 - after what it would see

SharingServer("numpy").run(sys.argv[1])
