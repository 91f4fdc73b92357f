"""Is held at a gate at one moment of its life, and then fails as it is told. MOMENT, FAULT and GATE are in the environment."""

import contextlib
import ctypes
import faulthandler
import os
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from children import ParentServer
from gate import pass_gate

from tech_renaissance._protocol.frame import Response

MOMENT, FAULT, GATE = (os.environ.get(name, "") for name in ("MOMENT", "FAULT", "GATE"))
BULK = 50_000
kept = []


def stand() -> None:
    """Wait at the gate, our number beside it; then fail."""
    leave_pid(os.getpid())
    pass_gate(GATE)
    if FAULT:
        fail(FAULT)


def leave_pid(pid: int) -> None:
    """Beside the gate; whoever finds the file finds the whole number."""
    Path(f"{GATE}.pid.new").write_text(str(pid))
    os.replace(f"{GATE}.pid.new", f"{GATE}.pid")


def fail(fault: str) -> None:
    if fault == "segfault":
        faulthandler._read_null()
    elif fault == "abort":
        os.abort()
    elif fault == "os._exit":
        os._exit(7)
    elif fault == "sys.exit":
        sys.exit(5)
    elif fault == "raise":
        raise RuntimeError("not today")
    elif fault == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif fault == "hang-up":  # the other side hears that we are gone, and we hear nothing
        hang_up()
        pass_gate(GATE)
        os._exit(7)
    elif fault == "hold-the-gil":
        sum(range(10**15))  # without looking at signals


def hang_up():
    kept.extend(socket.socketpair())
    for descriptor in FaultyServer.the_one._transport.side.doorbell._held:
        os.dup2(kept[0].fileno(), descriptor)


class FaultyServer(ParentServer):
    the_one = None

    def serve(self, transport):
        FaultyServer.the_one = self
        send = transport.try_send
        moments = ["replying"] if MOMENT == "replying" else []

        def try_send(frame):
            sent = send(frame)
            if not sent and isinstance(frame, Response) and moments:
                moments.clear()  # once
                stand()
            return sent

        transport.try_send = try_send
        if MOMENT == "idle":
            threading.Thread(target=stand, daemon=True).start()
        super().serve(transport)

    def main_logic(self, command: str, parameters: str) -> bool:
        method = getattr(self, f"do_{command.replace('-', '_')}", None)
        if method is None:
            return super().main_logic(command, parameters)
        method(parameters)
        return True

    def do_work(self, parameters):
        """Stand at the gate, if that is our moment."""
        if MOMENT == "busy":
            stand()
        self.write_response("", parameters)

    def do_bulk(self, parameters):
        """An answer of which few fit into a ring."""
        self.write_response("", parameters.ljust(BULK))

    def do_fork_and_die(self, parameters):
        """Leave a child that has all that we have: in our group, or in one of its own."""
        if sys.platform == "win32":
            child = self.start_child(close_fds=False)
        else:
            child = os.fork()
            if child == 0:
                if parameters == "escaped":
                    os.setsid()
                ctypes.CDLL(None).pause()
        leave_pid(child)
        pass_gate(GATE)
        os._exit(7)

    def do_remove_directory(self, parameters):
        """And answer, if that is still possible."""
        folder = f"{os.environ['TR_WORKSPACE']}/python_session/tr_session_{self.session_id}"
        shutil.rmtree(folder)
        self.write_response("", "removed")

    def do_chatter(self, parameters):
        """So many MiB of output, in which we are interrupted when nobody takes it."""
        leave_pid(os.getpid())
        with contextlib.suppress(BrokenPipeError):
            for _ in range(int(parameters) * 16):
                os.write(1, b"x" * 65535 + b"\n")

    def do_in_subprocess(self, parameters):
        """Be in a subprocess of our own."""
        child = "import sys, time; sys.path[:0] = sys.argv[2:]; from gate import announce; announce(sys.argv[1]); time.sleep(600)"
        import subprocess

        subprocess.run([sys.executable, "-c", child, GATE, os.path.dirname(__file__)], check=True)

    def do_churn(self, parameters):
        """Start threads that end at once, for ever."""

        def churn():
            while True:
                thread = threading.Thread(target=str)
                thread.start()
                thread.join()

        threading.Thread(target=churn, daemon=True).start()

    def do_limit(self, parameters):
        """Have no more of something."""
        import resource

        what, limit = parameters.split()
        number = getattr(resource, what)
        resource.setrlimit(number, (int(limit), resource.getrlimit(number)[1]))

    def do_allocate(self, parameters):
        self.write_response("", str(len(bytearray(int(parameters) << 20))))

    def do_poll(self, parameters):
        """Until the call is given up."""
        pass_gate(GATE)
        while not self.cancelled:
            time.sleep(0.005)
        self.write_response("", "given up")


if __name__ == "__main__":
    if MOMENT == "starting":
        stand()
    FaultyServer(library="numpy").run(sys.argv[1])
