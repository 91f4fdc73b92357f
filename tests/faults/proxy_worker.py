"""A worker that is none: it passes everything on between its host and a real worker of its own, and changes some of it on the way.

    MUTATE   "<seed> <share>": of the random choices, and how many of a hundred messages are changed; read at the start
    REAL     the script of the real worker
    GATE     once the host's side of the test opens it, the real worker is asked to leave; how it ended is then in GATE.real

What is changed: over shared memory frames, over files the texts of messages, tensors and worker.json. It works with the insides of
the package, as the sides that it stands in for do.
"""

import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Dict, List

from tech_renaissance._process.lifeline import hold_lifeline
from tech_renaissance._system import files
from tech_renaissance._transport.shm import control as words
from tech_renaissance._transport.shm.control import CONTROL_NBYTES, ControlSide, check_magic, write_magic
from tech_renaissance._transport.shm.doorbell import Doorbell
from tech_renaissance._transport.shm.frame import EXIT, encode_simple
from tech_renaissance._transport.shm.segment import MappedSegment, Segment

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workers"))

from gate import pass_gate

GATE = os.environ["GATE"]
NUMBERS = (0, 1, 7, 8, 15, 16, 24, 40, 2**16, 2**31 - 1, 2**31, 2**32 - 1)
_LEAVE_S = 20.0


class Mutator:
    """Changes some of what passes."""

    def __init__(self, seed: int, share: int) -> None:
        self._chance = random.Random(seed)
        self._share = share
        self._held = []

    def messages(self, data: bytes) -> List[bytes]:
        """What goes on in place of a message: itself, another one, two, none, or one that was kept back."""
        chance = self._chance
        if chance.randrange(100) >= self._share:
            out, self._held = [data, *self._held], []
            return out
        what = chance.randrange(8)
        if what == 0:
            return [data, data]
        if what == 1:  # after the next one
            self._held.append(data)
            return []
        if what == 2:
            return []
        return [self.changed(data)]

    def changed(self, data: bytes) -> bytes:
        """A few bits, bytes and lengths changed, or the end cut off."""
        chance, out = self._chance, bytearray(data)
        for _ in range(chance.randint(1, 3)):
            what = chance.randrange(5)
            position = chance.randrange(len(out)) if out else 0
            if what == 0 and out:
                out[position] ^= 1 << chance.randrange(8)
            elif what == 1:
                out[position & ~3 : (position & ~3) + 4] = chance.choice(NUMBERS).to_bytes(4, "little")
            elif what == 2:
                del out[position:]
            elif what == 3:  # two lengths change places
                first, second = (4 * chance.randrange(4, 12) for _ in range(2))
                out[first : first + 4], out[second : second + 4] = (
                    out[second : second + 4],
                    out[first : first + 4],
                )
            else:
                out[position:position] = bytes(
                    chance.randrange(256) for _ in range(chance.choice((1, 8, 64)))
                )
        return bytes(out)


class Proxy:
    """What both kinds share: the real worker's process, and its end."""

    def __init__(self) -> None:
        seed, share = map(int, Path(os.environ["MUTATE"]).read_text().split())
        self.to_worker, self.to_host = Mutator(seed, share), Mutator(seed + 1, share)
        self.leaving = threading.Event()

    def launch(self, environment: Dict[str, str], descriptors: List[int]) -> None:
        """Start the real worker, tied to us as we are to our host: by a lifeline, or on Windows by our job."""
        environment = {**os.environ, **environment, "TR_HOST_PID": str(os.getpid())}
        command = [sys.executable, os.environ["REAL"], sys.argv[1]]
        if sys.platform == "win32":
            for handle in descriptors:
                os.set_handle_inheritable(handle, True)
            startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": list(descriptors)})
            self.real = subprocess.Popen(
                command, env=environment, startupinfo=startup, close_fds=False, stdin=subprocess.DEVNULL
            )
        else:
            lifeline, self.lifeline_write = os.pipe()
            self.real = subprocess.Popen(
                command,
                env={**environment, "TR_LIFELINE": str(lifeline)},
                pass_fds=[lifeline, *descriptors],
                stdin=subprocess.DEVNULL,
            )
            os.close(lifeline)
        threading.Thread(target=self.watch_the_gate, daemon=True).start()

    def watch_the_gate(self) -> None:
        """End the real worker in order when the test says so, and say how that went."""
        pass_gate(GATE)
        alive = self.real.poll() is None
        self.leaving.set()
        try:
            status = self.real.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            status = "hangs"
            self.real.kill()
        temporary = Path(f"{GATE}.tmp")
        temporary.write_text(json.dumps({"pid": self.real.pid, "status": status, "alive": alive}))
        temporary.replace(f"{GATE}.real")

    def run(self) -> None:
        while not self.leaving.is_set() and self.real.poll() is None:
            if not self.pass_on():
                time.sleep(0.001)
        self.hang_up()
        while True:  # until our host ends us
            time.sleep(60)


def make_session_directory(path: Path) -> None:
    """One that has an owner, as a host makes it."""
    path.mkdir(parents=True)
    (path / "session.lock").write_text(str(os.getpid()))


class ShmProxy(Proxy):
    """The real worker has a control segment of ours; the arenas are shared by all three."""

    def __init__(self, offer: str) -> None:
        super().__init__()
        numbers = [int(number) for number in offer.split(",")]
        theirs = MappedSegment(Segment.inherit(numbers[0]))
        assert check_magic(theirs)
        self.theirs = theirs.words
        self.host = ControlSide(theirs, Doorbell(*numbers[3:]), is_host=False)
        control = MappedSegment(Segment.create(CONTROL_NBYTES))
        write_magic(control)
        self.ours = control.words
        self.given_up = words.GivenUpList(self.ours)
        doorbell, their_ends = Doorbell.pair()
        self.worker = ControlSide(control, doorbell, is_host=True)
        inherited = [control.fileno(), numbers[1], numbers[2], *their_ends]
        folder = tempfile.mkdtemp(dir=os.environ["TR_WORKSPACE"])
        make_session_directory(Path(f"{folder}/python_session/tr_session_{sys.argv[1]}"))
        self.launch({"TR_SHM": ",".join(map(str, inherited)), "TR_WORKSPACE": folder}, inherited)
        self.folder = folder

    def pass_on(self) -> bool:
        for number in words.given_up(self.theirs, self.ours[words.GIVEN_UP], self.theirs[words.GIVEN_UP]):
            self.given_up.add(number)
        for index in (words.CURRENT_ID, words.CURRENT_SINCE_NS, words.SERVED):
            self.theirs[index] = self.ours[index]
        passed = self.pass_one(self.host, self.worker, self.to_worker)
        return self.pass_one(self.worker, self.host, self.to_host) or passed

    def pass_one(self, source: ControlSide, target: ControlSide, mutator: Mutator) -> bool:
        frame = source.reader.read()
        if frame is None:
            return False
        source.wake_other()
        is_ready = frame[4] == 17  # else there is nothing to see
        for data in [frame] if is_ready else mutator.messages(frame):
            if data and len(data) < 1 << 17:
                self.write(target, data)
        target.wake_other()
        return True

    def write(self, target: ControlSide, data: bytes) -> None:
        """Also what is no multiple of 8: then it is padded."""
        data += bytes(-len(data) & 7)
        while not target.writer.try_write(data) and not self.leaving.is_set() and self.real.poll() is None:
            target.wake_other()
            time.sleep(0.001)

    def hang_up(self) -> None:
        if sys.platform == "win32":  # a doorbell that is closed there is not seen by the other side
            while not self.worker.writer.try_write(encode_simple(EXIT)) and self.real.poll() is None:
                time.sleep(0.001)
            self.worker.wake_other()
        else:
            self.worker.doorbell.close()


class FileProxy(Proxy):
    """The real worker has a directory of its own."""

    def __init__(self) -> None:
        super().__init__()
        session = f"python_session/tr_session_{sys.argv[1]}"
        self.theirs = Path(os.environ["TR_WORKSPACE"], session)
        folder = tempfile.mkdtemp(dir=os.environ["TR_WORKSPACE"])
        self.folder = folder
        self.ours = Path(folder, session)
        make_session_directory(self.ours)
        self.seen = {}
        self.waiting = []  # for room at the host
        self.launch({"TR_WORKSPACE": folder, "TR_TRANSPORT": "file"}, [])

    def pass_on(self) -> bool:
        passed = self.pass_request()
        passed = self.pass_response() or passed
        for name in ("worker.json", "status.txt"):
            self.copy(self.ours / name, self.theirs / name, Mutator(0, 0))
        self.copy(self.theirs / "cancel.txt", self.ours / "cancel.txt", self.to_worker)
        return passed

    def pass_request(self) -> bool:
        source, target = self.theirs / "request.json", self.ours / "request.json"
        if target.exists() or not source.exists():
            return False
        for path in self.theirs.glob("*.tsr"):
            if not path.name.startswith("result_"):
                self.copy(path, self.ours / path.name, self.to_worker)
        data = source.read_bytes()
        source.unlink()
        for message in self.to_worker.messages(data):
            while target.exists() and not self.leaving.is_set():
                if self.real.poll() is not None:
                    return True
                time.sleep(0.001)
            place(target, message)
        return True

    def pass_response(self) -> bool:
        source, target = self.ours / "response.json", self.theirs / "response.json"
        if source.exists() and not self.waiting:
            for path in self.ours.glob("result_*.tsr"):
                self.copy(path, self.theirs / path.name, self.to_host)
            self.waiting = self.to_host.messages(source.read_bytes())
            source.unlink()
        if self.waiting and not target.exists():
            place(target, self.waiting.pop(0))
            return True
        return False

    def copy(self, source: Path, target: Path, mutator: Mutator) -> None:
        """If it has changed."""
        with contextlib.suppress(FileNotFoundError):
            status = source.stat()
            mark = (status.st_ino, status.st_mtime_ns)
            if self.seen.get(source) != mark:
                self.seen[source] = mark
                for data in mutator.messages(source.read_bytes())[:1]:
                    place(target, data)

    def hang_up(self) -> None:
        if sys.platform == "win32":  # a folder that is open is not moved there
            place(self.ours / "status.txt", b"exit")
        else:  # in one step: what is written meanwhile keeps no directory alive
            os.rename(self.ours, f"{self.folder}/gone")


def place(target: Path, data: bytes) -> None:
    """Whole, or not at all."""
    temporary = target.with_name(f".proxy.{target.name}.tmp")
    temporary.write_bytes(data)
    files.replace(str(temporary), str(target))


if __name__ == "__main__":
    for name in ("TR_HOST_PID", "TR_INTERRUPT"):  # the real worker has us as its host
        os.environ.pop(name, None)
    hold_lifeline(os.environ.pop("TR_LIFELINE", None))
    offer = os.environ.pop("TR_SHM", None)
    (ShmProxy(offer) if offer and os.environ.get("TR_TRANSPORT") != "file" else FileProxy()).run()
