"""Scaling of features by statistics of the training data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from .._registry import state
from ._arrays import Array, array_of, like

Self = TypeVar("Self", bound="_Scaler")
BLOCK_BYTES = 1 << 20


class _Scaler(ABC):
    """What both scalers share: statistics per feature in float64, applied block by block, kept by name."""

    _statistics: tuple[str, str]

    def fit(self: Self, x: Any) -> Self:
        """Take the statistics of `x` and return the scaler itself.

        Parameters
        ----------
        x : array_like or Tensor of shape (n, ...)
            Rows of features.

        Raises
        ------
        TypeError
            For anything that is no array of numbers.
        ValueError
            If there are no rows, or values that are not finite.
        """
        array = self._rows(x)
        if not len(array):
            raise ValueError(f"{type(self).__name__}: x wants at least one row; got shape {array.shape}")
        low, high = array.min(axis=0), array.max(axis=0)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):  # NaN passes through min
            raise ValueError(f"{type(self).__name__}: x wants finite values; got NaN or infinity")
        self._fit(array, low.astype(np.float64), high.astype(np.float64))
        return self

    def state_dict(self) -> dict[str, Any]:
        """The statistics as plain numbers and lists, which ``json.dumps`` takes and gives back exactly."""
        return {name: self._fitted(name).tolist() for name in self._statistics}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take statistics that `state_dict` gave.

        Parameters
        ----------
        state_dict : mapping
            By name; lists or arrays.

        Raises
        ------
        ValueError
            If names are missing or unknown, or values are no finite numbers of one shape, or divisors not above 0.
        """
        if set(state_dict) != set(self._statistics):
            raise ValueError(
                f"{type(self).__name__}: state_dict wants {', '.join(self._statistics)}; got {', '.join(state_dict)}"
            )
        values = [np.asarray(state_dict[name], np.float64) for name in self._statistics]
        if values[0].shape != values[1].shape or not np.isfinite(values).all() or not (values[1] > 0).all():
            wanted = f"finite numbers of one shape, {self._statistics[1]} above 0"
            raise ValueError(f"{type(self).__name__}: state_dict wants {wanted}")
        for name, value in zip(self._statistics, values, strict=True):
            setattr(self, name, value)

    def fit_transform(self, x: Any) -> Any:
        """``fit(x)``, then ``transform(x)``."""
        return self.fit(x).transform(x)

    @abstractmethod
    def transform(self, x: Any) -> Any:
        """Scale `x` by the statistics."""

    @abstractmethod
    def _fit(self, x: Array, low: Array, high: Array) -> None:
        """Set the statistics."""

    def _rows(self, x: Any) -> Array:
        """The argument as an array of rows."""
        array = array_of(f"{type(self).__name__}: x", x)
        if array.ndim == 0:
            raise ValueError(f"{type(self).__name__}: x wants rows of features; got a single number")
        return array

    def _fitted(self, name: str) -> Array:
        """A statistic, once there is one."""
        value: Array | None = getattr(self, name)
        if value is None:
            raise ValueError(f"{type(self).__name__} has no statistics yet; call fit or load_state_dict first")
        return value

    def _apply(self, x: Any, formula: Callable[[Array], Array]) -> Any:
        """The formula over blocks of rows, in float64; the result keeps float dtypes, integers get the default one."""
        array = self._rows(x)
        wanted = self._fitted(self._statistics[0]).shape
        if array.shape[1:] != wanted:
            axes = ", ".join(map(str, ("n", *wanted)))
            raise ValueError(f"{type(self).__name__}: x wants shape ({axes}); got {array.shape}")
        out = np.empty_like(array, dtype=array.dtype if array.dtype.kind == "f" else state.default_dtype)
        for rows in _blocks(array):
            out[rows] = formula(array[rows])
        return like(x, out)


class StandardScaler(_Scaler):
    r"""Scale features to mean 0 and variance 1: :math:`(x - \mu) / \sigma`.

    Statistics are taken over rows, with :math:`\sigma^2` the mean square deviation; features that do not vary are only
    shifted, to 0. All is worked out in float64; float arrays keep their dtype, integers get the default one.

    Parameters
    ----------
    with_mean : bool, default True
        Whether features are shifted; else :math:`\mu` is taken as 0, but for :math:`\sigma`.
    with_std : bool, default True
        Whether features are scaled; else :math:`\sigma` is taken as 1.

    Attributes
    ----------
    mean, scale : numpy.ndarray of float64, or None before `fit`
        :math:`\mu` and :math:`\sigma` of each feature; 1 for features that do not vary.

    Examples
    --------
    >>> import fastnn, numpy
    >>> scaler = fastnn.data.StandardScaler().fit(numpy.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> scaler.transform(numpy.array([[5.0, 5.0]]))
    array([[3., 0.]])
    >>> scaler.state_dict()
    {'mean': [2.0, 5.0], 'scale': [1.0, 1.0]}
    """

    _statistics = ("mean", "scale")

    def __init__(self, *, with_mean: bool = True, with_std: bool = True) -> None:
        self.with_mean, self.with_std = bool(with_mean), bool(with_std)
        self.mean: Array | None = None
        self.scale: Array | None = None

    def transform(self, x: Any) -> Any:
        """Scale `x` by the statistics; shape and kind (array or Tensor) stay.

        Parameters
        ----------
        x : array_like or Tensor of shape (n, ...)
            Rows of the same features as in `fit`.

        Raises
        ------
        ValueError
            Before `fit`, or for features of another shape.
        """
        mean, scale = self._fitted("mean"), self._fitted("scale")
        return self._apply(x, lambda rows: (rows - mean) / scale)

    def inverse_transform(self, x: Any) -> Any:
        """Undo `transform`; the same parameters and errors."""
        mean, scale = self._fitted("mean"), self._fitted("scale")
        return self._apply(x, lambda rows: rows * scale + mean)

    def _fit(self, x: Array, low: Array, high: Array) -> None:
        constant = low == high
        mean = np.where(constant, low, x.mean(axis=0, dtype=np.float64))
        self.mean, self.scale = mean if self.with_mean else np.zeros_like(mean), np.ones_like(mean)
        if self.with_std:
            squares = sum(np.square(x[rows] - mean).sum(axis=0) for rows in _blocks(x))
            self.scale = np.where(constant, 1.0, np.sqrt(squares / len(x)))


class MinMaxScaler(_Scaler):
    r"""Scale features to a range: :math:`a + (b - a) (x - \min) / (\max - \min)`.

    Statistics are taken over rows; features that do not vary go to the lower bound. All is worked out in float64; float
    arrays keep their dtype, integers get the default one.

    Parameters
    ----------
    feature_range : tuple of two floats, default (0, 1)
        The bounds :math:`a < b`. They are not part of the state_dict.
    clip : bool, default False
        Whether what `transform` makes of values beyond the extremes is cut off at the bounds; not in the state_dict.

    Attributes
    ----------
    minimum, extent : numpy.ndarray of float64, or None before `fit`
        The least value of each feature, and the greatest less the least; 1 for features that do not vary.

    Raises
    ------
    ValueError
        If the bounds are not in order.

    Examples
    --------
    >>> import fastnn, numpy
    >>> scaler = fastnn.data.MinMaxScaler()
    >>> scaler.fit_transform(numpy.array([[1.0], [2.0], [5.0]])).ravel()
    array([0.  , 0.25, 1.  ])
    """

    _statistics = ("minimum", "extent")

    def __init__(self, feature_range: tuple[float, float] = (0.0, 1.0), *, clip: bool = False) -> None:
        low, high = feature_range
        if not low < high:
            raise ValueError(f"MinMaxScaler: feature_range wants two bounds in order; got {feature_range}")
        self.feature_range = (float(low), float(high))
        self.clip = bool(clip)
        self.minimum: Array | None = None
        self.extent: Array | None = None

    def transform(self, x: Any) -> Any:
        """Scale `x` by the statistics; shape and kind (array or Tensor) stay.

        Parameters
        ----------
        x : array_like or Tensor of shape (n, ...)
            Rows of the same features as in `fit`; values beyond the extremes seen there leave the range, unless `clip`.

        Raises
        ------
        ValueError
            Before `fit`, or for features of another shape.
        """
        minimum, extent, (low, high) = self._fitted("minimum"), self._fitted("extent"), self.feature_range
        bounds = (low, high) if self.clip else (-np.inf, np.inf)
        return self._apply(x, lambda rows: np.clip((rows - minimum) / extent * (high - low) + low, *bounds))

    def inverse_transform(self, x: Any) -> Any:
        """Undo `transform`; the same parameters and errors."""
        minimum, extent, (low, high) = self._fitted("minimum"), self._fitted("extent"), self.feature_range
        return self._apply(x, lambda rows: (rows - low) / (high - low) * extent + minimum)

    def _fit(self, x: Array, low: Array, high: Array) -> None:
        self.minimum, self.extent = low, np.where(low == high, 1.0, high - low)


def _blocks(x: Array) -> Iterator[slice]:
    """Slices of rows that make about a megabyte, so that float64 temporaries stay small."""
    step = max(1, BLOCK_BYTES // max(1, 8 * (x.size // max(1, len(x)))))
    return (slice(start, start + step) for start in range(0, len(x), step))
