"""What the networks ask of their arguments."""

from __future__ import annotations

import operator
from typing import Any


def positive(name: str, value: Any) -> int:
    """A positive whole number."""
    try:
        n = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} wants whole numbers; got {value!r}") from None
    if n < 1:
        raise ValueError(f"{name} wants positive numbers; got {value}")
    return n
