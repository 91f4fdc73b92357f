"""Which functions the default server can reach, and how the library they belong to is imported."""

import re
import subprocess
import sys
import threading
from typing import Any, List, Optional

import pytest

from tech_renaissance import default_server
from tech_renaissance._worker import default_arguments
from tech_renaissance.default_server import _Functions


@pytest.fixture(params=["torch", "numpy"])
def functions(request: pytest.FixtureRequest) -> _Functions:
    """The functions of each library."""
    pytest.importorskip(request.param)
    return _Functions(request.param)


@pytest.fixture
def torch_functions() -> _Functions:
    """Torch's functions, or a skipped test."""
    pytest.importorskip("torch")
    return _Functions("torch")


def run_python(script: str) -> str:
    """What a fresh interpreter prints for this script."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.strip()


UNREACHABLE = """
load save compile hub hub.load ops os os.system torch.os.system sys from_file set_num_threads
set_default_dtype set_printoptions use_deterministic_algorithms fork wait import_ir_module parse_ir
jit.load serialization.load package classes Generator device nn.Module nn.functional.Callable
nn.functional.handle_torch_function nn.functional.warnings nn.functional.boolean_dispatch linalg.torch
linalg.__class__ __class__ __init__ _C _C._set_worker_signal_handlers add.__call__
nn.functional.relu.__globals__ nn.functional nn linalg . torch. multiprocessing utils.cpp_extension.load
cuda onnx distributed mkldnn_convolution cudnn_convolution quantized_lstm sym_int vmap while_loop cond
data_ptr numpy apply_ map_ register_hook share_memory_ set_
"""


class TestSafety:
    """What a command can never reach."""

    @pytest.mark.parametrize("name", ["", *UNREACHABLE.split()])
    def test_unreachable(self, functions: _Functions, name: str) -> None:
        """Anything but a function on tensors is an unknown command."""
        assert functions.find(name) is None

    def test_only_operations_are_offered(self, torch_functions: _Functions) -> None:
        """Every offered function was made by torch's operator bindings or by the few modules of the rule."""
        module = torch_functions.module()
        names = list(module.FUNCTIONS)
        assert len(names) > 500
        for name in names:
            function = torch_functions.find(name)
            assert function is not None, name
            owner = str(getattr(function, "__module__", None) or "")
            assert owner.startswith("torch") or name in module._METHODS, (name, owner)

    def test_no_offered_name_touches_the_world(self, torch_functions: _Functions) -> None:
        """No name that sounds like files, processes, code or global state slips through the rule."""
        suspects = re.compile("load|save|file|compile|import|exec|fork|thread|hook|pickle|set_")
        assert [] == [name for name in torch_functions.module().FUNCTIONS if suspects.search(name)]

    def test_numpy_has_no_name_of_its_own(self, torch_functions: _Functions) -> None:
        """Whatever works without torch works with torch 2."""
        if torch_functions.module().torch.__version__ < "2":
            pytest.skip("torch 1 has fewer functions")
        assert set() == set(_Functions("numpy").module().FUNCTIONS) - set(torch_functions.module().FUNCTIONS)

    def test_denials_matter(self, torch_functions: _Functions) -> None:
        """The rule alone would offer ``from_file``; each exception to it says why."""
        module = torch_functions.module()
        assert all(module.DENIED.values())
        assert module.is_operation(module.torch.from_file)


class TestImport:
    """How the library gets imported."""

    def test_needs_no_library(self) -> None:
        """Greetings and arithmetic on numbers import neither torch nor numpy."""
        script = (
            "import sys; from tech_renaissance.default_server import DefaultServer\n"
            "class Server(DefaultServer):\n"
            "    def write_response(self, command, result): print(result)\n"
            "server = Server()\n"
            "server.main_logic('hello', 'world'); server.main_logic('add', '1 2')\n"
            "print({'torch', 'numpy'} & set(sys.modules))"
        )
        assert "Hello World\n3\nset()" == run_python(script)

    def test_happens_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Threads that need the library at the same time share one import."""
        count: List[str] = []
        started = threading.Barrier(4)

        def import_module(name: str, package: str) -> Any:
            count.append(name)
            return default_arguments

        monkeypatch.setattr(default_server.importlib, "import_module", import_module)
        functions = _Functions("numpy")

        def ask() -> None:
            started.wait(30)
            functions.module()

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert ["._worker.default_numpy"] == count

    def test_broken_torch_is_told(self, tmp_path: Any) -> None:
        """Commands that need a broken torch say so each time; the others work; it is not tried twice."""
        (tmp_path / "torch.py").write_text("print('trying')\nraise OSError('libfoo.so: no such file')\n")
        script = (
            f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
            "from tech_renaissance.default_server import DefaultServer\n"
            "class Server(DefaultServer):\n"
            "    def write_response(self, command, result): print(result)\n"
            "server = Server()\n"
            "for command, parameters in [('relu', 'a'), ('add', 'a b'), ('reluu', ''), ('hello', 'you')]:\n"
            "    try: server.main_logic(command, parameters)\n"
            "    except ImportError as error: print(error)\n"
        )
        told = "torch cannot be imported: OSError: libfoo.so: no such file"
        assert ["trying", told, told, told, "Hello You"] == run_python(script).splitlines()

    def test_wait_can_be_interrupted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever is interrupted while waiting leaves the import whole for the next one."""
        finish = threading.Event()

        def import_module(name: str, package: str) -> Any:
            assert finish.wait(30)
            return default_arguments

        class Interrupted(BaseException):
            pass

        def interrupted_join(thread: threading.Thread, timeout: Optional[float] = None) -> None:
            raise Interrupted

        monkeypatch.setattr(default_server.importlib, "import_module", import_module)
        functions = _Functions("numpy")
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "join", interrupted_join)
            with pytest.raises(Interrupted):
                functions.module()
        finish.set()
        assert default_arguments is functions.module()
