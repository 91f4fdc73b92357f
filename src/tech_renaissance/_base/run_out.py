"""What a process can run out of, and get again."""

import errno

_LACKS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def has_run_out(error: OSError) -> bool:
    """Whether the system says that descriptors, memory or room on the disk have run out: nobody is at fault, and it may pass."""
    return error.errno in _LACKS
