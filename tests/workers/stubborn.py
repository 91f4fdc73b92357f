"""Takes for ever, and obeys more or less when it is told to stop."""

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
