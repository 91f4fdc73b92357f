"""A worker that does not use the shared memory it is offered: MODE says how."""

import os
import sys

mode = os.environ["MODE"]
if mode == "does not know it":
    del os.environ["TR_SHM"]
elif mode == "wants files":
    os.environ["TR_TRANSPORT"] = "file"
elif mode == "cannot map it":
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (1 << 34, 1 << 34))
elif mode == "cannot read it":
    os.environ["TR_SHM"] = "nonsense"

from shm_tensors import SharingServer  # noqa: E402 - after what it would see

SharingServer("numpy").run(sys.argv[1])
