"""Data sets to train on: one that comes with fastnn, and readers of files."""

from __future__ import annotations

from ._digits import digits
from ._idx import read_idx
from ._mnist import mnist

__all__ = ["digits", "mnist", "read_idx"]
