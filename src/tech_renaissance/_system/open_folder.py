"""A directory that is held open: operations through it happen in this very directory, even if
something else has its name by then.

Each platform's file defines OpenFolderBase. All its operations may raise OSError.
"""

import sys
from types import TracebackType
from typing import Optional, Type

if sys.platform == "win32":
    from .open_folder_windows import OpenFolderBase, is_unmoved
else:
    from .open_folder_posix import OpenFolderBase, is_unmoved

__all__ = ["OpenFolder", "OpenFolderBase", "is_unmoved"]


class OpenFolder(OpenFolderBase):
    """Adds the operations that are the same on every platform. Close it, or use it in a ``with`` block."""

    def __enter__(self) -> "OpenFolder":
        """It is open already."""
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        """Close it."""
        self.close()

    def remove(self, name: str) -> None:
        """Remove whatever has this name in it: for a link the link itself, for a
        folder all its contents, too.
        """
        if not self.is_folder(name):
            self.remove_file(name)
            return
        with OpenFolder(name, self) as folder:
            folder.empty()
        self.remove_empty_folder(name)

    def empty(self, keep: str = "") -> None:
        """Remove everything in it except ``keep``. If something cannot be removed, still
        removes the rest, then raises.
        """
        failure: Optional[OSError] = None
        for name in self.names():
            try:
                if name != keep:
                    self.remove(name)
            except OSError as error:
                failure = error
        if failure:
            raise failure
