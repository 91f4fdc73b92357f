"""The file transport, host's end.

A response is read together with the results that it names, and consumed by deleting it.
"""

import contextlib
import errno
import functools
import os
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from ..._base.errors import FormatError, RemoteProtocolError
from ..._base.names import check_name
from ..._base.run_out import has_run_out
from ..._base.tensor import DType, Library, allocate, imported_library
from ..._protocol.attachments import read_stored
from ..._protocol.frame import (
    Answer,
    Exit,
    Exiting,
    Frame,
    Posted,
    Ready,
    Request,
    Response,
)
from ..._protocol.message import (
    Named,
    decode_ask,
    decode_progress,
    decode_request,
    decode_response,
    encode_answer,
    encode_request,
    id_of,
)
from ..._protocol.tsr import export_tsr, read_tsr
from ..._system import files
from ..._system.wait_handle import WaitHandle
from ..firing import Firing
from ..session_files import read_status, read_worker_info, says_ready
from ..session_place import SessionPlace
from ..transport import (
    HostTransport,
    Offer,
    Placed,
    PlacedBytes,
    Taken,
    Unreadable,
    ask_not_taken_in,
    ids_answered_by,
    lacks_dtype,
    not_taken_in,
)
from .end import ANSWER, ASK, CANCEL, LACK_S, PROGRESS, STOP, FileEnd, mark_of, now_ms


class _Sending(NamedTuple):
    """A frame being sent, and the temporary file that is renamed once it is whole."""

    frame: Frame
    path: str
    is_whole: bool

    def has_its_name(self) -> bool:
        """Whether it has been renamed, so that a worker may have taken it."""
        return self.is_whole and not files.is_there(self.path)


class FileHost(FileEnd, HostTransport):
    """The host's end."""

    def __init__(
        self,
        directory: str,
        poll_ms: Optional[str] = None,
        library: Optional[Library] = None,
        offer: Optional[Offer] = None,
    ) -> None:
        """``offer``: what else to offer workers."""
        super().__init__(SessionPlace(directory), poll_ms)
        self._offer = offer or Offer({}, [])
        self._library: Optional[Library] = library
        self._firing = Firing()  # changes of the directory, and the worker's end
        self._ready = False
        self._left = False
        self._taken: Tuple[Taken, Optional[bytes]] = (None, None)  # with the response's bytes
        self._is_removed = True  # whether the response that was taken has been removed
        self._sending: Optional[_Sending] = None
        self._cancel: Dict[Optional[int], str] = {}  # the lines of cancel.txt, by ids of unanswered requests
        self._is_listed = True  # whether the file has them all
        self._attached: Dict[Optional[int], List[str]] = {}  # the names of their attachments
        self._progress: Optional[List[int]] = None  # the mark of the Progress that was read last
        self._ask: Optional[List[int]] = None  # the mark of the Ask that was read last

    def empty(self, dtype: DType, shape: Sequence[int], library: Library) -> Any:
        """See HostTransport."""
        return allocate(dtype, shape, library)[0]

    def prepare(self) -> Offer:
        """See HostTransport."""
        self.stop_firing()
        self._sending = None
        self._taken = (None, None)
        self._ready = self._left = False
        self._progress = self._ask = None
        self._cancel.clear()
        self._is_listed = True
        for request_id in list(self._attached):
            self._remove_attachments(request_id)
        if self._place.is_lost():  # it was removed and has been made again
            self._place.find()
            self._watch.follow(self.directory)
        for name in (
            "request.json",
            ".request.claimed",
            "response.json",
            "status.txt",
            "worker.json",
            "stack.txt",
            CANCEL,
            PROGRESS,
            ASK,
            ANSWER,
        ):
            files.discard(self._path(name))
        return self._offer

    def watch_exit(self, handle: int) -> None:
        """See HostTransport."""
        self._exit_handle = handle
        self._firing.follow(*self._watch.handles(), handle)

    def fire(self, handle: Optional[WaitHandle]) -> None:
        """See HostTransport."""
        self._firing.use(handle)

    def arm(self) -> float:
        """See HostTransport. A directory without notifications is looked at by the schedule."""
        return min(self._backoff.next_s(), LACK_S) if self.lack else self._backoff.next_s()

    def disarm(self, *, has_fired: bool) -> None:
        """See HostTransport."""
        if has_fired and self._watch.wait(0):
            self._backoff.reset()

    def stop_firing(self) -> None:
        """See HostTransport."""
        self._firing.follow()
        self._exit_handle = None

    def close(self) -> None:
        """See Transport."""
        self.stop_firing()
        super().close()

    def ask_to_cancel(self, request_id: int) -> None:
        """See HostTransport."""
        self._list(request_id, str(request_id))

    def ask_to_stop(self, request_id: int) -> None:
        """See HostTransport."""
        if request_id not in self._cancel:  # giving up is more
            self._list(request_id, f"{STOP}{request_id}")

    def _list(self, request_id: int, line: str) -> None:
        self._cancel[request_id] = line
        self._write_list()

    def _write_list(self) -> None:
        if self._place.is_lost():
            return
        lines: List[str] = []
        self._is_listed = True
        try:
            # Another thread, or a signal handler, may have written a newer list meanwhile, and this one over
            # it. A lock would not do for handlers.
            while lines != list(self._cancel.values()):
                lines = list(self._cancel.values())
                files.write(self._path(CANCEL), "\n".join(lines).encode())
        except BaseException as error:
            self._is_listed = False  # the next look tries again
            if not isinstance(error, OSError):
                raise

    def begun(self, request_ids: Sequence[int]) -> Dict[int, Optional[int]]:
        """See HostTransport. The worker takes a request by renaming its file."""
        sending = self._sending
        unclaimed: List[Optional[int]] = []
        if sending is not None and isinstance(sending.frame, Request) and not sending.has_its_name():
            unclaimed.append(sending.frame.id)
        with contextlib.suppress(OSError, RemoteProtocolError):  # if unknown, it counts as begun
            data = files.read(self._path("request.json"))
            waiting = decode_request(data) if data is not None else Exit()
            unclaimed.append(None if isinstance(waiting, Exit) else waiting.id)
        return {number: None for number in request_ids if number not in unclaimed}

    def answered(self) -> Sequence[Optional[int]]:
        """See HostTransport."""
        numbers = ids_answered_by(self.taken)
        with contextlib.suppress(OSError, RemoteProtocolError):
            data = files.read(self._path("response.json"))
            if data is not None:
                numbers.append(decode_response(data).id)
        return numbers

    def place(self, attachment: Any) -> PlacedBytes:
        """See HostTransport."""
        return PlacedBytes.of(attachment)

    def put_tensor(self, tag: str, tensor: Any) -> None:
        """See HostTransport."""
        self._check_place()
        export_tsr(tensor, self._tensor_path(tag))

    def put_tsr(self, tag: str, data: memoryview) -> None:
        """Like put_tensor, for a tensor that already is the bytes of a TSR file."""
        self._check_place()
        files.write(self._tensor_path(tag), data)

    def drop_tensor(self, tag: str) -> None:
        """See HostTransport."""
        if not self._place.is_lost():
            files.remove(self._tensor_path(tag))

    def tags(self) -> List[str]:
        """See HostTransport."""
        names = [] if self._place.is_lost() else os.listdir(self.directory)
        return [name[:-4] for name in names if name.endswith(".tsr")]

    def try_send(self, frame: Frame) -> bool:
        """See Transport."""
        if not isinstance(frame, (Request, Exit, Answer)):
            raise TypeError(f"a host does not send {frame!r}")
        path = self._path(ANSWER if isinstance(frame, Answer) else "request.json")
        self._sending = sending = _Sending(frame, files.temporary_path(path), is_whole=False)
        if files.is_there(path) or self._place.is_lost():  # a worker that lost its directory leaves
            return False
        try:
            self._publish(sending, path, self._text_of(frame))
        except OSError as error:
            if not self._lacks(error):
                raise
            return False
        self.lack = ""
        return True

    def _text_of(self, frame: Union[Request, Exit, Answer]) -> str:
        """The text of a frame whose attachments are written."""
        if isinstance(frame, Answer):
            return encode_answer(frame, self._write_attachments(frame, f"answer_{frame.id}"))
        request = Request("exit") if isinstance(frame, Exit) else frame
        return encode_request(request, self._write_attachments(request, request.id), now_ms())

    def _write_attachments(
        self, frame: Union[Request, Answer], prefix: Union[str, int, None]
    ) -> Sequence[Named]:
        if not frame.attachments:
            return ()
        placed: Sequence[Placed] = frame.attachments
        named = [(one.kind, f"_{prefix}_{index}") for index, one in enumerate(placed)]
        self._attached.setdefault(frame.id, []).extend(name for _, name in named)
        for one, (_, name) in zip(placed, named):
            files.write(self._tensor_path(name), one.tsr())
        return named

    def _remove_attachments(self, request_id: Optional[int]) -> None:
        for name in self._attached.pop(request_id, ()):
            if not self._place.is_lost():
                files.discard(self._tensor_path(name))

    def _publish(self, sending: _Sending, path: str, text: str) -> None:
        temporary = sending.path
        files.write_new(temporary, text.encode())
        self._sending = sending._replace(is_whole=True)
        try:
            files.replace(temporary, path)
        except OSError:
            self._sending = None
            files.remove(temporary)
            raise

    def _lacks(self, error: OSError) -> bool:
        """Whether something has run out; if so, notes it."""
        if has_run_out(error):
            self.lack = files.shown(error)
        return has_run_out(error)

    def has_sent(self, frame: Union[Frame, Posted]) -> bool:
        """See HostTransport. If the temporary file was whole and no longer exists, it has been renamed."""
        sending = self._sending
        if sending is None or sending.frame is not frame:
            return False
        if sending.has_its_name():
            return True
        # Said first: who asks again, after an exception, finds it removed, not renamed.
        self._sending = sending._replace(is_whole=False)
        files.remove(sending.path)
        return False

    @property
    def taken(self) -> Taken:
        """See HostTransport."""
        return self._taken[0]

    def forget_taken(self) -> None:
        """See HostTransport."""
        self._ready = self._ready or isinstance(self.taken, Ready)
        self._left = self._left or isinstance(self.taken, Exiting)
        self._taken = (None, self._taken[1])

    def _look(self) -> Optional[Frame]:
        if self._place.is_lost():
            return None
        if not self._is_listed:
            self._write_list()
        if not self._ready:
            if not isinstance(self.taken, Ready):
                return self._look_for_ready()
            self._ready = True
        return self._look_for_frame()

    def _look_for_frame(self) -> Optional[Frame]:
        data: Optional[bytes] = None
        try:
            data = files.read(self._path("response.json"))
            leaves = data is None and self._says_that_it_leaves()
            if leaves:  # its last response was written before that
                data = files.read(self._path("response.json"))
            self.lack = ""
            said = self._look_for_progress() or self._look_for_ask()  # before the response
            if said is not None:
                return said
            if data is None:
                return self._take(Exiting()) if leaves else None
            if not self._is_removed and data == self._taken[1]:  # an exception came in between
                self._remove_response()
                return None
            response = self._decode(data)
        except RemoteProtocolError as error:
            raise self._refuse(error, data) from error
        except (OSError, MemoryError) as error:
            if isinstance(error, OSError) and self._lacks(error):
                return None
            text = f"the response cannot be read: {files.shown(error) or 'this host has no memory for it'}"
            raise self._refuse(RemoteProtocolError("bad_frame", text), data) from error
        self._cancel.pop(response.id, None)
        self._is_removed = False
        self._take(response, data)
        self._remove_response()
        return response

    def _look_for_progress(self) -> Optional[Frame]:
        path = self._path(PROGRESS)
        mark = mark_of(path)
        if mark is None or mark == self._progress:
            return None
        self._progress = mark
        try:
            return self._take(decode_progress(files.read(path) or b""), self._taken[1])
        except RemoteProtocolError:  # there may be another
            return None

    def _look_for_ask(self) -> Optional[Frame]:
        path = self._path(ASK)
        mark = mark_of(path)
        if mark is None:
            return None
        data = files.read(path) or b""
        names: Sequence[Named] = ()
        try:
            ask = decode_ask(data)
            names = ask.attachments
            if mark != self._ask:  # else an exception came in between
                ask.attachments = self._loaded(names)
        except (RemoteProtocolError, FormatError, ImportError, MemoryError) as error:
            ask = ask_not_taken_in(id_of(data), error)
        is_new, self._ask = mark != self._ask, mark
        if is_new:
            self._take(ask, self._taken[1])
        for _, name in names:
            files.discard(self._tensor_path(name))
        files.remove(path)
        return ask if is_new else None

    def _remove_response(self) -> None:
        files.remove(self._path("response.json"))
        self._is_removed = True

    def _decode(self, data: bytes) -> Response:
        response = decode_response(data)
        try:
            response.attachments = self._loaded(response.attachments)
        except (FormatError, ImportError, MemoryError) as error:
            return not_taken_in(response.id, response.dialect, error)
        return response

    def _loaded(self, attachments: Sequence[Named]) -> List[Any]:
        return [
            read_stored(kind, functools.partial(self._load, name), self._library)
            for kind, name in attachments
        ]

    def _take(self, frame: Frame, data: Optional[bytes] = None) -> Frame:
        self._taken = (frame, data)
        if self._attached and isinstance(frame, Response):
            self._remove_attachments(frame.id)
        return frame

    def _refuse(self, error: RemoteProtocolError, data: Optional[bytes]) -> Unreadable:
        self._is_removed = False
        unreadable = Unreadable(error, id_of(data or b""))
        self._taken = (unreadable, data)
        files.discard(self._path("response.json"))
        self._is_removed = True
        return unreadable

    def _check_place(self) -> None:
        if self._place.is_lost():
            text = "the session directory was removed or replaced: start the session again"
            raise FileNotFoundError(errno.ENOENT, text, self.directory)

    def _look_for_ready(self) -> Optional[Frame]:
        return self._take(Ready(read_worker_info(self.directory))) if says_ready(self.directory) else None

    def _says_that_it_leaves(self) -> bool:
        if self._left or isinstance(self.taken, Exiting):
            return False
        return read_status(self.directory) in ("exiting", "terminated")

    def _load(self, name: str, library: Optional[Library]) -> Any:
        try:
            path = self._tensor_path(check_name(name, "result tensor"))
            with files.open_plain(path) as file:
                return read_tsr(file, path, library or imported_library())
        except (FormatError, OSError, ValueError) as error:
            if lacks_dtype(error) or (isinstance(error, OSError) and has_run_out(error)):
                raise
            raise RemoteProtocolError(
                "bad_frame", f"the response's tensor {name!a} cannot be read: {files.shown(error)}"
            ) from error
