"""The file transport, host's end.

A response is read whole, with the results that it names, and consumed by deleting it.
"""

import os
from typing import Any, List, Optional, Sequence

from ..._base.errors import FormatError, RemoteProtocolError
from ..._base.names import check_name
from ..._base.tensor import DType, Library, allocate, imported_library
from ..._protocol.frame import (
    Exit,
    Exiting,
    Frame,
    Ready,
    Request,
    decode_request,
    decode_response,
    encode_request,
)
from ..._protocol.tsr import export_tsr, read_tsr
from ..._system import files
from ..session_files import read_status, read_worker_info, says_ready
from ..transport import HostTransport, Offer
from .end import GIVEN_UP, FileEnd, now_ms


class FileHost(FileEnd, HostTransport):
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
            GIVEN_UP,
        ):
            files.discard(self._path(name))
        return Offer({}, [])

    def watch_exit(self, handle: int) -> None:
        """See HostTransport."""
        self._exit_handle = handle

    def give_up(self, request_id: int) -> None:
        """See HostTransport."""
        files.write(self._path(GIVEN_UP), str(request_id).encode())

    def may_have_begun(self, request_id: int) -> bool:
        """See HostTransport."""
        try:
            data = files.read(self._path("request.json"))
            waiting = decode_request(data) if data is not None else Exit()
        except (OSError, RemoteProtocolError):
            return True
        return isinstance(waiting, Exit) or waiting.id != request_id

    def put_tensor(self, tag: str, tensor: Any) -> None:
        """See HostTransport."""
        export_tsr(tensor, self._tensor_path(tag))

    def put_tsr(self, tag: str, data: memoryview) -> None:
        """As put_tensor, for a tensor that is the bytes of a TSR file already."""
        files.write(self._tensor_path(tag), data)

    def drop_tensor(self, tag: str) -> None:
        """See HostTransport."""
        files.remove(self._tensor_path(tag))

    def tags(self) -> List[str]:
        """See HostTransport."""
        return [name[:-4] for name in os.listdir(self.directory) if name.endswith(".tsr")]

    def try_send(self, frame: Frame) -> bool:
        """See Transport."""
        path = self._path("request.json")
        if os.path.exists(path):
            return False
        if isinstance(frame, Exit):
            text = encode_request(Request("exit"), now_ms())
        elif isinstance(frame, Request):
            text = encode_request(frame, now_ms())
        else:
            raise TypeError(f"a host does not send {frame!r}")
        files.write(path, text.encode())
        return True

    def _look(self) -> Optional[Frame]:
        if not self._ready:
            return self._look_for_ready()
        path = self._path("response.json")
        try:
            data = files.read(path)
            if data is None:
                if not self._says_that_it_leaves():
                    return None
                data = files.read(path)  # its last response came before that word
                if data is None:
                    self._left = True
                    return Exiting()
            response = decode_response(data)
            response.tensors = [self._load(name) for name in response.tensors]
        except OSError as error:
            files.discard(path)
            raise RemoteProtocolError("bad_frame", f"the response cannot be read: {error}") from error
        except BaseException:
            files.discard(path)
            raise
        files.remove(path)
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
            with files.open_plain(path) as file:
                return read_tsr(file, path, self._library or imported_library())
        except (FormatError, MemoryError, OSError, ValueError) as error:
            raise RemoteProtocolError(
                "bad_frame", f"the response's tensor {name!a} cannot be read: {error}"
            ) from error
