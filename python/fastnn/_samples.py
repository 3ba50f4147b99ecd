"""Samples: what an op's tests, gradient checks and benchmarks call it with, told as shapes and ranges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Floats:
    """An array of floats, uniform in [low, high); `away` keeps values at least that far from every kink."""

    shape: tuple[int, ...]
    low: float = -3.0
    high: float = 3.0
    kinks: tuple[float, ...] = ()

    def make(self, rng: np.random.Generator, dtype: Any) -> Array:
        """The array; values within 0.05 of a kink are pushed off it, so that differences across it make sense."""
        x = rng.uniform(self.low, self.high, self.shape)
        for k in self.kinks:
            x = np.where(np.abs(x - k) < 0.05, k + np.where(x < k, -0.05, 0.05) * 2, x)
        return np.asarray(x, dtype)


@dataclass(frozen=True)
class Integers:
    """An int64 array, uniform in [low, high)."""

    shape: tuple[int, ...]
    low: int = 0
    high: int = 10

    def make(self, rng: np.random.Generator, dtype: Any) -> Array:
        """The array; its dtype is always int64."""
        return np.asarray(rng.integers(self.low, self.high, self.shape))


@dataclass(frozen=True)
class Booleans:
    """A bool array."""

    shape: tuple[int, ...]

    def make(self, rng: np.random.Generator, dtype: Any) -> Array:
        """The array."""
        return np.asarray(rng.integers(0, 2, self.shape).astype(bool))


@dataclass(frozen=True)
class Made:
    """An array that a function of the generator makes (probabilities, distinct values ...)."""

    function: Callable[[np.random.Generator], Array]

    def make(self, rng: np.random.Generator, dtype: Any) -> Array:
        """The function's array in the wanted dtype."""
        return np.asarray(self.function(rng), dtype)


@dataclass(frozen=True)
class Sample:
    """One call: specifications of the inputs (a list for a variadic one, None for an absent one) and attributes."""

    inputs: tuple[Any, ...]
    attributes: dict[str, Any] = field(default_factory=dict)

    def make(self, rng: np.random.Generator, dtype: Any) -> tuple[list[Any], dict[str, Any]]:
        """Arrays for the inputs, and the attributes as a user would write them."""

        def one(spec: Any) -> Any:
            if isinstance(spec, list):
                return [one(s) for s in spec]
            return spec.make(rng, dtype) if hasattr(spec, "make") else spec

        return [one(s) for s in self.inputs], dict(self.attributes)


def sample(*inputs: Any, **attributes: Any) -> Sample:
    """A Sample; a bare tuple of ints means Floats of that shape.

    >>> sample((3, 4), Integers((3,)), axis=1).inputs[0]
    Floats(shape=(3, 4), low=-3.0, high=3.0, kinks=())
    """

    def spec(s: Any) -> Any:
        if isinstance(s, list):
            return [spec(i) for i in s]
        return Floats(s) if isinstance(s, tuple) else s

    return Sample(tuple(spec(s) for s in inputs), attributes)
