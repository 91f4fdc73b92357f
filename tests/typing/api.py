"""The public API as its users write it. Never run: the type checker reads it."""

from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional

import numpy as np

import tech_renaissance as tr
from tech_renaissance import (
    ArenaFull,
    CallCancelled,
    Cancelled,
    CancelPatience,
    CommandError,
    FormatError,
    LaunchError,
    LocalProtocolError,
    OutputLine,
    PostMortem,
    ProtocolError,
    PythonSession,
    RemoteProtocolError,
    RestartPolicy,
    SessionClosed,
    SessionState,
    TechRenaissanceError,
    TechRenaissanceServer,
    TimedOut,
    WorkerLost,
)
from tech_renaissance.default_server import DefaultServer


class MatrixServer(TechRenaissanceServer):
    """A worker: overrides what it answers."""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Multiply two tensors."""
        remaining_s: Optional[float] = self.remaining_s
        if self.cancelled or remaining_s == 0.0:
            raise Cancelled
        if command.lower() != "matmul":
            return False
        tensors: Optional[List[Any]] = self.get_tensors(parameters, 2)
        one: Optional[Any] = self.get_tensor("bias")
        if tensors is None or one is None:
            self.write_response("", "invalid")
            return True
        self.debug_message("multiplying", len(tensors))
        self.send_tensors(tensors[0] @ tensors[1] + one, *tensors)
        self.write_response("", "ok")
        return True

    def commands(self) -> Iterable[str]:
        """What a near miss may have meant."""
        return ["matmul"]


def serve() -> None:
    """Run workers."""
    MatrixServer(debug=False).run("session")
    DefaultServer().run("session")


def lines(line: OutputLine) -> None:
    """Receive a worker's output."""
    print(line.stream, line.message, line.text)


def again(session: PythonSession) -> None:
    """Send weights to a new worker."""
    session.send_tensor(np.zeros(1), "weights")


def life() -> None:
    """Deadlines, cancelling, stacks, deaths, restarts."""
    session = PythonSession(
        patience=CancelPatience(notice_ms=100, interrupt_ms=500),
        restart="on-crash",
        restart_policy=RestartPolicy(limit=3, keep_tags=False),
        on_restart=again,
    )
    text: str = session.fetch_response("solve", deadline_ms=1000, idempotent=True)
    session.send_request("solve", deadline_ms=1000)
    step: str = session.cancel()
    state: SessionState = session.state()
    record: Optional[PostMortem] = session.post_mortem()
    print(text, step, state.name, state.busy_s, session.stack(), record and record.memory_peak_nbytes)
    try:
        session.fetch_tensor("solve", deadline_ms=1)
    except (CallCancelled, TimedOut) as error:
        print(error.step, error.stack, error.post_mortem)


def host() -> None:
    """Start, call and stop a worker."""
    with PythonSession() as session:
        session.start()
    session = PythonSession(
        Path("worker.py"), "demo", True, python="python3.8", output=lines, poll_ms="32:1024"
    )
    session = PythonSession(
        "default",
        "demo",
        quiet_mode=False,
        environment={"OMP_NUM_THREADS": "1"},
        working_directory=".",
        arguments=["--verbose"],
        python_arguments=["-X", "dev"],
        look_us=200,
        workspace="workspace",
        launch_timeout_ms=5000,
        output="inherit",
        library="numpy",
    )
    names: List[str] = [session.session_id, str(session.session_dir)]
    session.start()
    ready: bool = session.wait_until_ready(5000) and session.is_ready() and not session.is_busy()
    alive: bool = session.is_alive() and session.wait_until_ok(timeout_ms=100)
    session.set_quiet_mode(True)
    print(names, ready, alive)


def text(session: PythonSession) -> str:
    """Ask in words."""
    session.send_request("hello world")
    if session.new_response():
        return session.read_response()
    answer: str = session.wait_for_response(3000)
    return answer + session.fetch_response("hello world", 3000)


def tensors(session: PythonSession) -> List[Any]:
    """Ask with tensors."""
    a = np.ones((4, 3), dtype=np.float32)
    b = np.ones((3, 5), dtype=np.float32)
    session.send_tensor(a, "input_a")
    session.send_tensors([a, b], ["input_a", "input_b"])
    session.send_request("matmul input_a input_b")
    result: Any = session.wait_for_tensor(10000)
    results: List[Any] = session.fetch_tensors("matmul input_a input_b", timeout_ms=10000)
    session.drop_tensor("input_a")
    return [
        result,
        *results,
        *session.wait_for_tensors(1000),
        session.fetch_tensor("relu input_a"),
        session.calculate("matmul", a, b, timeout_ms=1000),
    ]


def stop(session: PythonSession) -> None:
    """Stop a worker in each way."""
    session.please_exit(5000, True)
    session.please_exit(timeout_ms=5000, ensure=True)
    ended: bool = session.join(1000)
    session.terminate()
    session.close()
    print(ended)


def files(tensor: Any) -> bytes:
    """Tensors in files and in bytes."""
    tr.export_tsr(tensor, "a.tsr")
    tr.export_tsr(tensor, Path("a.tsr"))
    loaded: Any = tr.import_tsr("a.tsr", library="numpy", mmap=True)
    info: Dict[str, Any] = tr.get_tsr_info(Path("a.tsr"))
    print(info["shape"], tr.decode(tr.encode(loaded), library="torch"))
    return tr.encode(tensor)


def errors(session: PythonSession) -> str:
    """Each error has its facts."""
    try:
        session.start()
    except (LaunchError, WorkerLost) as error:
        status: Optional[int] = error.exit_status
        return f"{status} {error.output_tail} {error.code}"
    except CommandError as error:
        return error.remote_type + error.remote_message + error.remote_traceback + error.result
    except FormatError as error:
        offset: int = error.offset
        return str(offset)
    except (LocalProtocolError, RemoteProtocolError) as error:
        base: ProtocolError = error
        return base.code
    except (ArenaFull, SessionClosed, TimedOut) as error:
        root: TechRenaissanceError = error
        return root.code
    return tr.__version__
