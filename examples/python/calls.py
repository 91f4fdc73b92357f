"""Call a worker's commands as if they were functions."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tech_renaissance import CommandError, PythonSession

WORKERS = Path(__file__).resolve().parents[1] / "workers"


@dataclass
class Settings:
    """Sent as a dict."""

    rate: float = 0.1
    steps: int = 100


with PythonSession(WORKERS / "trainer_worker.py", "calls") as session:
    print(session.call("hello", "world"))

    scaled = session.call("scale", np.ones((2, 3), np.float32), by=2.5)
    print(f"scaled: {scaled[0, 0]}")

    x, y = [0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 7.0]
    line = session.call("train", x, y, Settings(rate=0.1, steps=1000))
    print(f"slope {line['slope']:g}, offset {line['offset']:g}")

    futures = [session.submit("train", x, y, Settings(steps=steps)) for steps in (1, 10, 100)]
    for future in futures:
        print(f"slope {future.result()['slope']:g}")

    try:
        session.call("train", x, y, settings={"rat": 0.1})
    except CommandError as error:
        print(error.code)
