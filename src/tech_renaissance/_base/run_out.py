"""What a process can run out of for a while."""

import errno

_FULL_DISK = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_LACKS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, *_FULL_DISK)


def has_run_out(error: OSError) -> bool:
    """Whether the system reports that descriptors, memory or disk space have run out: nobody
    is at fault, and it may pass.
    """
    return error.errno in _LACKS


def is_full_disk(error: OSError) -> bool:
    """Whether it is disk space that has run out."""
    return error.errno in _FULL_DISK
