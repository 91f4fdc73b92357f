"""A server whose calls are given up and interrupted at any moment while they ask, tell, take and give; run by test_worker_talk.py.

    python tests/talk_interrupts.py plain|coroutines ROUNDS SEED FOLDER

What every frame says is checked on either side, so that one that was lost or came twice is noticed. Prints how the calls ended.
"""

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Iterator

import numpy as np
from served import PAIRS, Host

from tech_renaissance import TechRenaissanceServer, command
from tech_renaissance._process.interrupt_posix import interruptible
from tech_renaissance._protocol.body import Input
from tech_renaissance._protocol.body_decoder import decode_call
from tech_renaissance._protocol.frame import Ask, Credit, Exit, Item, Ready, Response

COUNT = 30


class Plain(TechRenaissanceServer):
    """Commands that are no coroutines."""

    @command
    def talk(self, values: Iterator[int]) -> None:
        """A question and a value each time."""
        for number in range(COUNT):
            self.progress(number, COUNT)
            assert number == self.host.same(number, np.full(10, number))["tensor"][0]
            assert number == next(values)

    @command
    def numbers(self) -> Iterator[int]:
        """A question and an item each time."""
        for number in range(COUNT):
            assert number == self.host.same(number, np.full(10, number))["tensor"][0]
            yield number

    @command
    def echo(self, value: Any) -> Any:
        """That all is well."""
        return value


class Coroutines(Plain):
    """The same."""

    @command
    async def talk(self, values: Any) -> None:  # type: ignore[override]
        """A question and a value each time."""
        for number in range(COUNT):
            self.progress(number, COUNT)
            assert number == (await self.host.same(number, np.full(10, number)))["tensor"][0]
            assert number == await values.__anext__()


class Driver:
    """The host."""

    def __init__(self, host: Host, chance: random.Random) -> None:
        self._host = host
        self._chance = chance
        self.ends: Counter[str] = Counter()

    def play(self, round_number: int) -> None:
        """One call, which is given up, and one that must be as any other."""
        host = self._host
        takes = self._chance.random() < 0.7
        number = host.begin("talk", Input(), has_input=True) if takes else host.begin("numbers", streams=True)
        end_at = time.monotonic() + self._chance.random() * 0.01
        is_given_up, sent, credit, items = False, 0, 16 if takes else 0, 0
        while True:
            if not is_given_up and time.monotonic() > end_at:
                is_given_up = True
                host.end.ask_to_cancel(number)
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGURG)
            if credit and sent < COUNT:
                host.item(number, sent)
                sent, credit = sent + 1, credit - 1
            frame = host.any(0.002)
            if isinstance(frame, Ask):
                args, _ = decode_call(frame.form, frame.parameters, frame.attachments)
                assert args[0] == args[1][0]
                host.answer(number, {"tensor": np.full(3, args[0])})
            elif isinstance(frame, Credit):
                credit += frame.count
            elif isinstance(frame, Item):
                assert str(items) == frame.result
                items += 1
                host.send(Credit(number, 1))
            elif isinstance(frame, Response):
                assert frame.id == number
                self.ends[frame.error.code if frame.error else "ok"] += 1
                break
        host.begin("echo", round_number)
        assert round_number == host.result()


def main() -> None:
    """Serve in the main thread, which the signals interrupt."""
    kind, rounds, seed, folder = sys.argv[1:]
    end, worker = PAIRS["shm"](Path(folder))
    server = (Coroutines if kind == "coroutines" else Plain)(library="numpy")

    def drive() -> None:
        try:
            host = Host(end, Ready({}))
            host.next(Ready)
            driver = Driver(host, random.Random(int(seed)))
            for number in range(int(rounds)):
                driver.play(number)
            print(dict(driver.ends), flush=True)
            host.send(Exit())
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)

    thread = threading.Thread(target=drive)
    thread.start()
    with interruptible(folder, server._interrupt, server._is_cancelled):
        server.serve(worker)
    thread.join()
    end.close()


if __name__ == "__main__":
    main()
