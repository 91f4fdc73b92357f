"""The asyncio host (loop_thread.py) for tests."""

from typing import Any

import pytest
from hosts import HOSTS

# For tests that run with this host as well: over shared memory, where it is fast.
asyncio_too = pytest.mark.parametrize("host", [*HOSTS, "asyncio"], indirect=True)
# The others are of Python alone.
python_hosts = pytest.mark.parametrize("host", ["python", "asyncio"], indirect=True)


def asyncio_everywhere(test: Any) -> Any:
    """For tests that run with it over files, too."""
    return pytest.mark.asyncio_over_files(asyncio_too(test))
