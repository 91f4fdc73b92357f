"""The part of a wait handle that all POSIX systems share: event loops watch it as they watch a socket."""

from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    import asyncio


class ReadableHandle:
    """Is readable while a member is."""

    def fileno(self) -> int:
        """The descriptor to wait for."""
        raise NotImplementedError

    def listen(self, loop: "asyncio.AbstractEventLoop", action: Callable[[], object]) -> None:
        """From now on ``loop`` calls ``action`` while a member is readable. Call it in the loop's
        thread, as well as ``ignore``.
        """
        loop.add_reader(self.fileno(), action)

    def ignore(self, loop: "asyncio.AbstractEventLoop") -> None:
        """No longer. What has fired stays with whoever waits for the members themselves."""
        loop.remove_reader(self.fileno())
