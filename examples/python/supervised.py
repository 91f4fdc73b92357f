"""End calls that take too long, cancel one, and let a crashed worker be replaced."""

import threading
from pathlib import Path

import numpy as np

from tech_renaissance import CallCancelled, PythonSession, TimedOut, WorkerLost

WORKERS = Path(__file__).resolve().parents[1] / "workers"
WEIGHTS = np.array([2, 3, 4], np.float32)


def load(session: PythonSession) -> None:
    """Give a worker what it must have before it serves."""
    session.call("load", WEIGHTS)
    print("the weights are loaded")


def main() -> None:
    """The same session goes on through all of it."""
    script = WORKERS / "model_worker.py"
    with PythonSession(script, "supervised", True, restart="on-crash", on_restart=load) as session:
        load(session)

        # A command that sleeps is interrupted at its deadline. Its worker lives on.
        try:
            session.call("wait", deadline_ms=100)
        except TimedOut as error:
            print(f"wait: {error.code}, by {error.step}")

        # One that looks at self.cancelled needs only to be told.
        try:
            session.call("train", deadline_ms=100)
        except TimedOut as error:
            print(f"train: {error.code}, by {error.step}")

        # Any thread may cancel.
        future = session.submit("train")
        threading.Timer(0.1, future.cancel).start()
        try:
            future.result()
        except CallCancelled as error:
            print(f"train: {error.code}")

        # A crash costs the call that it happened in. The next one waits for the new worker, and load for it.
        try:
            session.call("crash")
        except WorkerLost as error:
            if error.post_mortem:  # else its process has not ended
                print(f"{error.post_mortem.message}: {error.code}, {error.post_mortem.signal}")
        result = session.call("predict", np.array([1, 1, 2], np.float32))
        print(f"prediction: {', '.join(f'{x:g}' for x in result)}")


if __name__ == "__main__":
    main()
