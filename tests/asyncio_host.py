"""The asyncio host (loop_thread.py) for tests."""

import pytest
from hosts import HOSTS

# For tests that run with this host as well.
asyncio_too = pytest.mark.parametrize("host", [*HOSTS, "asyncio"], indirect=True)
