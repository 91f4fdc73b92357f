"""What makes a session's wait handle fire."""

from typing import Optional, Tuple

from .._system.wait_handle import WaitHandle


class Firing:
    """The members of the handle that belong to a host's end of a transport. Either may come
    first, the handle or the members.
    """

    def __init__(self) -> None:
        self._handle: Optional[WaitHandle] = None
        self._members: Tuple[int, ...] = ()

    def use(self, handle: Optional[WaitHandle]) -> None:
        """From now on it is this handle that fires. None: none. Raises OSError."""
        self._leave()
        self._handle = handle
        self._join()

    def follow(self, *members: int) -> None:
        """These from now on, instead of those before. Call it before those are closed. Raises OSError."""
        self._leave()
        self._members = members
        self._join()

    def forget(self, member: int) -> None:
        """This one fires no more, for example because it would for ever."""
        if self._handle:
            self._handle.remove(member)

    def _join(self) -> None:
        if self._handle:
            for member in self._members:
                self._handle.add(member)

    def _leave(self) -> None:
        for member in self._members:
            self.forget(member)
