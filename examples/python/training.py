"""Watch a training run, end one early and keep what it has learnt, and cancel one."""

from pathlib import Path

import numpy as np

from tech_renaissance import CallCancelled, Progress, PythonSession

WORKERS = Path(__file__).resolve().parents[1] / "workers"
ENDLESS = 10**12


def main() -> None:
    """Three runs. What is heard of their progress is heard by the thread that waits."""
    x = np.linspace(-1, 1, 50)
    y = 3 + 2 * x
    with PythonSession(WORKERS / "regression_worker.py", "training") as session:

        def show(progress: Progress) -> None:
            if progress.fraction == 1:
                print(f"all {progress.done:.0f} steps: {progress.message}")

        line = session.call("train", x, y, 300, on_progress=show)
        print(f"y = {line['offset']:.2f} + {line['slope']:.2f} x")

        # Stop: the handler finishes early, and its result counts.
        def stop(progress: Progress) -> None:
            if progress.done >= 300:
                future.stop()

        future = session.submit("train", x, y, ENDLESS, on_progress=stop)
        line = future.result()
        print(f"stopped early: y = {line['offset']:.2f} + {line['slope']:.2f} x")

        # Cancel: the call is over, and has no result.
        future = session.submit("train", x, y, ENDLESS, on_progress=lambda _: future.cancel())
        try:
            future.result()
        except CallCancelled as error:
            print(error.code)


if __name__ == "__main__":
    main()
