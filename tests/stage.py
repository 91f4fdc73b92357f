"""The test's side of tests/workers/scripted.py: hears where workers stand, and tells them what to do."""

import contextlib
import json
import queue
import socket
import sys
import threading
from typing import Any, Dict, List, Tuple

_PATIENCE_S = 60.0


class Stage:
    """Workers connect to ``port``; each in a thread of its own, they say where they stand, and wait for an order."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._arrivals: queue.Queue[Tuple[socket.socket, Dict[str, Any]]] = queue.Queue()
        self._lock = threading.Lock()
        self._connections: List[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        self._last: socket.socket | None = None

    def wait(self) -> Dict[str, Any]:
        """Where a worker stands next: ``{"worker": place, "message": text}``."""
        self._last, arrival = self._arrivals.get(timeout=_PATIENCE_S)
        return arrival

    def tell(self, order: Dict[str, Any]) -> None:
        """What the worker does that was waited for last."""
        assert self._last is not None
        self._last.sendall(json.dumps(order).encode() + b"\n")

    def is_quiet(self) -> bool:
        """Whether nobody stands anywhere that was not waited for."""
        return self._arrivals.empty()

    def close(self) -> None:
        """Workers that stand somewhere go on."""
        if sys.platform == "win32":
            self._listener.close()  # ends accept() there
        else:
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):  # its worker has died
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()
        for connection in self._connections:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # it was closed
                return
            self._connections.append(connection)
            self._threads.append(threading.Thread(target=self._listen, args=(connection,)))
            self._threads[-1].start()

    def _listen(self, connection: socket.socket) -> None:
        with connection.makefile("r") as lines:
            try:
                for line in lines:
                    self._arrivals.put((connection, json.loads(line)))
            except OSError:  # its worker has died
                return
