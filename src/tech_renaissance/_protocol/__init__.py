"""Bytes to values and back, and which frame may come next. No I/O, no clock."""
