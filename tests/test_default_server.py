"""The default server: its commands, what it answers, and what it refuses to call."""

import math
import re
import subprocess
import sys
from typing import Any, Dict, List, NamedTuple, Optional, cast

import pytest
from command_calls import call, fail

from tech_renaissance._protocol.frame import Request
from tech_renaissance.default_server import DefaultServer

np = pytest.importorskip("numpy")


class Reply(NamedTuple):
    """What one command led to."""

    text: Optional[str]
    tensors: List[Any]


class Bench(DefaultServer):
    """A default server without a session: tensors come from a dict, replies go to the caller."""

    def __init__(self, library: Any, **tensors: Any) -> None:
        super().__init__(library=library)
        self.tensors: Dict[str, Any] = tensors
        self.requested: List[str] = []
        self.reply = Reply(None, [])

    def get_tensors(self, parameters: str, count: Optional[int] = None) -> Optional[List[Any]]:
        """The tensors of the dict."""
        self.requested = parameters.split()
        assert len(self.requested) == count
        known = all(tag in self.tensors for tag in self.requested)
        return [self.tensors[tag] for tag in self.requested] if known else None

    def send_tensors(self, *tensors: Any) -> None:
        """Keeps them for ``call``."""
        self.reply.tensors.extend(tensors)

    def write_response(self, command: str, result: str) -> None:
        """Keeps it for ``call``."""
        self.reply = self.reply._replace(text=result)

    def call(self, message: str) -> Optional[Reply]:
        """The reply, or None if the command is unknown."""
        self.reply = Reply(None, [])
        command, _, parameters = message.partition(" ")
        return self.reply if self.main_logic(command, parameters) else None

    def values(self, message: str) -> List[Any]:
        """The result tensors as nested lists."""
        reply = self.call(message)
        assert reply is not None
        return [tensor.tolist() for tensor in reply.tensors]


A = [[1.0, 2.0], [3.0, 4.0]]
B = [[5.0, 6.0], [7.0, 9.0]]
V = [-1.0, 0.0, 2.0]


def bench_of(library: str) -> Bench:
    """A bench with the tensors a, b (2 x 2) and v (3), float32, of this library."""
    module = pytest.importorskip(library)
    make = module.tensor if library == "torch" else module.array
    tensors = {name: make(values, dtype=module.float32) for name, values in (("a", A), ("b", B), ("v", V))}
    return Bench(library, **tensors)


@pytest.fixture(params=["torch", "numpy"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """One bench for each library."""
    return bench_of(request.param)


@pytest.fixture
def torch_bench() -> Bench:
    """A bench with torch, or a skipped test."""
    return bench_of("torch")


class TestText:
    """Commands that answer with text."""

    @pytest.mark.parametrize(
        ("message", "expected"),
        [
            ("hello world", "Hello World"),
            ("hello", "Hello"),
            ("HELLO wide world", "Hello Wide World"),
            ("hi ada", "Hi Ada"),
            ("hi", "Hi"),
            ("echo a,  [b 'c", "a,  [b 'c"),
            ("echo", ""),
            ("ping", "pong"),
        ],
    )
    def test_answer(self, message: str, expected: str) -> None:
        """Greetings are titled, echo is verbatim, case of the command does not matter."""
        assert Reply(expected, []) == Bench("numpy").call(message)


class TestArithmetic:
    """Operators on tensors and numbers in any combination."""

    @pytest.mark.parametrize(
        ("message", "expected"),
        [
            ("add 1 2", "3"),
            ("add 1, 2", "3"),
            ("sub 1 2.5", "-1.5"),
            ("MUL 3 4", "12"),
            ("div 1 2", "0.5"),
            ("floor_divide 7 2", "3"),
            ("remainder 7 4", "3"),
            ("pow 2 10", "1024"),
            ("neg 3", "-3"),
            ("abs -3", "3"),
            ("lt 1 2", "True"),
            ("mul 2 1j", "2j"),
            ("add 9007199254740993 1", "9007199254740994"),
        ],
    )
    def test_numbers_answer_as_text(self, message: str, expected: str) -> None:
        """Plain numbers are computed exactly, without a tensor in the reply."""
        assert Reply(expected, []) == Bench("numpy").call(message)

    @pytest.mark.parametrize(
        ("message", "expected"),
        [
            ("add a b", [[6.0, 8.0], [10.0, 13.0]]),
            ("add a 2.5", [[3.5, 4.5], [5.5, 6.5]]),
            ("sub 1 a", [[0.0, -1.0], [-2.0, -3.0]]),
            ("div 12 a", [[12.0, 6.0], [4.0, 3.0]]),
            ("mul a a", [[1.0, 4.0], [9.0, 16.0]]),
            ("pow a 2", [[1.0, 4.0], [9.0, 16.0]]),
            ("neg v", [1.0, -0.0, -2.0]),
            ("gt v 0", [False, False, True]),
            ("matmul a b", [[19.0, 24.0], [43.0, 54.0]]),
            ("mm a,b", [[19.0, 24.0], [43.0, 54.0]]),
        ],
    )
    def test_tensors(self, bench: Bench, message: str, expected: List[Any]) -> None:
        """A number may stand on either side of a tensor."""
        assert [expected] == bench.values(message)

    def test_keywords_are_torchs(self, torch_bench: Bench) -> None:
        """With a keyword argument the command is torch's function of that name."""
        assert [[[11.0, 14.0], [17.0, 22.0]]] == torch_bench.values("add a b alpha=2")

    def test_lists_are_not_joined(self) -> None:
        """Lists are arguments for the library's function, never operands for Python's ``+``."""
        assert [[4, 6]] == bench_of("numpy").values("add [1,2] [3,4]")


class TestFunctions:
    """Functions of the library, by name."""

    @pytest.mark.parametrize(
        ("message", "expected"),
        [
            ("relu v", [[0.0, 0.0, 2.0]]),
            ("ReLU v", [[0.0, 0.0, 2.0]]),
            ("torch.relu v", [[0.0, 0.0, 2.0]]),
            ("nn.functional.relu v", [[0.0, 0.0, 2.0]]),
            ("sum a dim=1", [[3.0, 7.0]]),
            ("sum a 1", [[3.0, 7.0]]),
            ("sum a dim=[0,1]", [10.0]),
            ("amax a dim=1 keepdim=true", [[[2.0], [4.0]]]),
            ("mean a", [2.5]),
            ("max a", [4.0]),
            ("max a b", [B]),
            ("max a dim=1", [[2.0, 4.0], [1, 1]]),
            ("min a 0 keepdim=True", [[[1.0, 2.0]], [[0, 0]]]),
            ("sort v descending=True", [[2.0, 0.0, -1.0], [2, 1, 0]]),
            ("var v", [7 / 3]),
            ("cat [a, b] dim=1", [[[1.0, 2.0, 5.0, 6.0], [3.0, 4.0, 7.0, 9.0]]]),
            ("stack (a,b) 0", [[A, B]]),
            ("permute a (1,0)", [[[1.0, 3.0], [2.0, 4.0]]]),
            ("permute a dims=[1,0]", [[[1.0, 3.0], [2.0, 4.0]]]),
            ("transpose a 0 1", [[[1.0, 3.0], [2.0, 4.0]]]),
            ("t a", [[[1.0, 3.0], [2.0, 4.0]]]),
            ("reshape a [4]", [[1.0, 2.0, 3.0, 4.0]]),
            ("flatten a", [[1.0, 2.0, 3.0, 4.0]]),
            ("unsqueeze v 0", [[V]]),
            ("flip v [0]", [[2.0, 0.0, -1.0]]),
            ("clamp v min=0", [[0.0, 0.0, 2.0]]),
            ("clamp v -0.5 1", [[-0.5, 0.0, 1.0]]),
            ("nonzero v", [[[0], [2]]]),
            ("einsum 'ij,jk->ik' a b", [[[19.0, 24.0], [43.0, 54.0]]]),
            ("linalg.norm v ord=inf", [2.0]),
            ("full [2] inf", [[math.inf, math.inf]]),
            ("zeros 2 3", [[[0.0] * 3] * 2]),
            ("ones [2]", [[1.0, 1.0]]),
            ("eye 2", [[[1.0, 0.0], [0.0, 1.0]]]),
            ("arange 3", [[0, 1, 2]]),
            ("linspace 0 1 3", [[0.0, 0.5, 1.0]]),
            ("tensor [[1,2],[3,4]]", [[[1, 2], [3, 4]]]),
            ("leaky_relu v 0.5", [[-0.5, 0.0, 2.0]]),
        ],
    )
    def test_same_with_torch_and_numpy(self, bench: Bench, message: str, expected: List[Any]) -> None:
        """The same message has the same answer whichever library computes it."""
        actual = bench.values(message)
        assert len(expected) == len(actual)
        for one_expected, one_actual in zip(expected, actual):
            np.testing.assert_allclose(one_expected, one_actual, rtol=1e-6)

    @pytest.mark.parametrize(
        "message",
        [
            "softmax a dim=1",
            "log_softmax a -1",
            "logsumexp a 1",
            "sigmoid v",
            "silu v",
            "elu v alpha=0.5",
            "softplus v",
            "std a 0",
            "var a dim=1",
            "rsqrt a",
            "reciprocal a",
            "linalg.inv a",
            "linalg.solve a b",
            "linalg.det a",
            "fft.fft v",
            "fft.fftn a dim=[0,1]",
            "atan v",
            "tensordot a b dims=1",
            "cumsum a dim=0",
            "quantile v 0.25",
            "linspace 0 5 7",
        ],
    )
    def test_numpy_agrees_with_torch(self, message: str) -> None:
        """Where numpy stands in for torch it computes what torch would."""
        expected = bench_of("torch").values(message)
        actual = bench_of("numpy").values(message)
        assert len(expected) == len(actual)
        for one_expected, one_actual in zip(expected, actual):
            np.testing.assert_allclose(one_expected, one_actual, rtol=1e-5, atol=1e-6)

    def test_numpy_keeps_float32(self) -> None:
        """Activations and new tensors of numpy have torch's dtype, not numpy's float64."""
        bench = bench_of("numpy")
        for message in (
            "softmax a 1",
            "sigmoid v",
            "silu v",
            "elu v",
            "softplus v",
            "zeros 2",
            "rand 2",
            "full 2 0.5",
        ):
            reply = bench.call(message)
            assert reply is not None
            assert ["float32"] == [str(tensor.dtype) for tensor in reply.tensors], message

    def test_conv2d(self, torch_bench: Bench) -> None:
        """A function takes weights by tag and words where it never takes a tensor."""
        torch = pytest.importorskip("torch")
        torch_bench.tensors.update(x=torch.ones(1, 1, 3, 3), w=torch.ones(1, 1, 3, 3), c=torch.ones(1))
        assert [[[[[10.0]]]]] == torch_bench.values("nn.functional.conv2d x w bias=c")
        reply = torch_bench.call("conv2d x w c padding=same")
        assert reply is not None
        assert (1, 1, 3, 3) == tuple(reply.tensors[0].shape)

    def test_every_tensor_of_a_result_is_sent(self, bench: Bench) -> None:
        """Named tuples of tensors travel whole, in order."""
        reply = bench.call("linalg.svd a")
        assert reply is not None
        assert "ok" == reply.text
        assert [(2, 2), (2,), (2, 2)] == [tuple(tensor.shape) for tensor in reply.tensors]

    def test_nested_results(self, torch_bench: Bench) -> None:
        """A tensor in a tuple in a tuple is a result like any other."""
        reply = torch_bench.call("histogramdd a bins=[2,2]")
        assert reply is not None
        assert [(2, 2), (3,), (3,)] == [tuple(tensor.shape) for tensor in reply.tensors]

    @pytest.mark.parametrize(
        ("message", "text", "count"),
        [
            ("sum a", "10.0", 1),
            ("argmax v", "2", 1),
            ("relu v", "ok", 1),
            ("equal a a", "True", 0),
            ("allclose a b", "False", 0),
            ("numel a", "4", 0),
            ("size a", "[2, 2]", 0),
            ("tolist a", "[[1.0, 2.0], [3.0, 4.0]]", 0),
        ],
    )
    def test_text_of_a_result(self, bench: Bench, message: str, text: str, count: int) -> None:
        """What is no tensor is text; one without dimensions is both; else the text is ok."""
        reply = bench.call(message)
        assert reply is not None
        assert (text, count) == (reply.text, len(reply.tensors))

    def test_dtype(self, bench: Bench) -> None:
        """A dtype is a word, with or without torch's prefix."""
        for message in ("to a dtype=float64", "zeros [2] dtype=torch.float64", "sum a dtype=double"):
            reply = bench.call(message)
            assert reply is not None
            assert "float64" == str(reply.tensors[0].dtype).replace("torch.", "")

    @pytest.mark.parametrize("word", ["load", "object", "nosuch", "os", "U8"])
    def test_bad_dtype(self, bench: Bench, word: str) -> None:
        """Any other word for a dtype is an error that names it."""
        with pytest.raises(ValueError, match=f"no dtype '{word}'"):
            bench.call(f"zeros 2 dtype={word}")

    def test_errors_of_functions_propagate(self, bench: Bench) -> None:
        """What the library raises reaches the base class as it is."""
        bench.tensors["singular"] = bench.tensors["a"] * 0
        with pytest.raises(Exception, match=r"(?i)singular"):
            bench.call("linalg.inv singular")


class TestTensors:
    """How tags become tensors."""

    def test_missing_tensor(self, bench: Bench) -> None:
        """A tag without a tensor makes the reply invalid; the base class adds the reason."""
        assert Reply("invalid", []) == bench.call("relu nosuch")
        assert Reply("invalid", []) == bench.call("add a nosuch")
        assert Reply("invalid", []) == bench.call("softmax a dim=nosuch")

    def test_each_tensor_is_fetched_once(self, bench: Bench) -> None:
        """A tag that stands several times is one tensor."""
        bench.call("cat [a,b,a]")
        assert ["a", "b"] == bench.requested

    def test_unknown_command_needs_no_arguments(self, bench: Bench) -> None:
        """A command is unknown whatever its arguments look like."""
        assert bench.call("reluu [nosuch") is None

    def test_commands_offer_near_matches(self, bench: Bench) -> None:
        """Every kind of command can be suggested."""
        assert {"hello", "add", "relu", "linalg.inv", "tolist"} <= set(bench.commands())


class TestReplies:
    """What the caller is told, by the real base class."""

    def test_near_matches(self, bench: Bench) -> None:
        """A misspelt command is answered with the names it may have meant."""
        response = bench.respond(Request("reluu", "a"))
        assert response.error is not None
        assert "unknown_command" == response.error.code
        assert "'relu'" in response.message

    def test_unreadable_arguments(self, bench: Bench) -> None:
        """Arguments that cannot be read are the caller's error, with what is wrong."""
        response = bench.respond(Request("relu", "[a"))
        assert response.error is not None
        assert "command_failed" == response.error.code
        assert re.search(r"ValueError: '\]' is missing in: \[a", response.message)


def test_usage() -> None:
    """Without a session id the program says how it is used, and fails."""
    done = subprocess.run(
        [sys.executable, "-m", "tech_renaissance.default_server"],
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    assert (
        done.returncode,
        done.stderr.strip(),
    ) == (1, "usage: python -m tech_renaissance.default_server SESSION_ID")


@pytest.mark.parametrize("library", ["torch", "numpy"])
def test_calls_with_values_get_values(library: str) -> None:
    """Numbers and tensors as they are, where a text call would get texts."""
    server = DefaultServer(library=cast("Any", library))
    module = pytest.importorskip(library)
    x = np.array([[1.0, 2.0]], np.float32)
    tensor = module.tensor(x) if library == "torch" else x
    assert call(server, "hello", "world") == "Hello World"
    assert call(server, "ping") == "pong"
    assert call(server, "add", 1, 2) == 3
    assert call(server, "add", tensor, 1).tolist() == [[2, 3]]
    assert call(server, "softmax", tensor, dim=1).shape == (1, 2)
    values, places = call(server, "max", tensor, dim=1)
    assert (values.tolist(), places.tolist()) == ([2], [1])
    assert str(call(server, "zeros", [2], dtype="float64").dtype).endswith("float64")
    assert fail(server, "reluu", tensor).message.startswith("unknown command 'reluu'; did you mean")
    assert fail(server, "relu", tensor, wrong=1).type == "TypeError"


def test_help_and_describe_know_what_it_can_do() -> None:
    """All that can be called, each by any name that it has; what it cannot do has near names."""
    server = DefaultServer(library="numpy")
    assert "Hello World" in call(server, "help", "hello")
    assert "for tensors and numbers" in call(server, "help", "add")
    assert call(server, "help", "relu").splitlines()[0] == "relu(*args: Any, **kwargs: Any) -> Any"
    assert len(call(server, "help", "torch.linalg.inv").splitlines()) > 1
    assert "relu" in call(server, "help")
    described = call(server, "describe")
    assert [command["name"] for command in described["commands"]] == list(server.commands())
    assert "others" not in described
    failure = fail(server, "help", "reluu")
    assert (failure.code, "did you mean 'relu'" in failure.message) == ("unknown_command", True)
