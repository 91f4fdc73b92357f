"""Says how far it is, stops when it is asked to, and asks its host."""

import asyncio
import os
import sys
import time
from typing import Any, Iterator, List

from tech_renaissance import CommandError, TechRenaissanceServer, command


class Talks(TechRenaissanceServer):
    """Plain commands."""

    @command
    def train(self, epochs: int) -> int:
        """How many epochs it got to."""
        for epoch in range(epochs):
            self.progress(epoch + 1, epochs, f"epoch {epoch + 1}")
            if self.stopping:
                return epoch + 1
            time.sleep(0.001)
        return epochs

    @command
    def ask(self, name: str, args: List[Any]) -> Any:
        """What the host's function returns, or what it raises."""
        try:
            return getattr(self.host, name)(*args)
        except CommandError as error:
            return [error.code, error.remote_type, error.remote_message]

    @command
    def ask_often(self, name: str, n: int) -> int:
        """The sum of what the host's function returns."""
        return sum(getattr(self.host, name)(number) for number in range(n))

    @command
    def ask_and_die(self, name: str) -> None:
        """It never comes to an end."""
        getattr(self.host, name)()
        os._exit(3)

    @command
    def mean(self, values: Iterator[float], scale: float = 1.0) -> float:
        """Of all that come."""
        taken = list(values)
        return scale * sum(taken) / max(len(taken), 1)

    @command
    def doubles(self, values: Iterator[int]) -> Iterator[int]:
        """Twice each; how many there were."""
        count = 0
        for value in values:
            count += 1
            yield 2 * value
        return count

    @command
    def first(self, values: Iterator[Any], n: int) -> List[Any]:
        """As many, and no more."""
        return [value for value, _ in zip(values, range(n))]

    @command
    def die_of(self, values: Iterator[Any]) -> None:
        """With the third value."""
        for number, _ in enumerate(values):
            if number == 2:
                os._exit(3)

    @command
    def take_none(self, values: Iterator[Any]) -> None:
        """Until the call is given up."""
        while not self.cancelled:
            time.sleep(0.001)

    @command
    def ask_of_each(self, values: Iterator[Any]) -> int:
        """The sum of what the host's function says of each."""
        return sum(self.host.note(value) for value in values)

    @command
    def say(self, text: str, times: int) -> None:
        """As lines of output."""
        print(*[text] * times, sep="\n")

    @command
    def double(self, x: int) -> int:
        """At once."""
        return 2 * x

    def main_logic(self, command: str, parameters: str) -> bool:
        """Asks, too."""
        if command != "text":
            return False
        self.write_response(command, self.host.shout(parameters))
        return True


class AsyncTalks(Talks):
    """And one that is not plain."""

    @command
    async def ask_async(self, name: str, args: List[Any]) -> Any:
        """What the host's function returns."""
        return await getattr(self.host, name)(*args)

    @command
    async def tell_and_rest(self) -> None:
        """Until another call has its answer from the host."""
        self.rested = asyncio.Event()
        self.progress(1)
        await self.rested.wait()

    @command
    async def ask_beside(self, name: str, args: List[Any]) -> Any:
        """While the other rests."""
        answer = await getattr(self.host, name)(*args)
        self.rested.set()
        return answer


if __name__ == "__main__":
    (AsyncTalks if os.environ.get("TALKS_ASYNC") else Talks)().run(sys.argv[1])
