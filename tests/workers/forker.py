"""Forks in its handlers, and lets the children come back from them."""

import gc
import multiprocessing
import os
import signal
import sys
import threading
import weakref

from echo import EchoServer
from gate import pass_gate

from tech_renaissance import SessionClosed


class ForkServer(EchoServer):
    kept = None

    def main_logic(self, command: str, parameters: str) -> bool:
        method = getattr(self, f"do_{command.replace('-', '_')}", None)
        if method is None:
            return super().main_logic(command, parameters)
        return method(parameters) is not False

    def do_fork(self, how):
        """The child comes back from the handler as ``how`` says; the parent answers how it ended."""
        child = os.fork()
        if child == 0:
            self.write_response("", "the child's answer")
            self.come_back(how)
            return how != "as unknown"
        self.write_response("", f"ended with {wait_for(child)}")
        return True

    def do_fork_in_a_thread(self, _):
        """Neither does a child that has another thread of ours as its only one."""
        children = []

        def fork():
            child = os.fork()
            if child:
                children.append(child)

        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()
        self.write_response("", f"ended with {wait_for(children[0])}")

    def come_back(self, how: str) -> None:
        if how == "raise":
            raise ValueError("in the child")
        if how.startswith("exit"):
            sys.exit(int(how[5:]))
        if how == "complain":
            sys.exit("the child complains")
        if how == "as an interrupt":
            raise KeyboardInterrupt
        if how == "printing":
            sys.stdout.reconfigure(line_buffering=False)
            print("the child prints", end="")
        if how == "without stdout":
            sys.stdout = None
            sys.stderr.reconfigure(line_buffering=False, write_through=False)
            print("the child has no stdout", end="", file=sys.stderr)

    def do_linger(self, path):
        """Leave a child that comes back when the gate opens."""
        child = os.fork()
        if child == 0:
            pass_gate(path)
            return
        self.write_response("", str(child))

    def do_reap(self, child):
        self.write_response("", f"ended with {wait_for(int(child))}")

    def do_signals(self, _):
        """What the child does on our signals: nothing of ours."""
        numbers = (signal.SIGTERM, signal.SIGURG)
        child = os.fork()
        if child == 0:
            mine = [signal.getsignal(number) == signal.SIG_DFL for number in numbers]
            os.kill(os.getpid(), signal.SIGWINCH)
            os.kill(os.getpid(), signal.SIGURG)
            os._exit(0 if all(mine) else 1)
        status = wait_for(child)
        child = os.fork()
        if child == 0:
            signal.pause()
        os.kill(child, signal.SIGTERM)
        self.write_response("", f"{status} {wait_for(child)}")

    def do_let_go(self, tags):
        """The child lets go of all that it has of the session's memory, and asks for more."""
        self.kept = tensors = self.get_tensors(tags)
        self.send_tensors(self.empty((3,)))
        child = os.fork()
        if child == 0:
            watched = weakref.ref(tensors[0])
            self.kept = tensors = None
            gc.collect()
            assert watched() is None
            for ask in (lambda: self.get_tensors(tags), lambda: self.empty((3,))):
                try:
                    ask()
                except SessionClosed:
                    continue
                os._exit(1)
            os._exit(0)
        self.write_response("", f"ended with {wait_for(child)}")

    def do_kept(self, _):
        self.send_tensors(*self.kept)

    def do_pool(self, parameters):
        """What the standard library makes of forks."""
        with multiprocessing.get_context("fork").Pool(2) as pool:
            self.write_response("", " ".join(pool.map(str.upper, parameters.split())))

    def do_fork_in_a_signal_handler(self, _):
        """While nobody calls."""
        self.children = []

        def fork(number, frame):
            child = os.fork()
            if child:
                self.children.append(child)

        signal.signal(signal.SIGUSR1, fork)
        self.write_response("", str(os.getpid()))

    def do_reap_those(self, _):
        self.write_response("", " ".join(str(wait_for(child)) for child in self.children))


def wait_for(child: int) -> int:
    """The exit status, negative for a signal."""
    status = os.waitpid(child, 0)[1]
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


if __name__ == "__main__":
    ForkServer(library="numpy").run(sys.argv[1])
