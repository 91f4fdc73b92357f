"""What a worker does with memory that it frees."""

import os
import platform
import subprocess
import sys
from typing import Dict

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators are left alone")

# Prints the resident memory, in MB, after a large block was freed, and after memory was given back.
_PROGRAM = """
import os, sys
import numpy
from tech_renaissance._worker.allocator import give_back_memory, keep_freed_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

keep_freed_memory(os.environ)
before = resident()
block = numpy.ones(100 << 20, numpy.uint8)
del block
print(resident() - before)
give_back_memory()
print(resident() - before)
"""


def _resident(environment: Dict[str, str]) -> "tuple[int, int]":
    command = [sys.executable, "-c", _PROGRAM]
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout.split()
    return int(output[0]), int(output[1])


def test_freed_memory_is_kept_and_given_back(clean_environment: Dict[str, str]) -> None:
    """For the next allocation, which need not map it anew; and to the system when it is asked to."""
    kept, left = _resident(clean_environment)
    assert kept > 90
    assert left < 10


@pytest.mark.parametrize(
    "variables", [{"MALLOC_ARENA_MAX": "2"}, {"GLIBC_TUNABLES": "glibc.malloc.arena_max=2"}]
)
def test_what_the_user_says_comes_first(clean_environment: Dict[str, str], variables: Dict[str, str]) -> None:
    """Who sets the allocator's variables gets the allocator that they describe."""
    kept, _ = _resident({**clean_environment, **variables})
    assert kept < 10


@pytest.fixture
def clean_environment() -> Dict[str, str]:
    """This process's, without what concerns the allocator."""
    return {
        name: value
        for name, value in os.environ.items()
        if name != "GLIBC_TUNABLES" and not name.startswith("MALLOC_")
    }
