"""The commands that every worker has: ``describe`` and ``help``. Contract: spec/protocol.md, Typed calls."""

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from .command_table import Command
from .reply import Refusal
from .unknown import unknown_text


def built_in(
    name: str,
    commands: Mapping[str, Command],
    others: Sequence[str],
    find: Callable[[str], Optional[Command]],
) -> Command:
    """The built-in command of that name, for a worker with these commands. ``others``: the names of those
    that ``find`` finds, and of what its ``main_logic`` knows, as far as it says so.
    """

    def describe() -> Dict[str, Any]:
        """What this worker can do, for programs."""
        found = {other: find(other) for other in others}
        known = [*commands.values(), *filter(None, found.values())]
        described: Dict[str, Any] = {"commands": [_described(command) for command in known]}
        unknown = [other for other, command in found.items() if command is None]
        if unknown:
            described["others"] = unknown
        return described

    def help(command: str = "") -> str:  # noqa: A001 - as it is called
        """What this worker can do, for people; with the name of a command, all about that."""
        if not command:
            return _help(commands, others)
        known = commands.get(command) or find(command)
        if known is None:
            raise Refusal("unknown_command", unknown_text(command, [*commands, *others]))
        return _help_on(known)

    return Command(name, {"describe": describe, "help": help}[name], name)


def _described(command: Command) -> Dict[str, Any]:
    return {
        "name": command.name,
        "signature": command.binder.signature,
        "doc": command.doc,
        "parameters": command.binder.described(),
    }


def _help(commands: Mapping[str, Command], others: Sequence[str]) -> str:
    lines: List[str] = []
    for command in commands.values():
        lines.append(command.binder.signature)
        lines += [f"    {line}" for line in command.doc.splitlines()[:1]]
    if others:
        lines.append(f"also: {', '.join(others)}")
    return "\n".join(lines) or "this worker does not say what it can do"


def _help_on(command: Command) -> str:
    lines = [command.binder.signature, *(f"    {line}".rstrip() for line in command.doc.splitlines())]
    for name, reason in command.binder.unreadable.items():
        lines.append(f"    What cannot be read in the hint of {name} counts as no hint: {reason}")
    return "\n".join(lines)
