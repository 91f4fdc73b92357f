"""The checks of the files that end in _checks.py, on every interpreter that workers run on; and with torch."""

import subprocess
from typing import Callable

import binder_checks
import hint_checks
import named_hint_checks
import numpy as np
import pytest
import record_hint_checks

from tech_renaissance._protocol.hints import converter_of

FILES = (hint_checks, record_hint_checks, named_hint_checks, binder_checks)
CHECKS = [check for checks in FILES for check in checks.CHECKS]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__[len("check_") :])
def test_hints(check: Callable[[], None]) -> None:
    """What the check's sentence says."""
    check()


@pytest.mark.interpreters
def test_hints_mean_the_same_to_every_interpreter(worker_python: str) -> None:
    """From the oldest to the newest."""
    for checks in FILES:
        subprocess.run([worker_python, checks.__file__], check=True)


@pytest.mark.torch
def test_tensors_become_those_of_the_hinted_library() -> None:
    """And share their memory."""
    import torch

    array, tensor = np.zeros(2), torch.ones(2)
    assert converter_of(torch.Tensor)(tensor) is tensor
    assert converter_of(np.ndarray)(tensor).tolist() == [1, 1]
    converter_of(torch.Tensor)(array)[0] = 5
    assert array[0] == 5
    with pytest.raises(hint_checks.Mismatch, match="a tensor of shape"):
        converter_of(np.ndarray)(torch.ones(2, dtype=torch.bfloat16))
