"""Which transport a session gets: what was asked for, or the best that both sides can; worker.json says which, and why."""

import errno
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import numpy as np
import pytest
from hosts import WORKERS, Driver
from processes import posix_limits
from segments import duplicate

from tech_renaissance import LaunchError, LocalProtocolError, PythonSession
from tech_renaissance._transport import fallback
from tech_renaissance._transport.fallback import FallbackHost
from tech_renaissance._transport.file.worker import FileWorker
from tech_renaissance._transport.session_place import SessionPlace
from tech_renaissance._transport.shm.segment import UNAVAILABLE, Segment
from tech_renaissance._transport.shm.worker import ShmWorker
from tech_renaissance.testing import Pair, check_transport

Maker = Callable[..., Any]

pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason="no shared memory here")

MODES = {
    "does not know it": "offered no shared memory",
    "wants files": "TR_TRANSPORT says so",
    "cannot map it": os.strerror(errno.ENOMEM),
    "cannot read it": "invalid literal",
}


@pytest.fixture
def transport() -> None:
    """Each test asks for its own."""


def info(session: Any) -> Dict[str, Any]:
    """worker.json."""
    assert session.wait_until_ready(60_000)
    return json.loads(Path(session.session_dir, "worker.json").read_text())


def _refuse() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("serves", ["shm", "file"])
def test_both_ends_of_a_fallback_pass_the_contract(tmp_path: Path, serves: str) -> None:
    """Whichever is picked."""
    numbers = itertools.count()

    def make_pair() -> Pair:
        directory = tmp_path / str(next(numbers))
        directory.mkdir()
        host = FallbackHost(str(directory), library="numpy")
        descriptors = host.prepare().descriptors
        if serves == "file":
            return host, FileWorker(SessionPlace(str(directory)), None)
        return host, ShmWorker(SessionPlace(str(directory)), [duplicate(number) for number in descriptors])

    check_transport(make_pair)


def test_a_wait_for_either_end_is_woken_however_long_that_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while it checks which of the two serves."""
    monkeypatch.setattr(fallback, "_CHECK_S", 0.0)  # every wait takes longer
    host = FallbackHost(str(tmp_path), library="numpy")
    host.prepare()
    host.wake()
    assert host.receive(3600) is None
    host.close()


@pytest.mark.parametrize("mode", MODES)
def test_a_worker_that_declines_is_served_over_files(make_session: Maker, mode: str) -> None:
    """With the tags that were sent before it started, and all that is done later; worker.json says why."""
    session = make_session("shm_declines.py", transport="shm", environment={"MODE": mode})
    session.send_tensor(np.full((2, 2), 1, np.float32), "before")
    session.send_tensor(np.ones(3, np.float32), "dropped")
    session.drop_tensor("dropped")
    session.start()
    said = info(session)
    assert "file" == said["transport"]
    assert MODES[mode] in said["transport_reason"]
    session.send_tensor(np.full((2, 2), 2, np.float32), "after")
    assert "12.0" == session.fetch_response("sum before after")
    assert [[2.0, 2.0], [2.0, 2.0]] == session.fetch_tensor("same after").tolist()
    shared = session.empty((3,), "float32")
    session.send_tensor(shared, "t")
    session.drop_tensor("before")
    assert 1000 == session.calculate("same", np.zeros(1000, np.float32)).size
    assert sorted(
        path.stem for path in Path(session.session_dir).glob("*.tsr") if "result" not in path.stem
    ) == [
        "after",
        "t",
    ]


def test_the_next_worker_may_be_able_to(workspace: Any, worker_python: str, tmp_path: Path) -> None:
    """The tags are where it needs them."""
    script = tmp_path / "worker.py"
    script.write_text(
        "import os, sys\n"
        "if os.path.exists(os.environ['DECLINE']): del os.environ['TR_SHM']\n"
        f"sys.path.insert(0, {str(Path(__file__).with_name('workers'))!r})\n"
        "from shm_tensors import SharingServer\n"
        "SharingServer('numpy').run(sys.argv[1])\n"
    )
    decline = tmp_path / "decline"
    decline.touch()
    environment = {"DECLINE": str(decline)}
    with PythonSession(script, "both", transport="shm", environment=environment, library="numpy") as session:
        session.send_tensor(np.ones(4, np.float32), "t")
        assert ("file", "4.0") == (info(session)["transport"], session.fetch_response("sum t"))
        session.terminate()
        decline.unlink()
        session.send_tensor(np.full(4, 2, np.float32), "t")
        session.start()
        assert ("shm", "8.0") == (info(session)["transport"], session.fetch_response("sum t"))
        session.terminate()
        decline.touch()
        session.start()
        assert ("file", "8.0") == (info(session)["transport"], session.fetch_response("sum t"))


@pytest.mark.torch
def test_tags_that_numpy_does_not_know_go_into_files_too(workspace: Any, worker_python: str) -> None:
    """Whatever library results arrive as."""
    import torch

    environment = {"MODE": "does not know it"}
    script = WORKERS / "shm_declines.py"
    with PythonSession(script, "bf16", transport="shm", environment=environment, library="numpy") as session:
        session.terminate()
        session.send_tensor(torch.ones(3, dtype=torch.bfloat16), "t")
        session.start()
        assert "file" == info(session)["transport"]
        assert 64 + 64 + 6 == Path(session.session_dir, "t.tsr").stat().st_size


@pytest.mark.parametrize(
    ("option", "variable", "expected"),
    [
        (None, None, "shm"),
        (None, "", "shm"),
        (None, "file", "file"),
        (None, "shm", "shm"),
        ("file", None, "file"),
        ("shm", "file", "shm"),
        ("file", "shm", "file"),
    ],
)
def test_the_option_counts_then_the_variable_then_the_best(
    make_session: Maker, option: Optional[str], variable: Optional[str], expected: str
) -> None:
    """worker.json says which it is."""
    environment = {} if variable is None else {"TR_TRANSPORT": variable}
    session = make_session("echo.py", transport=option, environment=environment)
    session.start()
    said = info(session)
    assert expected == said["transport"]
    assert said["transport_reason"]
    assert "there" == session.fetch_response("echo there")


@pytest.mark.parametrize("where", ["option", "variable"])
def test_a_transport_that_there_is_not_is_refused(make_session: Maker, where: str) -> None:
    """Before anything is started."""
    with pytest.raises(LocalProtocolError, match="pigeon") as caught:
        make_session(
            transport="pigeon" if where == "option" else None,
            environment={"TR_TRANSPORT": "pigeon"} if where == "variable" else {},
        )
    assert "bad_option" == caught.value.code


def test_a_host_without_shared_memory_offers_files_unless_it_was_asked_for(
    workspace: Any, worker_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the start fails, and says why."""
    monkeypatch.setattr(Segment, "create_arena", _refuse)
    with PythonSession(WORKERS / "echo.py", "files", library="numpy") as session:
        assert "file" == info(session)["transport"]
        assert "the host has no shared memory: [Errno 28]" in info(session)["transport_reason"]
    with pytest.raises(LaunchError, match="No space left") as caught, PythonSession(
        WORKERS / "echo.py", "memory", transport="shm"
    ):
        pass
    assert "launch_failed" == caught.value.code


@posix_limits
def test_a_host_without_shared_memory_says_why(make_driver: Callable[[], Driver]) -> None:
    """In worker.json, if it may choose files; over which the session works."""
    driver = make_driver()
    import resource

    before = resource.prlimit(driver.process.pid, resource.RLIMIT_FSIZE)
    with driver.session(str(WORKERS / "echo.py"), "first") as session:
        assert "shm" == info(session)["transport"]
    resource.prlimit(driver.process.pid, resource.RLIMIT_FSIZE, (16 << 20, before[1]))
    with driver.session(str(WORKERS / "echo.py"), "second") as session:
        said = info(session)
        assert "file" == said["transport"]
        assert "the host has no shared memory" in said["transport_reason"]
        assert "File too large" in said["transport_reason"]
        assert "there" == session.fetch_response("echo there", 60_000)
    with pytest.raises(LaunchError, match="File too large"):
        driver.session(str(WORKERS / "echo.py"), "third", transport="shm").start()


HOST_WITHOUT_STREAMS = """
import json, os, sys
for stream in json.loads(sys.argv[1]):
    os.close(stream)
from tech_renaissance import PythonSession
with PythonSession(sys.argv[2], "closed", transport="shm") as session:
    for _ in range(3):
        for stream in (1, 2):
            try:
                os.write(stream, bytes(100))
            except OSError:
                pass
        answer = session.fetch_response("echo there", 60_000)
    info = json.load(open(session.session_dir + "/worker.json"))
with open(sys.argv[3], "w") as file:
    json.dump([answer, info["transport"]], file)
"""


@pytest.mark.parametrize("closed", [[0, 1, 2], [0, 1], [0], [1], [2], [0, 2]], ids=str)
def test_a_host_whose_standard_streams_are_closed_uses_shared_memory(
    workspace: Any, worker_python: str, tmp_path: Path, closed: List[int]
) -> None:
    """And what is printed in it goes nowhere: into no file or memory of the session's. The C++ host: test_shm_transport_posix.cpp."""
    said = tmp_path / "said.json"
    arguments = [json.dumps(closed), str(WORKERS / "echo.py"), str(said)]
    subprocess.run([sys.executable, "-c", HOST_WITHOUT_STREAMS, *arguments], timeout=60, check=True)
    assert ["there", "shm"] == json.loads(said.read_text())


def test_no_shared_memory_for_a_new_worker_is_a_failed_launch(
    workspace: Any, worker_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the session can be started again."""
    with PythonSession(WORKERS / "echo.py", "again", transport="shm", library="numpy") as session:
        session.terminate()
        with monkeypatch.context() as patch:
            patch.setattr(Segment, "create_arena", _refuse)
            with pytest.raises(LaunchError) as caught:
                session.start()
            assert "launch_failed" == caught.value.code
        session.start()
        assert "there" == session.fetch_response("echo there", 60_000)
