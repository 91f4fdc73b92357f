"""The worker of calls whose commands are coroutines."""

from tech_renaissance import command, serve


@command
async def greet(name: str) -> str:
    """As in value_worker.py."""
    return f"Hello {name}"


if __name__ == "__main__":
    serve(greet)
