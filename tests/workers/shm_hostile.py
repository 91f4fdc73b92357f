"""A worker that writes where it must not: into rings, words, headers, leases. Otherwise it answers as it should."""

import random
import sys
import threading

import numpy as np

from tech_renaissance import TechRenaissanceServer
from tech_renaissance._transport.shm import control, ring


class HostileServer(TechRenaissanceServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        method = getattr(self, f"do_{command.replace('-', '_')}", None)
        if method is None:
            return False
        method(parameters)
        return True

    @property
    def words(self):
        return self._transport._words

    @property
    def ring(self):
        """Our own ring, as bytes."""
        start = control.RESPONSES
        return self._transport.control.bytes[start : start + ring.RING_NBYTES]

    @property
    def host_arena(self):
        """Its first window."""
        return self._transport.lessee._windows.first

    @property
    def worker_arena(self):
        return self._transport._lender.arena._windows.first

    @property
    def head(self):
        return self.words[control.RESPONSE_HEAD]

    def publish(self, frame):
        """Put bytes behind what the host has seen, whatever they are."""
        position = self.head % ring.RING_NBYTES
        self.ring[position : position + len(frame)] = frame
        self.words[control.RESPONSE_HEAD] = self._transport.side.writer.head = self.head + len(frame)
        self._transport._wake_host()

    # ------------------------------------------------------------------ honest

    def do_echo(self, parameters):
        self.write_response("", parameters)

    def do_same(self, parameters):
        self.send_tensors(*(self.get_tensors(parameters) or []))

    def do_ones(self, parameters):
        self.send_tensors(np.ones(int(parameters), np.float32))

    # ----------------------------------------------------------------- the ring

    def do_break_ring(self, parameters):
        """A frame of a size that cannot be, before our answer."""
        self.publish(int(parameters, 0).to_bytes(4, "little") + bytes(12))

    def do_break_head(self, parameters):
        head = (self.head + int(parameters, 0)) % 2**64
        self.words[control.RESPONSE_HEAD] = self._transport.side.writer.head = head
        self._transport._wake_host()
        threading.Event().wait()

    def do_garbage(self, parameters):
        """A frame of the right size and random contents, in place of our answer."""
        numbers = random.Random(int(parameters))
        frame = bytearray(numbers.getrandbits(8) for _ in range(8 * numbers.randint(2, 40)))
        frame[:4] = len(frame).to_bytes(4, "little")
        frame[4:6] = numbers.choice((17, 18, 18, 18, 19, 1, 99)).to_bytes(2, "little")
        frame[6:8] = numbers.choice((0, 1, 2, 3)).to_bytes(2, "little")
        self.publish(bytes(frame))

    def do_flood(self, parameters):
        """Frames without end, so fast that there is always one more: answers that nobody asked for, or padding."""
        kind = {"answers": 18, "padding": 0, "exiting": 19}[parameters]
        size = 40 if kind == 18 else 16
        frame = size.to_bytes(4, "little") + kind.to_bytes(2, "little") + bytes(size - 6)
        whole = frame * (ring.RING_NBYTES // size)
        self.ring[: len(whole)] = whole
        words = self.words

        def flood():
            while True:
                tail = words[control.RESPONSE_TAIL]
                words[control.RESPONSE_HEAD] = tail - tail % size + ring.RING_NBYTES // size * size // 2

        threading.Thread(target=flood, daemon=True).start()

    def do_scribble(self, parameters):
        """Random bytes, all over the words that are ours, our ring, and both arenas' headers and leases, without end."""
        numbers = np.random.default_rng(int(parameters))
        control_words, arenas = self.words, (self.host_arena, self.worker_arena)

        def scribble():
            while True:
                for index in (*range(24, 64), *range(64, 128)):
                    if index not in (control.RESPONSE_HEAD, control.REQUEST_TAIL) or numbers.random() < 0.001:
                        control_words[index] = int(numbers.integers(2**63))
                start = int(numbers.integers(ring.RING_NBYTES - 64))
                self.ring[start : start + 64] = numbers.bytes(64)
                for arena in arenas:
                    start = 8 * int(numbers.integers(1 << 14))
                    arena.bytes[start : start + 8] = numbers.bytes(8)

        threading.Thread(target=scribble, daemon=True).start()

    # --------------------------------------------------------------- the arenas

    def do_spoil_headers(self, parameters):
        """Those of tensors that were sent to us."""
        for tag in parameters.split():
            lease = self._transport._tags[tag]
            self.host_arena.bytes[lease.offset + 64 : lease.offset + 128] = b"\xff" * 64
            lease.is_known = False

    def do_lie(self, parameters):
        """A result at a place, and with a header, that are made up: offset, then dtype, then dimensions."""
        offset, code, *dims = (int(word, 0) for word in parameters.split())
        arena = self.worker_arena
        header = bytearray(128)
        header[:24] = b"TSR!" + b"".join(n.to_bytes(4, "little") for n in (2, 128, 0, code, len(dims)))
        padded = [1] * (8 - len(dims)) + dims
        for index, dim in enumerate(padded):
            header[32 + 8 * index : 40 + 8 * index] = dim.to_bytes(8, "little", signed=True)
        header[96:104] = (int(np.prod(padded, dtype=object)) % 2**63).to_bytes(8, "little")
        if offset + 192 <= arena.nbytes:
            arena.bytes[offset + 64 : offset + 192] = header
        self.answer_with_block(offset, 1)

    def do_lie_about_body(self, parameters):
        """An answer whose body is in a block that is larger than the arena's memory."""
        nbytes = int(parameters, 0)
        frame = (40).to_bytes(4, "little") + (18).to_bytes(2, "little") + (2).to_bytes(2, "little")
        self.publish(frame + self.id + b"".join(n.to_bytes(8, "little") for n in (0, 1, nbytes)))

    def do_many_blocks(self, parameters):
        """Answers that nobody asked for, naming ever other blocks."""
        for number in range(int(parameters)):
            blocks = b"".join(
                (64 * (512 * number + index)).to_bytes(8, "little") + (1).to_bytes(8, "little")
                for index in range(512)
            )
            head = (40 + len(blocks)).to_bytes(4, "little") + (18).to_bytes(2, "little") + bytes(2) + self.id
            counts = bytes(16) + (512).to_bytes(4, "little") + bytes(4)
            while self.head + 40 + len(blocks) - self.words[control.RESPONSE_TAIL] > ring.RING_NBYTES // 2:
                pass
            self.publish_anywhere(head + counts + blocks)

    def publish_anywhere(self, frame):
        while not self._transport._try_write(frame):
            self._transport._wake_host()
        self._transport._wake_host()

    @property
    def id(self):
        return self.words[control.CURRENT_ID].to_bytes(8, "little")

    def answer_with_block(self, offset, lease):
        head = (56).to_bytes(4, "little") + (18).to_bytes(2, "little") + bytes(2) + self.id
        counts = bytes(16) + (1).to_bytes(4, "little") + bytes(4)
        self.publish(head + counts + offset.to_bytes(8, "little") + lease.to_bytes(8, "little"))

    # ------------------------------------------------------------- the doorbell

    def do_hang_up(self, parameters):
        """Close the doorbell, and live on for as long as asked."""
        self._transport.side.doorbell.close()
        threading.Event().wait(float(parameters))

    def do_ring_forever(self, parameters):
        """Ring the doorbell as fast as it goes."""

        def ring_forever():
            while True:
                self._transport.side.doorbell.ring()

        threading.Thread(target=ring_forever, daemon=True).start()


if __name__ == "__main__":
    HostileServer(library="numpy").run(sys.argv[1])
