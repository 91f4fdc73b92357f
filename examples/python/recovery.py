"""Go on after a worker hung, and after it crashed."""

from pathlib import Path

import numpy as np

from tech_renaissance import PythonSession, TechRenaissanceError

WORKERS = Path(__file__).resolve().parents[1] / "workers"


def main() -> None:
    """A tensor sent under a tag outlives the worker; only the request is sent again."""
    with PythonSession(WORKERS / "fragile_worker.py", "recovery", quiet_mode=True) as session:
        session.send_tensor(np.array([1, 2, 3], np.float32), "input_a")
        for command in ("hang", "crash"):
            try:
                session.fetch_tensor(command, 200)
            except TechRenaissanceError as error:
                print(f"{command}: {error.code}")
                session.terminate()
                session.start()
                result = session.fetch_tensor("double input_a")
                print(f"a new worker doubled the tensor: {', '.join(f'{x:g}' for x in result)}")


if __name__ == "__main__":
    main()
