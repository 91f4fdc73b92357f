"""Fails in every way there is."""

import asyncio
import contextlib
import faulthandler
import os
import signal
import sys
import threading
import weakref

from echo import EchoServer


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


class Unstoppable(BaseException):
    """No Exception, and no request to leave."""

    def __str__(self) -> str:
        raise Unstoppable


class CrashServer(EchoServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "raise":
            raise ValueError(parameters)
        if command == "raise-nested":
            try:
                raise KeyError("the cause")
            except KeyError as error:
                raise Unspeakable from error
        if command == "raise-base":
            known = {"GeneratorExit": GeneratorExit, "CancelledError": asyncio.CancelledError}
            raise known.get(parameters, Unstoppable)("not an Exception")
        if command == "exit-in-order":
            sys.exit(int(parameters))
        if command == "interrupt":
            raise KeyboardInterrupt
        if command == "os-exit":
            print("last words")
            os._exit(int(parameters))
        if command == "prints-bytes-and-dies":
            os.write(1, b"\xff\xfe\x00 not text")
            os._exit(1)
        if command == "segfault":
            faulthandler._read_null()
        if command == "signal":
            os.kill(os.getpid(), getattr(signal, parameters))
            threading.Event().wait(60)
        if command == "swallows-sigterm":
            self.swallow(parameters)
            self.write_response("", "never mind")
            return True
        if command == "closes-its-output":
            os.close(1)
            os.close(2)
        return super().main_logic(command, parameters)

    def swallow(self, where: str) -> None:
        """The exception that a signal raises: in an ``except``, or in a callback, where Python itself ignores it."""

        def die(_: object = None) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(60)

        if where == "callback":
            kept = Unspeakable()
            _watch = weakref.ref(kept, die)
            del kept
        else:
            with contextlib.suppress(BaseException):
                die()


if __name__ == "__main__":
    CrashServer(library="numpy").run(sys.argv[1])
