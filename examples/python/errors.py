"""Every failure is one typed error with a stable code."""

from pathlib import Path
from typing import Callable

import numpy as np

from tech_renaissance import PythonSession, TechRenaissanceError, import_tsr

WORKERS = Path(__file__).resolve().parents[1] / "workers"


def show(action: Callable[[], object]) -> None:
    """Print the type, the code and the first line of what an action raises."""
    try:
        action()
    except TechRenaissanceError as error:
        print(f"{type(error).__name__} {error.code}: {str(error).splitlines()[0]}")


def main() -> None:
    """Provoke one error after the other; the session stays usable."""
    show(lambda: PythonSession("default", "../escape"))
    show(lambda: PythonSession("missing_worker.py", "errors").start())
    show(lambda: import_tsr(WORKERS / "fragile_worker.py"))

    session = PythonSession(WORKERS / "fragile_worker.py", "errors", quiet_mode=True)
    show(lambda: session.call("double", 1))
    session.start()
    show(lambda: session.send_tensor(np.zeros(3), "result_0"))
    show(lambda: session.call("double", {1, 2}))
    show(lambda: session.call("double", "two"))
    show(lambda: session.call("doubel", np.zeros(3)))
    show(lambda: session.call("raise", "you"))
    show(lambda: session.call("hang", timeout_ms=200))

    session.terminate()
    session.start()
    show(lambda: session.call("crash"))
    session.close()


if __name__ == "__main__":
    main()
