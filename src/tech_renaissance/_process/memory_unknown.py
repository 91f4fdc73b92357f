"""memory_linux.py for systems that do not report these things."""

from typing import Dict, Optional


def peak_nbytes(pid: int) -> Optional[int]:
    """Nothing is known."""
    del pid
    return None


def out_of_memory_kills(pid: int) -> Dict[str, int]:
    """Nothing is known."""
    del pid
    return {}


def have_grown(before: Dict[str, int]) -> bool:
    """Nothing is known."""
    del before
    return False


def process_state(pid: int) -> str:
    """Nothing is known."""
    del pid
    return ""
