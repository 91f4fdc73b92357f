"""The file transport: every frame and tensor is a file in the session directory. Contract: spec/transport-file.md.

A request is claimed by renaming it, a response is consumed by deleting it, and both are written under another name and
renamed into place. So each message is read whole, once, by one reader, whatever dies when.
"""

import contextlib
import os
import time
from typing import Any, Callable, List, Optional, Sequence

from .. import _files
from .._errors import FormatError, RemoteProtocolError
from .._frame import (
    LONG,
    Exit,
    Exiting,
    Frame,
    MalformedRequest,
    Ready,
    Request,
    Response,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from .._names import check_name
from .._tensor import DType, Library, allocate, loaded_library
from .._tsr import export_tsr, read_tsr
from . import HostTransport, Offer, WorkerTransport
from .status import read_status, read_worker_info, says_ready, write_status, write_worker_info
from .watch import Backoff, watch_directory

# An older host may write in place: how long its file must stand still before it counts as written.
_SETTLE_S = 0.1

_GIVEN_UP = "cancel.txt"
_ID_NBYTES = 20


class _FileEnd:
    """What both ends share: the directory, and waiting for it to change."""

    def __init__(self, directory: str, poll_ms: Optional[str]) -> None:
        self.directory = directory
        self._backoff = Backoff.parse(poll_ms) if poll_ms else Backoff()
        self._watch = watch_directory(directory, notify=not poll_ms)
        self._exit_handle: Optional[int] = None
        self._closed = False

    def receive(self, timeout_s: float) -> Optional[Frame]:
        """See Transport."""
        deadline = time.monotonic() + timeout_s
        while True:
            frame = self._look()
            if frame is not None:
                self._backoff.reset()
                return frame
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return None
            if self._watch.wait(min(self._backoff.next_s(), remaining), self._exit_handle):
                self._backoff.reset()
                return self._look()

    def wake(self) -> None:
        """See Transport."""
        self._watch.wake()

    def close(self) -> None:
        """See Transport."""
        if not self._closed:
            self._closed = True
            self._watch.close()

    def _look(self) -> Optional[Frame]:
        raise NotImplementedError

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def _tensor_path(self, tag: str) -> str:
        return self._path(f"{tag}.tsr")


class FileHost(_FileEnd, HostTransport):
    """The host's end."""

    def __init__(
        self, directory: str, poll_ms: Optional[str] = None, library: Optional[Library] = None
    ) -> None:
        super().__init__(directory, poll_ms)
        self._library: Optional[Library] = library
        self._ready = False
        self._left = False

    def empty(self, dtype: DType, shape: Sequence[int], library: Library) -> Any:
        """See HostTransport."""
        return allocate(dtype, shape, library)[0]

    def prepare(self) -> Offer:
        """See HostTransport."""
        self._exit_handle = None
        self._ready = self._left = False
        for name in (
            "request.json",
            ".request.claimed",
            "response.json",
            "status.txt",
            "worker.json",
            "stack.txt",
            _GIVEN_UP,
        ):
            _files.discard(self._path(name))
        return Offer({}, [])

    def watch_exit(self, handle: int) -> None:
        """See HostTransport."""
        self._exit_handle = handle

    def give_up(self, request_id: int) -> None:
        """See HostTransport."""
        _files.write(self._path(_GIVEN_UP), str(request_id).encode())

    def may_have_begun(self, request_id: int) -> bool:
        """See HostTransport."""
        try:
            data = _files.read(self._path("request.json"))
            waiting = decode_request(data) if data is not None else Exit()
        except (OSError, RemoteProtocolError):
            return True
        return isinstance(waiting, Exit) or waiting.id != request_id

    def put_tensor(self, tag: str, tensor: Any) -> None:
        """See HostTransport."""
        export_tsr(tensor, self._tensor_path(tag))

    def put_tsr(self, tag: str, data: memoryview) -> None:
        """As put_tensor, for a tensor that is the bytes of a TSR file already."""
        _files.write(self._tensor_path(tag), data)

    def drop_tensor(self, tag: str) -> None:
        """See HostTransport."""
        _files.remove(self._tensor_path(tag))

    def tags(self) -> List[str]:
        """See HostTransport."""
        return [name[:-4] for name in os.listdir(self.directory) if name.endswith(".tsr")]

    def try_send(self, frame: Frame) -> bool:
        """See Transport."""
        path = self._path("request.json")
        if os.path.exists(path):
            return False
        if isinstance(frame, Exit):
            text = encode_request(Request("exit"), _now_ms())
        elif isinstance(frame, Request):
            text = encode_request(frame, _now_ms())
        else:
            raise TypeError(f"a host does not send {frame!r}")
        _files.write(path, text.encode())
        return True

    def _look(self) -> Optional[Frame]:
        if not self._ready:
            return self._look_for_ready()
        path = self._path("response.json")
        try:
            data = _files.read(path)
            if data is None:
                if not self._says_that_it_leaves():
                    return None
                data = _files.read(path)  # its last response came before that word
                if data is None:
                    self._left = True
                    return Exiting()
            response = decode_response(data)
            response.tensors = [self._load(name) for name in response.tensors]
        except OSError as error:
            _files.discard(path)
            raise RemoteProtocolError("bad_frame", f"the response cannot be read: {error}") from error
        except BaseException:
            _files.discard(path)
            raise
        _files.remove(path)
        return response

    def _look_for_ready(self) -> Optional[Frame]:
        if not says_ready(self.directory):
            return None
        self._ready = True
        return Ready(read_worker_info(self.directory))

    def _says_that_it_leaves(self) -> bool:
        return not self._left and read_status(self.directory) in ("exiting", "terminated")

    def _load(self, name: str) -> Any:
        try:
            path = self._tensor_path(check_name(name, "result tensor"))
            with _files.open_plain(path) as file:
                return read_tsr(file, path, loaded_library(self._library))
        except (FormatError, MemoryError, OSError, ValueError) as error:
            raise RemoteProtocolError(
                "bad_frame", f"the response's tensor {name!a} cannot be read: {error}"
            ) from error


class FileWorker(_FileEnd, WorkerTransport):
    """The worker's end."""

    def __init__(self, directory: str, poll_ms: Optional[str] = None) -> None:
        super().__init__(directory, poll_ms)
        self._told_to_leave = False

    def is_given_up(self, request_id: int) -> bool:
        """See WorkerTransport."""
        try:
            return _files.read(self._path(_GIVEN_UP), _ID_NBYTES) == str(request_id).encode()
        except OSError:
            return False

    def get_tensor(self, tag: str, library: Optional[Library]) -> Any:
        """See WorkerTransport."""
        try:
            path = self._tensor_path(check_name(tag, "tag"))
            with _files.open_plain(path) as file:
                return read_tsr(file, path, library)
        except FileNotFoundError:
            raise KeyError(tag) from None

    def empty(self, dtype: DType, shape: Sequence[int], library: Library) -> Any:
        """See WorkerTransport."""
        return allocate(dtype, shape, library)[0]

    def try_send(self, frame: Frame) -> bool:
        """See Transport."""
        if isinstance(frame, Response):
            return self._try_respond(frame)
        if isinstance(frame, Ready):
            write_worker_info(self.directory, frame.info)
            self._set_status("ready")
        elif isinstance(frame, Exiting):
            self._set_status("exiting")
        else:
            raise TypeError(f"a worker does not send {frame!r}")
        return True

    def close(self) -> None:
        """See Transport. The last word in ``status.txt`` is ``terminated``."""
        if not self._closed:
            with contextlib.suppress(OSError):  # the directory may be gone, the disk full
                write_status(self.directory, "terminated")
        super().close()

    def _try_respond(self, response: Response) -> bool:
        path = self._path("response.json")
        if os.path.exists(path) or not os.path.isdir(self.directory):
            return False
        names = [f"result_{index}" for index in range(len(response.tensors))]
        for name, tensor in zip(names, response.tensors):
            export_tsr(tensor, self._tensor_path(name))
        self._remove_results_from(len(names))
        _files.write(path, encode_response(response, names, _now_ms()).encode())
        first_line = response.error.message.partition("\n")[0] if response.error else ""
        self._set_status(f"error: {first_line}" if response.error else "ok")
        return True

    def _remove_results_from(self, index: int) -> None:
        while os.path.lexists(self._tensor_path(f"result_{index}")):
            _files.discard(self._tensor_path(f"result_{index}"))
            index += 1

    def _look(self) -> Optional[Frame]:
        if not self._told_to_leave and self._asked_to_leave():
            self._told_to_leave = True  # "exit" stays in the file, but is one frame
            return Exit()
        claimed = self._path(".request.claimed")
        try:
            _files.replace(self._path("request.json"), claimed)
        except FileNotFoundError:
            return None
        try:
            frame = self._read_claimed(claimed)
        finally:
            _files.discard(claimed)
            self._set_status("busy")
        return frame

    def _read_claimed(self, path: str) -> Frame:
        mark = None
        while True:
            before = _mark(path)
            try:
                return decode_request(_files.read(path) or b"")
            except OSError as error:
                defect = RemoteProtocolError("bad_frame", f"it cannot be read: {error}")
                raise MalformedRequest(defect, None, LONG) from error
            except MalformedRequest as error:
                if error.code != "bad_json" or before == mark:
                    raise
            mark = before
            time.sleep(_SETTLE_S)

    def _asked_to_leave(self) -> bool:
        status = read_status(self.directory)
        return status == "exit" or (not status and not os.path.isdir(self.directory))

    def _set_status(self, line: str) -> None:
        """Our word must not cover a host's "exit": not one that stands there, nor one that is written in place just now."""
        with _files.held(self._path("status.txt")) as read:
            if not _says_exit(read):
                write_status(self.directory, line)
                if _says_exit(read):
                    write_status(self.directory, "exit")


def _says_exit(read: Callable[[], Optional[bytes]]) -> bool:
    """Whether the file says so, once whoever has emptied it to write into it has written."""
    deadline = time.monotonic() + _SETTLE_S
    text = read()
    while text == b"" and time.monotonic() < deadline:
        time.sleep(_SETTLE_S / 100)
        text = read()
    return (text or b"").strip() == b"exit"


def _mark(path: str) -> Optional[List[int]]:
    """Changes when someone writes the file."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return [status.st_ino, status.st_mtime_ns, status.st_size]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
