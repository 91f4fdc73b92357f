"""Threads of a host that come late: one that ends a worker when another has replaced it.

The Python host in this process; tests/cpp/unit/host has the same for C++.
"""

from typing import Any, Callable

import pytest
from gates import Gate

from tech_renaissance import WorkerLost
from tech_renaissance._host.ladder import TERMINATE_LADDER

Maker = Callable[..., Any]

# What is late is made so in this process.
pytestmark = pytest.mark.parametrize("host", ["python"], indirect=True)


@pytest.mark.above_transports
def test_the_end_of_a_replaced_worker_leaves_its_successor_alone(start: Maker, gate: Gate) -> None:
    """And the calls in line for it."""
    session = start("value_calls.py", quiet_mode=True)
    replaced = session._life.worker
    with pytest.raises(WorkerLost):
        session.call("die")
    session.start()
    first = session.submit("wait", gate.path)
    gate.wait_for_arrival()
    others = [session.submit("same", number) for number in range(300)]
    replaced.stop(TERMINATE_LADDER, "too late")
    gate.open()
    assert first.result(60_000) is None
    assert list(range(300)) == [future.result(60_000) for future in others]
