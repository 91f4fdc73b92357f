"""Fixtures: sessions of every host over every transport, and what every test has to leave as it found it."""

import contextlib
import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

import hypothesis
import pytest

# Tests and fixtures share modules that lie beside them; pytest's importlib mode does not make them importable.
sys.path.insert(0, os.path.dirname(__file__))

from gates import Gate
from hosts import HOSTS, TRANSPORTS, WORKERS, Driver, driver_command
from leaks import Footprint
from loop_thread import LoopThread
from watchdog import Watchdog

from tech_renaissance import PythonSession

WORKER_PYTHON = os.environ.get("TR_TEST_WORKER_PYTHON") or sys.executable

# Whose tests build programs, or interrupt calls many times.
_LONG = (
    "test_packaging",
    "test_docs_programs",
    "test_cpp_compilers",
    "test_reference_text",
    "test_interruptions",
)

# No test has an upper bound on its time; the watchdog catches hangs.
hypothesis.settings.register_profile(
    "slow", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("slow")

# Workers run in other directories.
if os.environ.get("PYTHONPATH"):
    os.environ["PYTHONPATH"] = os.pathsep.join(
        map(os.path.abspath, os.environ["PYTHONPATH"].split(os.pathsep))
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where there is little time."""
    parser.addoption(
        "--once", action="store_true", help="run each test with one host and one transport, in turn"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers."""
    config.addinivalue_line(
        "markers", "interpreters: also with the worker on each interpreter of TR_TEST_PYTHONS"
    )
    config.addinivalue_line("markers", "torch: needs PyTorch, in the worker too")
    config.addinivalue_line("markers", "files: about the files of the file transport")
    config.addinivalue_line("markers", "asyncio_over_files: with the asyncio host over files, too")
    config.addinivalue_line(
        "markers", "above_transports: about what no transport does: each host over one of them, in turn"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
    """What is about files does not run over another transport, what lies above transports not over each, the asyncio host over files only where a test asks for
    it, and a worker on another interpreter with one host over one transport, in turn: what differs there is the worker. What takes long begins first, so that nobody
    waits for it in the end.
    """
    unfit = [
        item
        for item in items
        if (item.get_closest_marker("files") and _param_of(item, "transport") not in (None, "file"))
        or (
            (_param_of(item, "host"), _param_of(item, "transport")) == ("asyncio", "file")
            and not item.get_closest_marker("asyncio_over_files")
        )
    ]
    fit = [item for item in items if item not in unfit]
    if config.getoption("--once"):
        chosen = _in_turn(fit, "host", "transport")
    else:
        elsewhere = [item for item in fit if _param_of(item, "worker_python") not in (None, WORKER_PYTHON)]
        above = [
            item for item in fit if item not in elsewhere and item.get_closest_marker("above_transports")
        ]
        left_out = {*elsewhere, *above} - {*_in_turn(elsewhere, "host", "transport"), *_across(above)}
        chosen = [item for item in fit if item not in left_out]
    chosen.sort(key=lambda item: item.path.stem not in _LONG)
    kept = set(chosen)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = chosen


def _in_turn(items: List[pytest.Item], *names: str) -> List[pytest.Item]:
    """Of tests that differ in these parameters alone, one: another each time."""
    # The other way around each round, or what comes round as often would always meet the same.
    return [
        same[(place + place // len(same)) % len(same)] for place, same in enumerate(_alike(items, *names))
    ]


def _across(items: List[pytest.Item]) -> List[pytest.Item]:
    """Of tests that differ in host and transport alone, those with each host over another transport: the other way around each time."""
    chosen: List[pytest.Item] = []
    for place, same in enumerate(_alike(items, "host", "transport")):
        hosts = list(dict.fromkeys(_param_of(item, "host") for item in same))
        for number, host in enumerate(hosts, place):
            over = [item for item in same if _param_of(item, "host") == host]
            chosen.append(over[number % len(over)])
    return chosen


def _alike(items: List[pytest.Item], *names: str) -> List[List[pytest.Item]]:
    """Tests that differ in these parameters alone, together."""
    alike: Dict[str, List[pytest.Item]] = {}
    for item in items:
        callspec = getattr(item, "callspec", None)
        others = (
            {name: value for name, value in callspec.params.items() if name not in names} if callspec else {}
        )
        is_one_of_many = callspec is not None and others != callspec.params
        name = f"{item.nodeid.partition('[')[0]} {others}" if is_one_of_many else item.nodeid
        alike.setdefault(name, []).append(item)
    return list(alike.values())


def _param_of(item: pytest.Item, name: str) -> Optional[str]:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get(name) if callspec else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test marked ``interpreters`` runs on each of them."""
    if metafunc.definition.get_closest_marker("interpreters") and "worker_python" in metafunc.fixturenames:
        pythons = [WORKER_PYTHON, *json.loads(os.environ.get("TR_TEST_PYTHONS") or "[]")]
        metafunc.parametrize("worker_python", pythons, ids=_version_of, indirect=True)


@functools.lru_cache(maxsize=None)
def _version_of(python: str) -> str:
    command = [python, "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode().strip()


@functools.lru_cache(maxsize=None)
def _has_torch(python: str) -> bool:
    command = [python, "-c", "import importlib.util as u, sys; sys.exit(u.find_spec('torch') is None)"]
    return subprocess.run(command, check=False).returncode == 0


@pytest.fixture(autouse=True)
def _watched() -> Iterator[None]:
    """A test that hangs is ended."""
    watchdog = Watchdog()
    yield
    watchdog.stop()
    assert not watchdog.bit, "the test hung"


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(_watched: None, request: pytest.FixtureRequest) -> Iterator[None]:
    """No process, file, descriptor or thread of a test outlives it."""
    workspace = request.getfixturevalue("workspace") if "workspace" in request.fixturenames else None
    before = Footprint()
    yield
    assert [] == before.left_behind(workspace)


@pytest.fixture(autouse=True)
def _needs_torch(request: pytest.FixtureRequest) -> None:
    """Skip tests marked ``torch`` where there is none."""
    if request.node.get_closest_marker("torch"):
        pytest.importorskip("torch", exc_type=ImportError)
        if not _has_torch(WORKER_PYTHON):
            pytest.skip("the worker's interpreter has no torch")


@pytest.fixture
def torch() -> Any:
    """The module. A test that needs it is skipped where this interpreter has none."""
    return pytest.importorskip("torch", exc_type=ImportError)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of the test's own."""
    monkeypatch.setenv("TR_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path / "workspace"


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> str:
    """The host's language, or "asyncio"."""
    if request.param != "asyncio" and driver_command(request.param) is None:
        pytest.skip("there is no C++ compiler")
    return request.param


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How frames and tensors move."""
    if request.param not in TRANSPORTS:
        pytest.skip("there is no shared memory here")
    monkeypatch.setenv("TR_TRANSPORT", request.param)
    return request.param


@pytest.fixture
def worker_python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The workers' interpreter."""
    python = getattr(request, "param", WORKER_PYTHON)
    monkeypatch.setenv("TR_PYTHON", python)
    return python


@pytest.fixture
def make_driver(
    host: str, tmp_path: Path, workspace: Path, transport: str, worker_python: str
) -> Iterator[Callable[[], Driver]]:
    """Makes hosts in a process of their own, for what must not happen to pytest's."""
    command = [] if host == "asyncio" else driver_command(host)
    assert command is not None
    with contextlib.ExitStack() as drivers:

        def make() -> Driver:
            driver = Driver(command, tmp_path)
            drivers.callback(driver.close)
            return driver

        yield make


@pytest.fixture
def make_session(host: str, make_driver: Callable[[], Driver]) -> Iterator[Callable[..., Any]]:
    """Makes sessions of the host: ``make_session("echo.py", "id", ...)``, arguments as for PythonSession.

    A script is looked for in tests/workers. Sessions are closed after the test.
    """
    sessions = contextlib.ExitStack()
    if host == "asyncio":
        thread = LoopThread()
        sessions.callback(thread.close)
        maker: Callable[..., Any] = thread.session
    else:
        maker = PythonSession if host == "python" else make_driver().session

    def make(script: str = "echo.py", session_id: str = "test", *args: Any, **options: Any) -> Any:
        path = script if script == "default" or os.path.isabs(script) else str(WORKERS / script)
        options.setdefault("library", "numpy")
        session = maker(path, session_id, *args, **options)
        sessions.callback(session.close)
        return session

    with sessions:
        yield make


@pytest.fixture
def start(make_session: Callable[..., Any]) -> Callable[..., Any]:
    """Like ``make_session``, and starts the session."""

    def start(*args: Any, **options: Any) -> Any:
        session = make_session(*args, **options)
        session.start()
        return session

    return start


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """A gate that holds a worker until the test opens it."""
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.close()
