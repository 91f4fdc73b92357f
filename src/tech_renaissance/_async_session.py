"""The host's side for asyncio: AsyncSession is PythonSession with ``await`` where that one waits."""

from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Union

from ._async_calls import AsyncValueCalls
from ._base.durations import seconds
from ._base.errors import LocalProtocolError, TimedOut
from ._base.post_mortem import PostMortem
from ._base.session_state import SessionState
from ._host.answer import tensors_of, text_of
from ._host.async_caller import in_thread
from ._host.caller import TIMEOUT_MS
from ._protocol.frame import Response
from ._session import PythonSession

if TYPE_CHECKING:
    import os


class AsyncSession(AsyncValueCalls):
    """One worker process and everything said to it, for the tasks of an asyncio loop.

    Its methods are those of PythonSession, which explains them; what waits there is a coroutine here. A
    call that is awaited costs no thread and does not hold up the loop. What is rare, such as ``start`` and
    ``close``, is done in a thread of the loop's executor. A task that is cancelled while it awaits a call
    cancels that call and no other.

    ``async with AsyncSession("worker.py") as session: ...``. Several loops may share it, each in its thread.
    What is sent waits for nothing: if the worker is not ready, or has no room, it stays in line.
    """

    def __init__(
        self,
        script_path: "Union[str, os.PathLike[str]]" = "default",
        session_id: str = "default",
        quiet_mode: bool = False,
        **options: Any,
    ) -> None:
        """Make a session; nothing happens until ``start``. Arguments and errors as for PythonSession.
        ``on_restart`` gets ``self.plain``.
        """
        self.plain = PythonSession(script_path, session_id, quiet_mode, **options)
        """The same session for threads, which may use it at the same time."""
        self._caller = self.plain._caller  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        self._unfetched = self.plain._unfetched  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    # ------------------------------------------------------------------ life

    async def __aenter__(self) -> "AsyncSession":
        """Start the worker."""
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Close the session."""
        await self.close()

    @property
    def session_id(self) -> str:
        """The session's name."""
        return self.plain.session_id

    @property
    def session_dir(self) -> str:
        """Absolute path of the session directory."""
        return self.plain.session_dir

    def set_quiet_mode(self, quiet: bool) -> None:
        """See PythonSession."""
        self.plain.set_quiet_mode(quiet)

    async def start(self, wait_ms: float = 0) -> None:
        """Start the worker; see PythonSession."""
        await in_thread(self.plain.start, wait_ms)

    def is_alive(self) -> bool:
        """Whether the worker's process is running; asks the kernel."""
        return self.plain.is_alive()

    async def please_exit(self, timeout_ms: float = 5000, ensure: bool = False) -> None:
        """Ask the worker to leave once it has served what it was sent; see PythonSession."""
        self._caller.check_task_may_wait()
        await in_thread(self.plain.please_exit, timeout_ms, ensure)

    async def terminate(self) -> None:
        """End the worker now, for certain; see PythonSession."""
        await in_thread(self.plain.terminate)

    async def join(self, timeout_ms: float = TIMEOUT_MS) -> bool:
        """Wait for the worker's process to end on its own; False if it is still running."""
        return await in_thread(self.plain.join, timeout_ms)

    async def close(self) -> None:
        """End the worker, in an orderly way if possible, and remove the session
        directory. Safe to call twice.
        """
        await in_thread(self.plain.close)

    # ----------------------------------------------------------------- state

    def state(self) -> SessionState:
        """What the worker is doing now; asks the kernel whether it is alive."""
        return self.plain.state()

    async def stack(self) -> str:
        """The Python stacks of the worker's threads; see PythonSession."""
        return await in_thread(self.plain.stack)

    def post_mortem(self) -> Optional[PostMortem]:
        """How the last worker ended; None if no worker has ended."""
        return self.plain.post_mortem()

    async def cancel(self) -> str:
        """End the call in work; see PythonSession."""
        return await in_thread(self.plain.cancel)

    def is_ready(self) -> bool:
        """Whether the worker is waiting for a request."""
        return self.plain.is_ready()

    def is_busy(self) -> bool:
        """Whether the worker has an unanswered request."""
        return self.plain.is_busy()

    async def wait_until_ready(self, timeout_ms: float = TIMEOUT_MS) -> bool:
        """Wait until the worker can serve; see PythonSession."""
        return await in_thread(self.plain.wait_until_ready, timeout_ms)

    async def wait_until_ok(self, timeout_ms: float = TIMEOUT_MS) -> bool:
        """Wait until all requests are answered; see PythonSession."""
        self._caller.check_task_may_wait()
        return await in_thread(self.plain.wait_until_ok, timeout_ms)

    def new_response(self) -> bool:
        """Whether the answer to the oldest ``send_request`` has come."""
        self._caller.worker().exchange.take_in()
        return self._unfetched.is_oldest_done()

    # ----------------------------------------------------------------- calls

    async def send_request(
        self, message: str, *, deadline_ms: Optional[float] = None, idempotent: bool = False
    ) -> None:
        """Send a request; ``wait_for_*`` gets its answer. See PythonSession."""
        call = self._caller.make_call(message, deadline_ms, idempotent)
        if call is None:
            await in_thread(self._caller.ask_to_leave)
            return
        self._unfetched.forget_timed_out()
        caller = self._caller.in_loop()
        handed = caller.submit(call)
        self._unfetched.add(call)
        if handed:
            try:
                await caller.handed_over(call, handed)
                if call.error:
                    raise call.error
            except BaseException:
                self._unfetched.forget(call)
                raise

    async def read_response(self) -> str:
        """The text of an answer that has already come; like ``wait_for_response(0)``."""
        return await self.wait_for_response(0)

    async def wait_for_response(self, timeout_ms: float = TIMEOUT_MS) -> str:
        """The text of the answer to the oldest ``send_request``; errors as in PythonSession."""
        return text_of(await self._wait(timeout_ms))

    async def wait_for_tensor(self, timeout_ms: float = TIMEOUT_MS) -> Any:
        """The (first) tensor of the answer to the oldest ``send_request``."""
        return tensors_of(await self._wait(timeout_ms))[0]

    async def wait_for_tensors(self, timeout_ms: float = TIMEOUT_MS) -> List[Any]:
        """All tensors of the answer to the oldest ``send_request``."""
        return tensors_of(await self._wait(timeout_ms))

    async def fetch_response(
        self,
        message: str,
        timeout_ms: Optional[float] = None,
        *,
        deadline_ms: Optional[float] = None,
        idempotent: bool = False,
    ) -> str:
        """Send a request and return the text of its answer; see PythonSession."""
        return text_of(await self._fetch(message, timeout_ms, deadline_ms, idempotent))

    async def fetch_tensor(
        self,
        message: str,
        timeout_ms: Optional[float] = None,
        *,
        deadline_ms: Optional[float] = None,
        idempotent: bool = False,
    ) -> Any:
        """Send a request and return the (first) tensor of its answer."""
        return tensors_of(await self._fetch(message, timeout_ms, deadline_ms, idempotent))[0]

    async def fetch_tensors(
        self,
        message: str,
        timeout_ms: Optional[float] = None,
        *,
        deadline_ms: Optional[float] = None,
        idempotent: bool = False,
    ) -> List[Any]:
        """Send a request and return all tensors of its answer."""
        return tensors_of(await self._fetch(message, timeout_ms, deadline_ms, idempotent))

    async def calculate(
        self,
        command: str,
        *tensors: Any,
        timeout_ms: Optional[float] = None,
        deadline_ms: Optional[float] = None,
        idempotent: bool = False,
    ) -> Any:
        """Call a command with tensors and return the (first) tensor of its answer; see PythonSession."""
        return tensors_of(await self._fetch(command, timeout_ms, deadline_ms, idempotent, tensors))[0]

    async def flush(self, timeout_ms: float = TIMEOUT_MS) -> bool:
        """Wait until the worker has been given every call in line; False if it has not been in time."""
        return await self._caller.in_loop().flush(seconds("timeout_ms", timeout_ms))

    # --------------------------------------------------------------- tensors

    def empty(self, shape: Sequence[int], dtype: Any = "float32") -> Any:
        """A new, uninitialised tensor that ``send_tensor`` need not copy; see PythonSession."""
        return self.plain.empty(shape, dtype)

    def send_tensor(self, tensor: Any, tag: str) -> None:
        """Put a tensor under a tag for the worker. Waits for nothing, but copies."""
        self.plain.send_tensor(tensor, tag)

    def send_tensors(self, tensors: Sequence[Any], tags: Sequence[str]) -> None:
        """Put several tensors under as many tags; all tags are checked first."""
        self.plain.send_tensors(tensors, tags)

    def drop_tensor(self, tag: str) -> None:
        """Forget the tensor under a tag, if there is one."""
        self.plain.drop_tensor(tag)

    # -------------------------------------------------------------- internal

    async def _fetch(
        self,
        message: str,
        timeout_ms: Optional[float],
        deadline_ms: Optional[float],
        idempotent: bool,
        tensors: Sequence[Any] = (),
    ) -> Response:
        call = self._caller.make_answered_call(message, deadline_ms, idempotent, tensors)
        return (await self._caller.in_loop().fetch(call, timeout_ms)).take_response()

    async def _wait(self, timeout_ms: float) -> Response:
        timeout_s = seconds("timeout_ms", timeout_ms)
        self._caller.worker()
        call = self._unfetched.take_oldest()
        try:
            await self._caller.in_loop().finish(call, timeout_s)
            return call.take_response()
        except (TimedOut, LocalProtocolError) as error:
            if error is not call.error:  # the wait has failed, or was refused, and not the call
                self._unfetched.put_back(call)
            raise
