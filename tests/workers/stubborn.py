"""Takes for ever, and obeys more or less when it is told to stop."""

import os
import signal
import sys
import time

from echo import EchoServer
from gate import announce

from tech_renaissance import Cancelled


class StubbornServer(EchoServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "remaining":
            self.write_response("", f"{self.remaining_s} {self.cancelled}")
            return True
        if command == "twice-tensor":
            self.send_tensors(self.get_tensor(parameters) * 2)
            return True
        if command == "raises-cancelled":
            raise Cancelled("by itself")
        if command not in (
            "obeys",
            "answers-the-question",
            "sleeps",
            "loops",
            "cleans-up",
            "allocates",
            "swallows",
            "deaf",
            "native",
        ):
            return super().main_logic(command, parameters)
        self._gate = parameters
        return getattr(self, command.replace("-", "_"))()

    def _announce(self) -> None:
        """Say at the gate, if there is one, that the handler has begun; once."""
        if self._gate:
            announce(self._gate)
            self._gate = ""

    def obeys(self) -> bool:
        self._announce()
        while not self.cancelled:
            time.sleep(0.01)
        self.write_response("", "half of it")
        return True

    def answers_the_question(self) -> bool:
        """Not with its stacks, but by its end."""
        signal.signal(signal.SIGURG, signal.SIG_IGN)
        signal.signal(signal.SIGWINCH, signal.SIG_IGN)
        folder = os.path.join(os.environ["TR_WORKSPACE"], "python_session", f"tr_session_{self.session_id}")
        with open(os.path.join(folder, "stack.txt")) as stacks:
            for is_asked in (False, True):  # the host may not have given up an earlier question yet
                while (stacks.read() == "?") != is_asked:
                    time.sleep(0.001)
                    stacks.seek(0)
                stacks.seek(0)
                self._announce()
        self.write_response("", "too late")
        return True

    def sleeps(self) -> bool:
        self._announce()
        time.sleep(3600)
        return True

    def loops(self) -> bool:
        self._announce()
        while True:
            pass

    def cleans_up(self) -> bool:
        try:
            return self.sleeps()
        finally:
            print("cleaned up", flush=True)

    def allocates(self) -> bool:
        self._announce()
        while True:
            tensor = self.empty((1000,))
            tensor[:] = self.get_tensor("t")

    def swallows(self) -> bool:
        while True:
            try:
                self._announce()
                time.sleep(3600)
            except Cancelled:
                continue

    def deaf(self) -> bool:
        """To two signals at once, too: the second is raised where the first is caught."""
        while True:
            try:
                while True:
                    try:
                        self._announce()
                        time.sleep(3600)
                    except BaseException:
                        continue
            except BaseException:
                continue

    def native(self) -> bool:
        """With the interpreter lock, and without looking at signals."""
        self._announce()
        return bool(sum(range(10**15)))


if __name__ == "__main__":
    StubbornServer(library="numpy").run(sys.argv[1])
