"""Does what it is told, step by step: the worker of spec/vectors/session. tests/stage.py tells it."""

import json
import os
import socket
import sys
import time
from typing import Any, Dict, Iterator

from tech_renaissance import Cancelled, CommandError, TechRenaissanceServer, command

HOLDS = os.environ["TR_HOLDS"].split()


class Prompter:
    """Who says what to do: a socket, one JSON object a line in each direction."""

    def __init__(self, port: int) -> None:
        self._lines = socket.create_connection(("127.0.0.1", port)).makefile("rw")

    def say(self, place: str, message: str = "") -> None:
        """Where we are."""
        self._lines.write(json.dumps({"worker": place, "message": message}) + "\n")
        self._lines.flush()

    def stand(self, place: str, message: str = "") -> Dict[str, Any]:
        """Say where we are, and wait for what to do there."""
        self.say(place, message)
        return json.loads(self._lines.readline() or '{"tell": "go"}')


class ScriptedServer(TechRenaissanceServer):
    def __init__(self, prompter: Prompter) -> None:
        super().__init__(library="numpy")
        self._prompter = prompter

    def main_logic(self, name: str, parameters: str) -> bool:
        if name == "say":  # at once
            self.write_response("", parameters)
            return True
        self._works = False
        self._obey(self._prompter.stand("begins", f"{name} {parameters}".rstrip()))
        return True

    @command
    def count(self) -> Iterator[int]:
        """Yields the number of each order to do so."""
        order = self._prompter.stand("begins", "count")
        while order["tell"] == "yield":
            yield order["value"]
            order = self._prompter.stand("yielded")
        self._obey(order)

    def _obey(self, order: Dict[str, Any]) -> None:
        getattr(self, order.pop("tell"))(**order)

    def answer(self, text: str) -> None:
        self.write_response("", text)

    def ask(self, name: str) -> None:
        self.write_response("", getattr(self.host, name)())

    def try_to_ask(self, name: str) -> None:
        """And stand where that has failed."""
        try:
            getattr(self.host, name)()
        except CommandError as error:
            self._prompter.stand("hears", error.code)

    def go_on(self, done: float) -> None:
        """Say how far it is, and stand there."""
        self.progress(done)
        self._obey(self._prompter.stand("goes on"))

    def fail(self) -> None:
        raise ValueError("as told")

    def leave(self, status: int) -> None:
        sys.exit(status)

    def die(self, status: int) -> None:
        os._exit(status)

    def be_killed(self) -> None:
        os.kill(os.getpid(), 9)  # by SIGKILL; on Windows, with this status

    def obey(self) -> None:
        self.works_until_told()
        if "notice" in HOLDS:
            self._prompter.stand("sees")

    def works_until_told(self) -> None:
        self._work()
        while not self.cancelled:
            time.sleep(0.005)

    def sleep(self) -> None:
        time.sleep(3600)

    def swallow(self) -> None:
        while True:
            try:
                self._work()
                time.sleep(3600)
            except Cancelled:
                continue

    def be_deaf(self) -> None:
        """To two signals at once, too: the second is raised where the first is caught."""
        while True:
            try:
                while True:
                    try:
                        self._work()
                        time.sleep(3600)
                    except BaseException:
                        continue
            except BaseException:
                continue

    def _work(self) -> None:
        """Say so, once."""
        if not self._works:
            self._prompter.say("works")
            self._works = True


if __name__ == "__main__":
    prompter = Prompter(int(os.environ["TR_PROMPTER"]))
    if "launch" in HOLDS:
        order = prompter.stand("launches")
        if order["tell"] == "die":
            os._exit(order["status"])
    try:
        ScriptedServer(prompter).run(sys.argv[1])
    finally:
        if "leave" in HOLDS:
            prompter.stand("leaves")
