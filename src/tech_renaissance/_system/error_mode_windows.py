"""What Windows does when a process breaks."""

import ctypes

_NO_DIALOG = 0x2  # SEM_NOGPFAULTERRORBOX

_kernel32 = ctypes.WinDLL("kernel32")


def end_at_once() -> None:
    """A native fault ends this process, and those that it will start, at once: without a dialog
    that waits for somebody to click.
    """
    _kernel32.SetErrorMode(_kernel32.GetErrorMode() | _NO_DIALOG)
