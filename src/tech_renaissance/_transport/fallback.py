"""A host's end for workers that may or may not support shared memory: it offers shared memory to
each worker, but switches to files if the worker says ``ready`` in the session directory instead.
Contract: spec/transport-shm.md.
"""

import time
from typing import Any, Dict, List, Optional, Sequence, Union

from .._base.tensor import DType, Library
from .._protocol.frame import Frame, Plain, Posted, Ready, Request
from .._system.wait_handle import WaitHandle
from .file.host import FileHost
from .session_files import read_worker_info, says_ready
from .shm.host import ShmHost
from .transport import HostTransport, Offer, Placed, Several, Taken

# How often to check, while a worker starts, whether it serves over files.
_CHECK_S = 0.01


class FallbackHost(HostTransport):
    """Has both ends, and picks one when the worker is ready."""

    def __init__(
        self,
        directory: str,
        poll_ms: Optional[str] = None,
        library: Optional[Library] = None,
        look_us: Optional[int] = None,
    ) -> None:
        """``look_us``: see ControlSide. Raises OSError if shared memory is not available."""
        self._directory = directory
        self._shm = ShmHost(library, look_us)
        try:
            self._files = FileHost(directory, poll_ms, library)
        except BaseException:
            self._shm.close()
            raise
        self._end: Union[ShmHost, FileHost] = self._shm
        self._handle: Optional[WaitHandle] = None
        self._is_woken = False

    def prepare(self) -> Offer:
        """See HostTransport."""
        self._files.prepare()
        for name in (
            "receive",
            "receive_some",
            "try_send",
            "post",
            "take_plain",
            "forget_taken",
            "arm",
            "disarm",
        ):
            vars(self).pop(name, None)
        self._end = self._shm
        self._files.fire(None)
        return self._shm.prepare()

    def watch_exit(self, handle: int) -> None:
        """See HostTransport."""
        self._shm.watch_exit(handle)
        self._files.watch_exit(handle)

    def try_send(self, frame: Frame) -> bool:
        """See Transport."""
        return self._end.try_send(frame)

    def post(self, posted: Posted) -> bool:
        """See HostTransport."""
        return self._end.post(posted)

    def take_plain(self, request: Request) -> Optional[Plain]:
        """See HostTransport."""
        return self._end.take_plain(request)

    def has_sent(self, frame: Union[Frame, Posted]) -> bool:
        """See HostTransport."""
        return self._end.has_sent(frame)

    @property
    def taken(self) -> Taken:
        """See HostTransport."""
        return self._end.taken

    def forget_taken(self) -> None:
        """See HostTransport."""
        self._end.forget_taken()

    @property
    def lack(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """See HostTransport."""
        return self._end.lack

    @property
    def can_stream(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """See Transport."""
        return self._end.can_stream

    def receive(self, timeout_s: float) -> Optional[Frame]:
        """See Transport. Until the worker is ready, receives from either end."""
        frame = self._receive_from_either(timeout_s)
        if self._end is self._files or self._shm.is_ready():
            self._go_direct()
        return frame

    def wake(self) -> None:
        """See Transport."""
        self._is_woken = True
        self._shm.wake()
        self._files.wake()

    def receive_some(self, timeout_s: float, *, looks: bool) -> Union[Frame, Several, None]:
        """See HostTransport."""
        del looks
        return self.receive(timeout_s)

    def fire(self, handle: Optional[WaitHandle]) -> None:
        """See HostTransport. The files' end is let in only when it is the one, because nobody looks
        at what it has to say before.
        """
        self._handle = handle
        self._end.fire(handle)

    def arm(self) -> float:
        """See HostTransport. Until the worker is ready, it is looked at as often as ``receive`` does."""
        return min(self._shm.arm(), _CHECK_S)

    def disarm(self, *, has_fired: bool) -> None:
        """See HostTransport."""
        self._shm.disarm(has_fired=has_fired)

    def stop_firing(self) -> None:
        """See HostTransport."""
        self._shm.stop_firing()
        self._files.stop_firing()

    def ask_to_cancel(self, request_id: int) -> None:
        """See HostTransport."""
        self._end.ask_to_cancel(request_id)

    def ask_to_stop(self, request_id: int) -> None:
        """See HostTransport."""
        self._end.ask_to_stop(request_id)

    def awaits_item(self, request_id: int) -> bool:
        """See HostTransport."""
        return self._end.awaits_item(request_id)

    def is_suspended(self, request_id: int) -> bool:
        """See HostTransport."""
        return self._end.is_suspended(request_id)

    def begun(self, request_ids: Sequence[int]) -> Dict[int, Optional[int]]:
        """See HostTransport."""
        return self._end.begun(request_ids)

    def answered(self) -> Sequence[Optional[int]]:
        """See HostTransport."""
        return self._end.answered()

    def place(self, attachment: Any) -> Placed:
        """See HostTransport. Attachments, like tensors, are always placed in shared memory."""
        return self._shm.place(attachment)

    def place_all(self, attachments: Sequence[Any]) -> Sequence[Placed]:
        """See HostTransport."""
        return self._shm.place_all(attachments)

    def put_tensor(self, tag: str, tensor: Any) -> None:
        """See HostTransport.

        The tensors always stay in shared memory, because the next worker may support it. A tensor put during
        the switch to files is either handed over with the others, or comes after the switch and is put here.
        """
        self._shm.put_tensor(tag, tensor)
        if self._end is self._files:
            self._files.put_tensor(tag, tensor)

    def drop_tensor(self, tag: str) -> None:
        """See HostTransport."""
        self._shm.drop_tensor(tag)
        if self._end is self._files:
            self._files.drop_tensor(tag)

    def tags(self) -> List[str]:
        """See HostTransport."""
        return self._shm.tags()

    def empty(self, dtype: DType, shape: Sequence[int], library: Library) -> Any:
        """See HostTransport. The tensor lives in shared memory."""
        return self._shm.empty(dtype, shape, library)

    def close(self) -> None:
        """See Transport. Tensors that live in shared memory stay readable."""
        self._shm.close()
        self._files.close()

    def _receive_from_either(self, timeout_s: float) -> Optional[Frame]:
        deadline = time.monotonic() + timeout_s
        while True:
            now = time.monotonic()
            remaining = max(0.0, deadline - now)
            frame = self._shm.receive(min(remaining, _CHECK_S))
            if frame is None and self._serves_over_files():
                frame = self._go_over_to_files()
            if frame is not None:
                return frame
            rang = time.monotonic() < now + _CHECK_S  # as it also does for ever once the worker has died
            if remaining <= _CHECK_S or rang or self._is_woken:
                self._is_woken = False
                return None

    def _serves_over_files(self) -> bool:
        return says_ready(self._directory) and read_worker_info(self._directory).get("transport") != "shm"

    def _go_over_to_files(self) -> Optional[Frame]:
        frame = self._files.taken or self._files.receive(0)
        if not isinstance(frame, Ready):
            return None
        self._shm.hand_over(self._files.put_tsr, self._pick_files)
        return frame

    def _pick_files(self) -> None:
        self._end = self._files
        self._shm.stop_firing()
        self._files.fire(self._handle)

    def _go_direct(self) -> None:
        """From now on the methods that each request needs call the chosen end directly."""
        end = self._end
        self.receive = end.receive
        self.receive_some = end.receive_some
        self.arm = end.arm
        self.disarm = end.disarm
        self.try_send = end.try_send
        self.post = end.post
        self.take_plain = end.take_plain
        self.forget_taken = end.forget_taken
