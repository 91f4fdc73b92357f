"""A directory that is held open: what is done through it is done in this one, whatever bears its name by then.

Each platform's file gives OpenFolderBase, all of whose operations raise OSError.
"""

import sys
from types import TracebackType
from typing import Optional, Type

if sys.platform == "win32":
    from .open_folder_windows import Identity, OpenFolderBase, identity_of
else:
    from .open_folder_posix import Identity, OpenFolderBase, identity_of

__all__ = ["Identity", "OpenFolder", "identity_of"]


class OpenFolder(OpenFolderBase):
    """With the operations that every platform makes of its own. Close it, or use it in a ``with`` block."""

    def __enter__(self) -> "OpenFolder":
        """Nothing more: it is open."""
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
        """Remove whatever bears this name in it: a link itself, a folder with all that is in it."""
        if not self.is_folder(name):
            self.remove_file(name)
            return
        with OpenFolder(name, self) as folder:
            folder.empty()
        self.remove_empty_folder(name)

    def empty(self, keep: str = "") -> None:
        """Remove all that is in it, but for one name; as much as can be removed, if something cannot."""
        failure: Optional[OSError] = None
        for name in self.names():
            try:
                if name != keep:
                    self.remove(name)
            except OSError as error:
                failure = error
        if failure:
            raise failure
