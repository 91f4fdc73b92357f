"""A worker's commands by their names, and the functions that it may call in turn: what
PythonSession and AsyncSession share.
"""

from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Type, TypeVar, Union, overload

from ._host.fast_caller import FastCaller
from ._host.future import Future, convert_value
from ._host.stream import Stream, convert_values

if TYPE_CHECKING:
    from ._host.server_types import ResultType, ServerTypes

_Server = TypeVar("_Server")


class CommandAccess:
    """Base of ValueCalls and AsyncValueCalls."""

    _caller: FastCaller

    def expose(self, name: str, function: Optional[Callable[..., Any]]) -> None:
        """Let handlers of the worker call a function of this program: ``self.host.name(...)``; None:
        no longer. It runs in the thread that waits for the handler's call, or in the task that
        awaits it, its hints convert its arguments, and what it raises is raised in the handler.
        While it runs, it may not wait for this session (LocalProtocolError
        ``would_wait_for_itself``), unless the worker has coroutines.

        Raises LocalProtocolError ``bad_message`` for a name that cannot be called.
        """
        self._caller.exposed.expose(name, function)

    @property
    def commands(self) -> "Commands":
        """The worker's commands as attributes: ``session.commands.matmul(a, b)`` is
        ``session.call("matmul", a, b)``.
        """
        return Commands(self, {})

    @overload
    def typed(self, server: Type[_Server], **options: Any) -> _Server: ...
    @overload
    def typed(self, server: str, **options: Any) -> Any: ...
    def typed(self, server: Union[Type[_Server], str], **options: Any) -> Any:
        """The worker's commands with their types: ``session.typed(Calculator).matmul(a, b)`` is
        checked as a call of that class's method, and is ``session.call("matmul", a, b)``. What a
        method's hint says is what its result is: a record, an enum, a tuple; a result that cannot
        become that is CommandError ``wrong_type``.

        ``server``: the worker's class, or a Protocol with the methods' signatures. It may be imported under
        ``TYPE_CHECKING`` and given as a string, of which nothing is known when the program runs: its methods
        are called by their own names, whatever ``@command(name=...)`` says, and results are what arrives.
        ``options``: for all these calls, also ``timeout_ms``.
        """
        if isinstance(server, str):
            return Commands(self, options)
        from ._host.server_types import types_of_server  # here, because other hosts need none of it

        return Commands(self, options, types_of_server(server))


class Commands:
    """A worker's commands as attributes. Each is a function, which also has ``submit`` and ``stream``.
    ``types``: what is known of them.
    """

    def __init__(self, calls: Any, options: Dict[str, Any], types: "Optional[ServerTypes]" = None) -> None:
        self._calls = calls
        self._options = options
        self._types = types

    def __getattr__(self, name: str) -> "Command":
        """The command of that name, whether the worker has it or not."""
        if name.startswith("__"):
            raise AttributeError(name)
        types = self._types
        if types is None:
            return Command(self._calls, name, self._options)
        return Command(self._calls, types.name_of(name), self._options, types.result_of(name))


class Command:
    """One command of a worker, to be called. ``result_type``: what its results become. See ValueCalls."""

    def __init__(
        self, calls: Any, name: str, options: Dict[str, Any], result_type: "Optional[ResultType]" = None
    ) -> None:
        self._calls = calls
        self._name = name
        self._options = options
        self._type = result_type

    def __repr__(self) -> str:
        """Shows its name."""
        return f"<command {self._name!r}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """See ValueCalls.call."""
        result = self._calls.call(self._name, *args, **{**self._options, **kwargs})
        return self._type.of(result) if self._type else result

    def stream(self, *args: Any, **kwargs: Any) -> Stream:
        """See ValueCalls.stream."""
        stream = self._calls.stream(self._name, *args, **{**self._options, **kwargs})
        if self._type:
            convert_values(stream, self._type.item, self._type.last)
        return stream

    def submit(self, *args: Any, **kwargs: Any) -> Future:
        """See ValueCalls.submit."""
        options = {name: value for name, value in self._options.items() if name != "timeout_ms"}
        future = self._calls.submit(self._name, *args, **{**options, **kwargs})
        if self._type:
            convert_value(future, self._type.value)
        return future
