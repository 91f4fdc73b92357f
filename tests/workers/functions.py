"""A worker without a class."""

from typing import Any, List, Optional

from tech_renaissance import command, current_server, serve


def greet(name: str, times: int = 1) -> str:
    """Greet someone."""
    return " ".join([f"hi {name}"] * times)


def total(x: Any) -> float:
    return float(x.sum())


def look() -> List[Optional[bool]]:
    server = current_server()
    return [server.cancelled, server.remaining_s is not None]


def forgotten() -> None: ...


if __name__ == "__main__":
    serve(greet, total, look, command(lambda x: 2 * x, name="double"), library="numpy")
