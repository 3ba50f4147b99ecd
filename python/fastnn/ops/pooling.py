"""Pooling: maxima and means over windows of images."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import Made, sample
from ._forms import whole
from ._pooling import (
    Windows,
    adaptive,
    adaptive_form,
    check_sliding,
    check_space,
    divisors,
    fold,
    lengths,
    product,
    sliding,
    sliding_form,
    spread,
    to_winners,
    winners,
)
from ._windows import Sizes

__all__ = [
    "adaptive_avg_pool",
    "adaptive_max_pool",
    "adaptive_max_pool_indices",
    "avg_pool",
    "max_pool",
    "max_pool_indices",
]

Array = np.ndarray[Any, Any]


def distinct(*shape: int) -> Made:
    """Values far enough from each other for differences across maxima to make sense."""
    return Made(lambda rng: rng.permutation(np.linspace(-3, 3, int(np.prod(shape)))).reshape(shape))


SLIDING = [
    sample(distinct(2, 3, 9), kernel_size=2),
    sample(distinct(2, 3, 8), kernel_size=3, stride=2, padding=1, ceil_mode=True),
    sample(distinct(2, 3, 6, 7), kernel_size=2),
    sample(distinct(2, 3, 7, 8), kernel_size=(3, 2), stride=(2, 1), padding=(1, 0)),
    sample(distinct(1, 20, 5, 5), kernel_size=3, stride=2, padding=1),
    sample(distinct(1, 2, 4, 5, 6), kernel_size=(2, 3, 2), stride=2, padding=(0, 1, 1), ceil_mode=True),
]
DILATED = [sample(distinct(2, 3, 9, 10), kernel_size=2, stride=(1, 3), padding=1, dilation=(3, 2))]
ADAPTIVE = [
    sample(distinct(2, 3, 7), output_size=3),
    sample(distinct(2, 3, 6, 8), output_size=(3, 4)),
    sample(distinct(2, 3, 5, 7), output_size=1),
    sample(distinct(2, 17, 3, 5), output_size=(None, 8)),
    sample(distinct(1, 2, 3, 4, 5), output_size=(2, 3, 4)),
]


def max_form(op: str) -> Any:
    def form(rank: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any) -> tuple[Any, ...]:
        return *sliding_form(op, rank, kernel_size, stride, padding, dilation), int(bool(ceil_mode))

    return form


def max_check(op: str) -> Any:
    def check(x: Any, *attributes: Any) -> None:
        check_sliding(op, x, *attributes)

    return check


def form_of_sizes(op: str) -> Any:
    return lambda rank, output_size: adaptive_form(op, rank, output_size)


def check_of_sizes(op: str) -> Any:
    return lambda x, output_size: check_space(op, x)


@op(
    saves="x",
    canonical=max_form("max_pool"),
    check=max_check("max_pool"),
    kind="window",
    samples=[*SLIDING, *DILATED],
)
def max_pool(
    x: Array, *, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: Any = 0
) -> Any:
    """The largest value of each window.

    Parameters
    ----------
    x : array or Tensor (samples, channels, *space), float32 or float64, with 1 to 3 axes of space
    kernel_size : int, or one for each axis
    stride : int, or one for each axis, optional
        From one window to the next; kernel_size by default.
    padding : int, or one for each axis
        How many values of -inf stand before and behind.
    dilation : int, or one for each axis
        From one value of a window to the next.
    ceil_mode : bool
        Whether a last window that reaches beyond the end counts.

    Returns
    -------
    array or Tensor (samples, channels, *windows) like x

    Raises
    ------
    TypeError, ValueError
        For other dtypes and shapes; where a window is larger than x, or has padding alone.

    Notes
    -----
    A window with a NaN gives NaN. The gradient goes to the first of equal values, or to the last NaN. Source:
    torch.nn.MaxPool2d.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.max_pool(np.array([[[1.0, 3.0, 2.0, 0.0]]]), kernel_size=2)
    array([[[3., 2.]]])
    """
    return largest(x, sliding(x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode))


def largest(x: Array, windows: Windows) -> Array:
    """The largest value of each window."""
    return fold(x, windows, lambda lines: lines.max(0))


@max_pool.backward
def _(dy: Array, x: Array, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: int) -> Any:
    return to_winners(dy, x, sliding(x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode))


@op(
    canonical=max_form("max_pool_indices"),
    check=max_check("max_pool_indices"),
    kind="index",
    samples=[*SLIDING, *DILATED],
)
def max_pool_indices(
    x: Array, *, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: Any = 0
) -> Any:
    """Where in its image, counted in C order over space, the largest value of each window is.

    Parameters
    ----------
    x : array or Tensor (samples, channels, *space), float32 or float64
    kernel_size, stride, padding, dilation, ceil_mode
        As for `max_pool`.

    Returns
    -------
    int64 array or Tensor (samples, channels, *windows)

    Raises
    ------
    TypeError, ValueError
        As `max_pool`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.max_pool_indices(np.array([[[1.0, 3.0, 2.0, 0.0]]]), kernel_size=2)
    array([[[1, 2]]])
    """
    return winners(x, sliding(x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode))


@op(
    saves="x",
    canonical=form_of_sizes("adaptive_max_pool"),
    check=check_of_sizes("adaptive_max_pool"),
    kind="window",
    samples=ADAPTIVE,
)
def adaptive_max_pool(x: Array, *, output_size: Any) -> Any:
    """The largest value of each of so many parts of nearly equal length.

    Parameters
    ----------
    x : array or Tensor (samples, channels, *space), float32 or float64, with 1 to 3 axes of space
    output_size : int or None, or one for each axis
        How many parts; None for as many as there are values. Part i of m of n values is floor(i n / m) up to
        ceil((i + 1) n / m).

    Returns
    -------
    array or Tensor (samples, channels, *output_size) like x

    Raises
    ------
    TypeError, ValueError
        For other dtypes and shapes.

    Notes
    -----
    Source: torch.nn.AdaptiveMaxPool2d.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.adaptive_max_pool(np.array([[[1.0, 3.0, 2.0]]]), output_size=2)
    array([[[3., 3.]]])
    """
    return largest(x, adaptive(x.shape[2:], output_size))


@adaptive_max_pool.backward
def _(dy: Array, x: Array, output_size: Sizes) -> Any:
    return to_winners(dy, x, adaptive(x.shape[2:], output_size))


@op(
    canonical=form_of_sizes("adaptive_max_pool_indices"),
    check=check_of_sizes("adaptive_max_pool_indices"),
    kind="index",
    samples=ADAPTIVE,
)
def adaptive_max_pool_indices(x: Array, *, output_size: Any) -> Any:
    """Where in its image, counted in C order over space, the largest value of each part is.

    Parameters
    ----------
    x : array or Tensor (samples, channels, *space), float32 or float64
    output_size : int or None, or one for each axis
        As for `adaptive_max_pool`.

    Returns
    -------
    int64 array or Tensor (samples, channels, *output_size)

    Raises
    ------
    TypeError, ValueError
        For other dtypes and shapes.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.adaptive_max_pool_indices(np.array([[[1.0, 3.0, 2.0]]]), output_size=2)
    array([[[1, 1]]])
    """
    return winners(x, adaptive(x.shape[2:], output_size))


def avg_form(
    rank: int, kernel_size: Any, stride: Any, padding: Any, ceil_mode: Any, count_include_pad: Any, divisor: Any
) -> tuple[Any, ...]:
    form = sliding_form("avg_pool", rank, kernel_size, stride, padding, 1)
    number = 0 if divisor is None else whole("divisor_override", divisor)
    return *form[:3], int(bool(ceil_mode)), int(bool(count_include_pad)), number


def check_avg(x: Any, kernel_size: Sizes, stride: Sizes, padding: Sizes, ceil_mode: int, *others: int) -> None:
    check_sliding("avg_pool", x, kernel_size, stride, padding, (1,) * len(kernel_size), ceil_mode)


@op(
    saves="x.shape",
    canonical=avg_form,
    check=check_avg,
    kind="window",
    samples=[
        *SLIDING,
        sample(distinct(2, 3, 7, 8), kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        sample(distinct(2, 3, 5, 4), kernel_size=2, stride=3, divisor_override=3),
    ],
    tol=Tol(4, 4, 4),
)
def avg_pool(
    x: Array,
    *,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: Any = 0,
    count_include_pad: Any = 1,
    divisor_override: Any = None,
) -> Any:
    """The mean of each window.

    Parameters
    ----------
    x : array or Tensor (samples, channels, *space), float32 or float64, with 1 to 3 axes of space
    kernel_size : int, or one for each axis
    stride : int, or one for each axis, optional
        From one window to the next; kernel_size by default.
    padding : int, or one for each axis
        How many zeros stand before and behind.
    ceil_mode : bool
        Whether a last window that reaches beyond the end counts.
    count_include_pad : bool
        Whether the zeros are counted.
    divisor_override : int, optional
        What sums are divided by instead of the number of values.

    Returns
    -------
    array or Tensor (samples, channels, *windows) like x

    Raises
    ------
    TypeError, ValueError
        For other dtypes and shapes; where a window is larger than x.

    Notes
    -----
    Source: torch.nn.AvgPool2d.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.avg_pool(np.array([[[1.0, 3.0, 2.0, 0.0]]]), kernel_size=2)
    array([[[2., 1.]]])
    """
    space = x.shape[2:]
    windows = sliding(space, kernel_size, stride, padding, (1,) * len(space), ceil_mode)
    sums = fold(x, windows, lambda lines: lines.sum(0))
    n = divisors(space, windows, kernel_size, stride, padding, count_include_pad, divisor_override)
    return (sums / n).astype(x.dtype)


@avg_pool.backward
def _(
    dy: Array,
    x_shape: Sizes,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    ceil_mode: int,
    count_include_pad: int,
    divisor_override: int,
) -> Any:
    space = x_shape[2:]
    windows = sliding(space, kernel_size, stride, padding, (1,) * len(space), ceil_mode)
    n = divisors(space, windows, kernel_size, stride, padding, count_include_pad, divisor_override)
    return spread((dy / n).astype(dy.dtype), windows, space)


@op(
    saves="x.shape",
    canonical=form_of_sizes("adaptive_avg_pool"),
    check=check_of_sizes("adaptive_avg_pool"),
    kind="window",
    samples=ADAPTIVE,
    tol=Tol(4, 4, 4),
)
def adaptive_avg_pool(x: Array, *, output_size: Any) -> Any:
    """The mean of each of so many parts of nearly equal length.

    Parameters
    ----------
    x : array or Tensor (samples, channels, *space), float32 or float64, with 1 to 3 axes of space
    output_size : int or None, or one for each axis
        How many parts; None for as many as there are values. Part i of m of n values is floor(i n / m) up to
        ceil((i + 1) n / m).

    Returns
    -------
    array or Tensor (samples, channels, *output_size) like x

    Raises
    ------
    TypeError, ValueError
        For other dtypes and shapes.

    Notes
    -----
    Source: torch.nn.AdaptiveAvgPool2d.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.adaptive_avg_pool(np.array([[[1.0, 3.0, 2.0]]]), output_size=2)
    array([[[2. , 2.5]]])
    """
    windows = adaptive(x.shape[2:], output_size)
    return (fold(x, windows, lambda lines: lines.sum(0)) / product(lengths(windows))).astype(x.dtype)


@adaptive_avg_pool.backward
def _(dy: Array, x_shape: Sizes, output_size: Sizes) -> Any:
    windows = adaptive(x_shape[2:], output_size)
    return spread((dy / product(lengths(windows))).astype(dy.dtype), windows, x_shape[2:])
