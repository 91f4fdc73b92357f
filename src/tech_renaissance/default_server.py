"""The worker behind the script path ``default``: greetings, arithmetic and torch's functions by name.

    python -m tech_renaissance.default_server SESSION_ID

docs/default-server.md is the page for users.
"""

import importlib
import inspect
import sys
import threading
from functools import partial
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    cast,
)

from ._base.tensor import Library, torch_installed
from ._server import TechRenaissanceServer
from ._worker.default_arguments import Arguments, Tag

if TYPE_CHECKING:
    from ._worker.command_table import Command


def _hello(text: str) -> str:
    """A greeting: "Hello World" for "world"."""
    return f"Hello {text.title()}".rstrip()


def _hi(text: str) -> str:
    """A shorter greeting: "Hi World" for "world"."""
    return f"Hi {text.title()}".rstrip()


def _echo(text: str) -> str:
    """The text that it is given."""
    return text


def _ping(_: str) -> str:
    """The word "pong"."""
    return "pong"


_TEXT_COMMANDS: Dict[str, Callable[[str], str]] = {"hello": _hello, "hi": _hi, "echo": _echo, "ping": _ping}

# Unlike torch's functions, Python's operators also take a number as the first operand, and work on plain
# numbers without any library.
_UNARY: Dict[str, Callable[[Any], Any]] = {"abs": abs, "neg": lambda a: -a}
_BINARY: Dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "subtract": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "multiply": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "divide": lambda a, b: a / b,
    "true_divide": lambda a, b: a / b,
    "floor_divide": lambda a, b: a // b,
    "remainder": lambda a, b: a % b,
    "pow": lambda a, b: a**b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


class DefaultServer(TechRenaissanceServer):
    """Answers text commands, arithmetic, and any function that ``_worker.default_torch`` (or numpy's) offers.

    ``library``: None means torch if it is installed, else numpy. Since the commands are torch's functions,
    this script imports torch itself, at the first command that needs it. Import errors and exceptions of the
    functions reach the caller as ``CommandError``.
    """

    def __init__(self, debug: bool = False, library: Optional[Library] = None) -> None:
        library = library or ("torch" if torch_installed() else "numpy")
        super().__init__(debug, library)
        self._functions = _Functions(library)
        self._typed: Dict[str, Command] = {}

    def commands(self) -> Iterable[str]:
        """Every command, from which to suggest similar names for an unknown one."""
        return sorted({*_TEXT_COMMANDS, *_UNARY, *_BINARY, *self._functions.module().FUNCTIONS})

    def main_logic(self, command: str, parameters: str) -> bool:
        """Answers one command; False if there is no such command."""
        text_command = _TEXT_COMMANDS.get(command.lower())
        if text_command is not None:
            self.write_response("", text_command(parameters))
            return True
        if not self._knows(command):
            return False
        arguments = Arguments(parameters)
        function = _operator(command, arguments.positional, arguments.keywords) or self._functions.find(
            command
        )
        assert function is not None
        self._call(function, arguments)
        return True

    def _knows(self, command: str) -> bool:
        name = command.lower()
        return name in _UNARY or name in _BINARY or self._functions.find(command) is not None

    def _call(self, function: Callable[..., Any], arguments: Arguments) -> None:
        tensors = self._tensors(arguments.tags)
        if tensors is None:
            self.write_response("", "invalid")
            return
        args, kwargs = arguments.bind(tensors)
        self._answer(function(*args, **self._with_dtype(kwargs)))

    def _with_dtype(self, kwargs: Dict[str, Any]) -> Dict[str, Any]:
        dtype = kwargs.get("dtype")
        return {**kwargs, "dtype": self._functions.dtype(dtype)} if isinstance(dtype, str) else kwargs

    def _find_command(self, name: str) -> "Optional[Command]":
        """The same functions, for calls that carry values."""
        command = self._typed.get(name)
        if command is None:
            from ._worker.command_table import Command

            if name.lower() in _TEXT_COMMANDS:
                function = partial(_answer_text, name.lower())
            elif self._knows(name):
                function = partial(self._run_function, name)
            else:
                return None
            self._typed[name] = command = Command(name, function, name)
            command.doc = self._doc(name)
        return command

    def _doc(self, name: str) -> str:
        """What ``help`` says about a command. Imports no library for what needs none."""
        text_command = _TEXT_COMMANDS.get(name.lower())
        if text_command is not None:
            return inspect.getdoc(text_command) or ""
        if name.lower() in _UNARY or name.lower() in _BINARY:
            return "Python's operator, for tensors and numbers; or the library's function of that name."
        return inspect.getdoc(self._functions.find(name)) or f"{self._library}'s function of that name."

    def _run_function(self, command: str, /, *args: Any, **kwargs: Any) -> Any:
        function = _operator(command, args, kwargs) or self._functions.find(command)
        assert function is not None
        return function(*args, **self._with_dtype(kwargs))

    def _tensors(self, tags: List[str]) -> Optional[Dict[str, Any]]:
        if not tags:
            return {}
        self._functions.module()  # if the import fails, that is a better error than a missing tensor
        tensors = self.get_tensors(" ".join(tags), len(tags))
        return None if tensors is None else dict(zip(tags, tensors))

    def _answer(self, result: Any) -> None:
        """Sends every tensor of the result, and as text everything that is
        not a tensor or has no dimensions.
        """
        leaves = list(_leaves(result))
        tensors = [leaf for leaf in leaves if _is_tensor(leaf)]
        if tensors:
            self.send_tensors(*tensors)
        texts = [_text(leaf) for leaf in leaves if leaf is not None and getattr(leaf, "ndim", 0) == 0]
        self.write_response("", ", ".join(texts) or "ok")


class _Functions:
    """The module of functions for a library, imported once, on first use.

    The import runs in a thread of its own, so that interrupting the command that waits for it cannot leave
    the library half imported, which neither torch nor numpy survives. A failure is remembered, because a
    second try would fail with a misleading error. Safe to use from several threads.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._thread: Optional[threading.Thread] = None
        self._module: Any = None
        self._error: Optional[BaseException] = None

    def find(self, command: str) -> Optional[Callable[..., Any]]:
        """The function of this name (``relu``, ``ReLU``, ``torch.relu``, ``linalg.inv``), or None."""
        functions: Dict[str, Callable[..., Any]] = self.module().FUNCTIONS
        name = _without_torch(command)
        return functions.get(name) or functions.get(name.lower())

    def dtype(self, name: str) -> Any:
        """The library's dtype for torch's name of it. Raises ``ValueError``."""
        return self.module().dtype(_without_torch(name))

    def module(self) -> Any:
        """``_worker.default_torch`` or ``_worker.default_numpy``. Raises ``ImportError`` if the
        library cannot be imported.
        """
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._import, name=f"import {self._library}")
                self._thread.start()
        while self._thread.is_alive():
            self._thread.join(0.1)  # in short waits, so that an interrupt gets through soon
        if self._error is not None:
            reason = f"{type(self._error).__name__}: {self._error}"
            raise ImportError(f"{self._library} cannot be imported: {reason}") from self._error
        return self._module

    def _import(self) -> None:
        try:
            self._module = importlib.import_module(f"._worker.default_{self._library}", __package__)
        except BaseException as error:  # to be reported by the command that asked
            self._error = error


def _answer_text(command: str, text: str = "", /) -> str:
    return _TEXT_COMMANDS[command](text)


def _without_torch(name: str) -> str:
    return name[len("torch.") :] if name.startswith("torch.") else name


def _operator(
    command: str, operands: Sequence[Any], keywords: Mapping[str, Any]
) -> Optional[Callable[..., Any]]:
    """Python's operator for this command, if there is one and the operands are just tensors and numbers."""
    if keywords or not all(
        isinstance(one, (Tag, int, float, complex)) or _is_tensor(one) for one in operands
    ):
        return None
    operators: Dict[int, Dict[str, Callable[..., Any]]] = {1: _UNARY, 2: _BINARY}
    return operators.get(len(operands), {}).get(command.lower())


def _leaves(result: Any) -> Iterator[Any]:
    """The items of a tuple or list that has tensors in it, at any depth; anything else is one leaf."""
    if isinstance(result, (tuple, list)) and _has_tensor(result):
        for item in cast("Sequence[Any]", result):
            yield from _leaves(item)
    else:
        yield result


def _has_tensor(result: Any) -> bool:
    return any(_has_tensor(item) if isinstance(item, (tuple, list)) else _is_tensor(item) for item in result)


def _is_tensor(value: Any) -> bool:
    return hasattr(
        value, "item"
    )  # tensors of torch and numpy have it, and nothing else that a function returns


def _text(value: Any) -> str:
    if _is_tensor(value):
        return str(value.item())
    return str([*cast("Sequence[Any]", value)]) if isinstance(value, tuple) else str(value)


def main() -> None:
    """Serves the session named on the command line until it ends."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tech_renaissance.default_server SESSION_ID")
    DefaultServer().run(sys.argv[1])


if __name__ == "__main__":
    main()
