"""Go on after a worker hung, and after it crashed."""

from pathlib import Path

import numpy as np

from tech_renaissance import PythonSession, TechRenaissanceError

WORKERS = Path(__file__).resolve().parents[1] / "workers"


def main() -> None:
    """Each time a new worker takes the place of the old one."""
    with PythonSession(WORKERS / "fragile_worker.py", "recovery", quiet_mode=True) as session:
        numbers = np.array([1, 2, 3], np.float32)
        for command in ("hang", "crash"):
            try:
                session.call(command, timeout_ms=200)
            except TechRenaissanceError as error:
                print(f"{command}: {error.code}")
                session.terminate()
                session.start()
                result = session.call("double", numbers)
                print(f"a new worker doubled the numbers: {', '.join(f'{x:g}' for x in result)}")


if __name__ == "__main__":
    main()
