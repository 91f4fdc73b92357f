"""What a process can run out of for a while."""

import errno

_LACKS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def has_run_out(error: OSError) -> bool:
    """Whether the system reports that descriptors, memory or disk space have run out: nobody is at fault, and it may pass."""
    return error.errno in _LACKS
