"""The file transport, worker's end.

A request is claimed by renaming it, so that exactly one reader reads it, whole and once, whatever dies when.
"""

import contextlib
import os
import time
from typing import Any, Callable, List, Optional, Sequence, Set, TypeVar, Union

from ..._base.errors import RemoteProtocolError
from ..._base.names import check_name
from ..._base.run_out import is_full_disk
from ..._base.tensor import DType, Library, allocate
from ..._protocol.attachments import read_stored, stored
from ..._protocol.body import kind_of
from ..._protocol.frame import (
    LONG,
    Answer,
    Ask,
    Exit,
    Exiting,
    Failure,
    Frame,
    MalformedRequest,
    Progress,
    Ready,
    Request,
    Response,
)
from ..._protocol.message import (
    Named,
    decode_answer,
    decode_request,
    encode_ask,
    encode_progress,
    encode_response,
    id_of,
)
from ..._protocol.tsr import export_tsr, read_tsr
from ..._system import files
from ..._system.forks import Forks
from ..session_files import read_status, write_status, write_worker_info
from ..session_place import SessionPlace
from ..transport import FOR_ANSWER, WorkerTransport
from .end import ANSWER, ASK, CANCEL, PROGRESS, STOP, FileEnd, now_ms

_Result = TypeVar("_Result")

# An older host may write in place: how long its file must remain unchanged before it counts as written.
_SETTLE_S = 0.1
# Someone who removes the whole directory may take this long to get from the response to the lock file.
_REMOVAL_S = 0.05

# The longest list of given-up requests that is read.
_LIST_NBYTES = 1 << 16


class _Attachment:
    """An attachment of a request; see Received. It stays in its file until its host has got the answer.
    That of an Answer is the worker's.
    """

    def __init__(self, kind: int, path: str, *, is_ours: bool = False) -> None:
        self._kind = kind
        self._path = path
        self._is_ours = is_ours

    def value(self, library: Optional[Library]) -> Any:
        """See Received. Read anew each time."""
        return read_stored(self._kind, self._read, library)

    def let_go(self) -> None:
        """See Received."""
        if self._is_ours:
            files.discard(self._path)

    def _read(self, library: Optional[Library]) -> Any:
        with files.open_plain(self._path) as file:
            return read_tsr(file, self._path, library)


class FileWorker(FileEnd, WorkerTransport):
    """The worker's end. Once the directory has been removed or replaced, nothing is written there, and
    ``receive`` and ``try_send`` of a response raise SessionClosed.
    """

    def __init__(self, place: SessionPlace, poll_ms: Optional[str] = None, *, is_hosted: bool = True) -> None:
        """``is_hosted``: the host is one of this project, which ends its worker before
        it removes the directory.
        """
        super().__init__(place, poll_ms)
        self._is_hosted = is_hosted
        self._has_waited = False  # for room for a response
        self._told_to_leave = False
        self._is_ready = False
        self._asking: Set[Optional[int]] = set()  # the calls that have asked and got no Answer yet
        self._awaits_answer: Optional[int] = None  # the call whose handler does
        self._held_by: Optional[int] = None  # the same, if nobody else is served meanwhile
        self._has_told = False  # there may be a Progress
        self._unwritten_status = ""  # because the disk was full
        self._generation = Forks.generation

    def receive(self, timeout_s: float) -> Optional[Frame]:
        """See Transport. In a fork that a signal handler made in the middle of this, an Exit:
        requests are for the worker alone.
        """
        try:
            return super().receive(timeout_s)
        except OSError:
            if self._is_fork():  # which has none of the descriptors
                return Exit()
            raise

    def is_cancelled(self, request_id: int) -> bool:
        """See WorkerTransport."""
        return self._is_listed(str(request_id))

    def is_stopping(self, request_id: int) -> bool:
        """See WorkerTransport."""
        return self._is_listed(f"{STOP}{request_id}")

    def _is_listed(self, line: str) -> bool:
        try:
            lines = (files.read(self._path(CANCEL), _LIST_NBYTES) or b"").splitlines()
        except OSError:
            return False
        return line.encode() in map(bytes.strip, lines)

    def note_wait(self, request_id: int, what: int) -> None:
        """See WorkerTransport. While a handler waits for an Answer and nobody else is served, no request is
        claimed, because for the host what is claimed has been begun.
        """
        if what == FOR_ANSWER:
            self._awaits_answer = request_id
        elif request_id == self._held_by:
            self._held_by = None

    def get_tensor(self, tag: str, library: Optional[Library]) -> Any:
        """See WorkerTransport."""
        try:
            path = self._tensor_path(check_name(tag, "tag"))
            with files.open_plain(path) as file:
                return read_tsr(file, path, library)
        except FileNotFoundError:
            raise KeyError(tag) from None

    def empty(self, dtype: DType, shape: Sequence[int], library: Library) -> Any:
        """See WorkerTransport."""
        return allocate(dtype, shape, library)[0]

    def try_send(self, frame: Frame) -> bool:
        """See Transport."""
        if isinstance(frame, Response):
            return self._in_place(lambda: self._try_respond(frame))
        if isinstance(frame, Ask):
            return self._in_place(lambda: self._try_ask(frame))
        if isinstance(frame, Progress):
            return self._in_place(lambda: self._try_tell(frame))
        if isinstance(frame, Ready):
            self._place.check()
            write_worker_info(self.directory, frame.info)
            self._set_status("ready")
            self._is_ready = True
        elif isinstance(frame, Exiting):
            self._set_status("exiting")
        else:
            raise TypeError(f"a worker does not send {frame!r}")
        return True

    def close(self) -> None:
        """See Transport. Finally writes ``terminated`` into ``status.txt``."""
        if not self._closed and not self._is_not_ours():
            with contextlib.suppress(OSError):  # the directory may have been removed, or the disk may be full
                write_status(self.directory, "terminated")
        super().close()

    def _try_respond(self, response: Response) -> bool:
        path = self._path("response.json")
        if files.is_there(path):
            self._has_waited = True
            return False
        if self._has_waited and not self._is_hosted:
            # Has the last response been consumed, or is someone removing the files one by one?
            time.sleep(_REMOVAL_S)
        self._has_waited = False
        self._place.check()
        named: List[Named] = []
        for attachment in response.attachments:
            name = f"result_{len(named)}"
            export_tsr(stored(attachment), self._tensor_path(name))
            named.append((kind_of(attachment), name))
        if named:  # that may have taken long
            self._place.check()
        self._remove_results_from(len(named))
        if not self._try_write(path, encode_response(response, named, now_ms())):
            return False
        first_line = response.error.message.partition("\n")[0] if response.error else ""
        self._set_status(f"error: {first_line}" if response.error else "ok")
        return True

    def _try_ask(self, ask: Ask) -> bool:
        path = self._path(ASK)
        if files.is_there(path):
            return False
        named: List[Named] = []
        for attachment in ask.attachments:
            name = f"_ask_{len(named)}"
            export_tsr(stored(attachment), self._tensor_path(name))
            named.append((kind_of(attachment), name))
        self._place.check()
        self._asking.add(ask.id)
        if ask.waiting and ask.id == self._awaits_answer:
            self._held_by = ask.id
        return self._try_write(path, encode_ask(ask, named))

    def _try_tell(self, progress: Progress) -> bool:
        self._has_told = True
        return self._try_write(self._path(PROGRESS), encode_progress(progress))

    @staticmethod
    def _try_write(path: str, text: str) -> bool:
        """False if the disk is full; there will be room again."""
        try:
            files.write(path, text.encode())
        except OSError as error:
            if is_full_disk(error):
                return False
            raise
        return True

    def _take_answer(self) -> Optional[Answer]:
        path = self._path(ANSWER)
        data = files.read(path)
        if data is None:
            return None
        try:
            answer = decode_answer(data)
            answer.attachments = [
                _Attachment(kind, self._tensor_path(name), is_ours=True) for kind, name in answer.attachments
            ]
        except RemoteProtocolError as error:
            answer = Answer(id_of(data), error=Failure(error.code, str(error)))
        files.discard(path)
        self._asking.discard(answer.id)
        return answer

    def _remove_results_from(self, index: int) -> None:
        while os.path.lexists(self._tensor_path(f"result_{index}")):
            files.discard(self._tensor_path(f"result_{index}"))
            index += 1

    def _look(self) -> Optional[Frame]:
        return Exit() if self._is_fork() else self._in_place(self._next_frame)

    def _is_fork(self) -> bool:
        return self._generation != Forks.generation

    def _is_not_ours(self) -> bool:
        """Whether what has our files' paths now is another directory's, or our parent's."""
        return self._is_fork() or self._place.is_lost()

    def _next_frame(self) -> Optional[Frame]:
        if self._unwritten_status:
            self._set_status(self._unwritten_status)
        if not self._told_to_leave and self._asked_to_leave():
            self._told_to_leave = True  # "exit" stays in the file, but counts as a single frame
            return Exit()
        answer = self._take_answer() if self._asking else None
        if answer is not None or self._held_by is not None:
            return answer
        claimed = self._path(".request.claimed")
        try:
            files.replace(self._path("request.json"), claimed)
        except FileNotFoundError:
            return None
        if self._has_told:
            self._has_told = False
            files.discard(self._path(PROGRESS))
        try:
            frame = self._read_claimed(claimed)
        finally:
            if not self._is_not_ours():
                files.discard(claimed)
            self._set_status("busy")
        return frame

    def _read_claimed(self, path: str) -> Frame:
        before = None
        while True:
            try:
                data = files.read(path) or b""
            except OSError as error:
                defect = RemoteProtocolError("bad_frame", f"it cannot be read: {files.shown(error)}")
                raise MalformedRequest(defect, None, LONG) from error
            try:
                return self._with_attachments(decode_request(data))
            except MalformedRequest as error:
                if error.code != "bad_json" or data == before:
                    raise
            before = data
            time.sleep(_SETTLE_S)

    def _with_attachments(self, frame: Union[Request, Exit]) -> Frame:
        if isinstance(frame, Request) and frame.attachments:
            frame.attachments = [
                _Attachment(kind, self._tensor_path(name)) for kind, name in frame.attachments
            ]
        return frame

    def _asked_to_leave(self) -> bool:
        return read_status(self.directory) == "exit"

    def _in_place(self, action: Callable[[], _Result]) -> _Result:
        """Do something in the directory, which may be lost before or during it."""
        self._place.check()
        try:
            return action()
        except OSError:
            self._place.check()
            raise

    def _set_status(self, line: str) -> None:
        """Write a status without overwriting a host's "exit", whether it is already there or is
        being written in place right now.
        """
        if self._is_not_ours():
            return
        self._unwritten_status = ""
        try:
            with files.held(self._path("status.txt")) as read:
                if not _says_exit(read):
                    write_status(self.directory, line)
                    if _says_exit(read):
                        write_status(self.directory, "exit")
        except OSError as error:
            if not (is_full_disk(error) and self._is_ready):
                raise
            self._unwritten_status = line  # for the next look


def _says_exit(read: Callable[[], Optional[bytes]]) -> bool:
    """Whether the file says "exit". If it is empty because someone is about to write it, waits for that."""
    deadline = time.monotonic() + _SETTLE_S
    text = read()
    while text == b"" and time.monotonic() < deadline:
        time.sleep(_SETTLE_S / 100)
        text = read()
    return (text or b"").strip() == b"exit"
