"""Checks the options of a session when they are given, so that no thread of ours is
the first to stumble over one.

All functions raise LocalProtocolError ``bad_option``, which says what would be right.
"""

import dataclasses
import os
from typing import Any, Dict, Mapping, NoReturn, Optional, cast

from .._base.durations import option_seconds
from .._base.errors import LocalProtocolError
from .._base.tensor import choose_library
from .._process.command_line import check_variable
from .._process.output import Output
from .coroutines import refuse_coroutine
from .options import RESTARTS, CancelPatience, Options, RestartPolicy


def checked(options: Options) -> Options:
    """A user's options in the form that the rest of a session expects. Life and its parts check those that an
    environment variable may give instead.
    """
    choose_library(options.library)
    return dataclasses.replace(
        options,
        script_path=path_text("script_path", options.script_path) or "",
        environment=_environment(options.environment),
        output=_output(options.output),
        poll_ms=_text("poll_ms", options.poll_ms),
        patience=_patience(options.patience),
        restart=_restart(options.restart),
        restart_policy=_policy(options.restart_policy),
    )


def path_text(name: str, path: object) -> Optional[str]:
    """A path as text, or None."""
    text: Any = path
    if isinstance(path, os.PathLike):
        text = os.fspath(cast("os.PathLike[Any]", path))
    if text is not None and not isinstance(text, str):
        _refuse(name, "a path, as a str", text)
    return text


def _patience(patience: object) -> CancelPatience:
    """Each step from 0 to a century."""
    if not isinstance(patience, CancelPatience):
        _refuse("patience", "a CancelPatience(notice_ms, interrupt_ms, terminate_ms)", patience)
    return CancelPatience(
        *(1000 * option_seconds(f"patience.{name}", ms) for name, ms in patience._asdict().items())
    )


def _policy(policy: object) -> RestartPolicy:
    """Each duration from 0 to a century."""
    if not isinstance(policy, RestartPolicy):
        _refuse("restart_policy", "a RestartPolicy(first_backoff_ms, max_backoff_ms, ...)", policy)
    limit: Any = policy.limit
    if not isinstance(limit, int) or limit < 0:
        _refuse("restart_policy.limit", "a number of restarts, 0 or more", limit)
    return RestartPolicy(
        1000 * option_seconds("restart_policy.first_backoff_ms", policy.first_backoff_ms),
        1000 * option_seconds("restart_policy.max_backoff_ms", policy.max_backoff_ms),
        limit,
        option_seconds("restart_policy.window_s", policy.window_s, 1),
        bool(policy.keep_tags),
    )


def _restart(restart: object) -> str:
    """One of RESTARTS."""
    if restart not in RESTARTS:
        _refuse("restart", "'never' or 'on-crash'", restart)
    return cast("str", restart)


def _text(name: str, text: object) -> Optional[str]:
    """A text, or None."""
    if text is not None and not isinstance(text, str):
        _refuse(name, "a str", text)
    return text


def _output(output: object) -> Optional[Output]:
    """A function, a text, or None."""
    if not callable(output):
        return path_text("output", output)
    refuse_coroutine("output", output)
    return cast("Output", output)


def checked_hook(hook: object) -> Any:
    """A function, or None."""
    if hook is not None and not callable(hook):
        _refuse("on_restart", "a function of the session", hook)
    refuse_coroutine("on_restart", hook)
    return hook


def _environment(environment: object) -> Dict[str, str]:
    """A dict from texts to texts."""
    if not isinstance(environment, Mapping):
        _refuse("environment", "a dict of variables", environment)
    variables = dict(cast("Mapping[Any, Any]", environment))
    for name, value in variables.items():
        if not isinstance(name, str) or not isinstance(value, str):
            _refuse("environment", "a dict of texts by texts", {name: value})
        check_variable(name, value)
    return variables


def _refuse(name: str, what: str, value: object) -> NoReturn:
    raise LocalProtocolError("bad_option", f"{name} is {what}, not {value!r}")
