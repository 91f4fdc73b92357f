"""End calls that take too long, cancel one, and let a crashed worker be replaced."""

from pathlib import Path

import numpy as np

from tech_renaissance import CallCancelled, PythonSession, TimedOut, WorkerLost

WORKERS = Path(__file__).resolve().parents[1] / "workers"


def load(session: PythonSession) -> None:
    """Give a worker what it must have before it serves. The tensor under the tag is there again by itself."""
    session.fetch_response("load weights")
    print("the weights are loaded")


def main() -> None:
    """The same session goes on through all of it."""
    script = WORKERS / "model_worker.py"
    with PythonSession(script, "supervised", True, restart="on-crash", on_restart=load) as session:
        session.send_tensor(np.array([2, 3, 4], np.float32), "weights")
        session.send_tensor(np.array([1, 1, 2], np.float32), "x")
        load(session)

        # A handler that sleeps is interrupted at its deadline. Its worker lives on.
        try:
            session.fetch_response("wait", deadline_ms=100)
        except TimedOut as error:
            print(f"wait: {error.code}, by {error.step}")

        # A handler that looks at self.cancelled needs only to be told. Any thread may cancel.
        session.send_request("train")
        session.cancel()
        try:
            session.wait_for_response()
        except CallCancelled as error:
            print(f"train: {error.code}, by {error.step}")

        # A crash costs the call that it happened in. The next one waits for the new worker, and load for it.
        try:
            session.fetch_response("crash")
        except WorkerLost as error:
            if error.post_mortem:  # else its process has not ended
                print(f"{error.post_mortem.message}: {error.code}, {error.post_mortem.signal}")
        result = session.fetch_tensor("predict x")
        print(f"prediction: {', '.join(f'{x:g}' for x in result)}")


if __name__ == "__main__":
    main()
