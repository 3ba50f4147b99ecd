"""Pooling layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._tensor import Tensor
from . import functional as F
from .module import Module


def one(value: Any) -> tuple[Any, ...]:
    """A number as a tuple of one."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


class _MaxPool(Module):
    pool: Callable[..., Any]

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Any) -> Any:
        """The largest values, and their positions where `return_indices` asks for them."""
        return self.pool(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )

    def extra_repr(self) -> str:
        """The windows."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class _AvgPool(Module):
    pool: Callable[..., Any]

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, input: Any) -> Tensor:
        """The means."""
        counted = self.ceil_mode, self.count_include_pad, self.divisor_override
        return self.pool(input, self.kernel_size, self.stride, self.padding, *counted)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """The windows."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AdaptivePool(Module):
    pool: Callable[..., Any]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Any) -> Any:
        """One value for each part."""
        return self.pool(input, self.output_size)

    def extra_repr(self) -> str:
        """How many parts."""
        return f"output_size={self.output_size}"


class _AdaptiveMaxPool(_AdaptivePool):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Any) -> Any:
        """The largest value of each part, and its position where `return_indices` asks for it."""
        return self.pool(input, self.output_size, self.return_indices)


class MaxPool1d(_MaxPool):
    """The largest value of each window of sequences (N, C, L) or (C, L).

    Parameters
    ----------
    kernel_size : int
    stride : int, optional
        From one window to the next; kernel_size by default.
    padding : int
        How many values of -inf stand before and behind.
    dilation : int
        From one value of a window to the next.
    return_indices : bool
        Whether positions of the values, flat over the axes of space, are returned, too.
    ceil_mode : bool
        Whether a last window that reaches beyond the end counts.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.MaxPool1d(2)(fastnn.rand(1, 2, 6)).shape
    (1, 2, 3)
    """

    pool = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """The largest value of each window of images (N, C, H, W) or (C, H, W).

    Parameters
    ----------
    kernel_size : int or two
    stride : int or two, optional
        From one window to the next; kernel_size by default.
    padding : int or two
        How many values of -inf stand before and behind.
    dilation : int or two
        From one value of a window to the next.
    return_indices : bool
        Whether positions of the values, flat over the axes of space, are returned, too.
    ceil_mode : bool
        Whether a last window that reaches beyond the end counts.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.MaxPool2d(2)(fastnn.rand(1, 2, 4, 6)).shape
    (1, 2, 2, 3)
    """

    pool = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """The largest value of each window of volumes (N, C, D, H, W) or (C, D, H, W).

    Parameters
    ----------
    kernel_size : int or three
    stride : int or three, optional
        From one window to the next; kernel_size by default.
    padding : int or three
        How many values of -inf stand before and behind.
    dilation : int or three
        From one value of a window to the next.
    return_indices : bool
        Whether positions of the values, flat over the axes of space, are returned, too.
    ceil_mode : bool
        Whether a last window that reaches beyond the end counts.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.MaxPool3d(2)(fastnn.rand(1, 2, 2, 4, 6)).shape
    (1, 2, 1, 2, 3)
    """

    pool = staticmethod(F.max_pool3d)


class AvgPool1d(_AvgPool):
    """The mean of each window of sequences (N, C, L) or (C, L).

    Parameters
    ----------
    kernel_size : int
    stride : int, optional
        From one window to the next; kernel_size by default.
    padding : int
        How many zeros stand before and behind.
    ceil_mode : bool
        Whether a last window that reaches beyond the end counts.
    count_include_pad : bool
        Whether zeros of the padding are counted.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.AvgPool1d(2)(fastnn.rand(1, 2, 6)).shape
    (1, 2, 3)
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(
            one(kernel_size), stride if stride is None else one(stride), one(padding), ceil_mode, count_include_pad
        )

    def forward(self, input: Any) -> Tensor:
        """The means."""
        counted = self.ceil_mode, self.count_include_pad
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, *counted)


class AvgPool2d(_AvgPool):
    """The mean of each window of images (N, C, H, W) or (C, H, W).

    Parameters
    ----------
    kernel_size : int or two
    stride : int or two, optional
        From one window to the next; kernel_size by default.
    padding : int or two
        How many zeros stand before and behind.
    ceil_mode : bool
        Whether a last window that reaches beyond the end counts.
    count_include_pad : bool
        Whether zeros of the padding are counted.
    divisor_override : int, optional
        What sums are divided by instead.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.AvgPool2d(2)(fastnn.rand(1, 2, 4, 6)).shape
    (1, 2, 2, 3)
    """

    pool = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The mean of each window of volumes (N, C, D, H, W) or (C, D, H, W).

    Parameters
    ----------
    kernel_size : int or three
    stride : int or three, optional
        From one window to the next; kernel_size by default.
    padding : int or three
        How many zeros stand before and behind.
    ceil_mode : bool
        Whether a last window that reaches beyond the end counts.
    count_include_pad : bool
        Whether zeros of the padding are counted.
    divisor_override : int, optional
        What sums are divided by instead.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.AvgPool3d(2)(fastnn.rand(1, 2, 2, 4, 6)).shape
    (1, 2, 1, 2, 3)
    """

    pool = staticmethod(F.avg_pool3d)


class AdaptiveAvgPool1d(_AdaptivePool):
    """The mean of each of so many parts, nearly equal in length, of sequences (N, C, L) or (C, L).

    Parameters
    ----------
    output_size : int or None
        How many parts; None for as many as there are values, 1 for one over all.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.AdaptiveAvgPool1d(3)(fastnn.rand(1, 2, 6)).shape
    (1, 2, 3)
    """

    pool = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptivePool):
    """The mean of each of so many parts, nearly equal in length, of images (N, C, H, W) or (C, H, W).

    Parameters
    ----------
    output_size : int or None, or two of them
        How many parts; None for as many as there are values, 1 for one over all.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.AdaptiveAvgPool2d(3)(fastnn.rand(1, 2, 4, 6)).shape
    (1, 2, 3, 3)
    """

    pool = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptivePool):
    """The mean of each of so many parts, nearly equal in length, of volumes (N, C, D, H, W) or (C, D, H, W).

    Parameters
    ----------
    output_size : int or None, or three of them
        How many parts; None for as many as there are values, 1 for one over all.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.AdaptiveAvgPool3d(3)(fastnn.rand(1, 2, 2, 4, 6)).shape
    (1, 2, 3, 3, 3)
    """

    pool = staticmethod(F.adaptive_avg_pool3d)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest value of each of so many parts, nearly equal in length, of sequences (N, C, L) or (C, L).

    Parameters
    ----------
    output_size : int or None
        How many parts; None for as many as there are values, 1 for one over all.
    return_indices : bool
        Whether positions of the values, flat over the axes of space, are returned, too.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.AdaptiveMaxPool1d(3)(fastnn.rand(1, 2, 6)).shape
    (1, 2, 3)
    """

    pool = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest value of each of so many parts, nearly equal in length, of images (N, C, H, W) or (C, H, W).

    Parameters
    ----------
    output_size : int or None, or two of them
        How many parts; None for as many as there are values, 1 for one over all.
    return_indices : bool
        Whether positions of the values, flat over the axes of space, are returned, too.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.AdaptiveMaxPool2d(3)(fastnn.rand(1, 2, 4, 6)).shape
    (1, 2, 3, 3)
    """

    pool = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest value of each of so many parts, nearly equal in length, of volumes (N, C, D, H, W) or (C, D, H, W).

    Parameters
    ----------
    output_size : int or None, or three of them
        How many parts; None for as many as there are values, 1 for one over all.
    return_indices : bool
        Whether positions of the values, flat over the axes of space, are returned, too.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.AdaptiveMaxPool3d(3)(fastnn.rand(1, 2, 2, 4, 6)).shape
    (1, 2, 3, 3, 3)
    """

    pool = staticmethod(F.adaptive_max_pool3d)
