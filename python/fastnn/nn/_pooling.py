"""Pooling as functions, under PyTorch's names and arguments: (N, C, *space) or (C, *space) gives the same rank."""

from __future__ import annotations

from functools import partial
from typing import Any

from .. import ops
from .._tensor import Tensor
from ._convolution import batched


def max_pool(function: str, input: Any, axes: int, windows: dict[str, Any], indices: bool) -> Any:
    """Maxima, and their positions where they are wanted."""
    y = batched(function, input, axes, lambda x: ops.max_pool(x, **windows))
    return (y, batched(function, input, axes, lambda x: ops.max_pool_indices(x, **windows))) if indices else y


def adaptive_max_pool(function: str, input: Any, axes: int, size: Any, indices: bool) -> Any:
    """Maxima of parts, and their positions where they are wanted."""
    y = batched(function, input, axes, lambda x: ops.adaptive_max_pool(x, output_size=size))
    if not indices:
        return y
    return y, batched(function, input, axes, lambda x: ops.adaptive_max_pool_indices(x, output_size=size))


def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window of sequences; see `fastnn.ops.max_pool`.

    Parameters
    ----------
    input : array_like (N, C, L) or (C, L)
    kernel_size, stride, padding, dilation : int
        stride is kernel_size by default.
    ceil_mode : bool
        Whether a last window that reaches beyond the end counts.
    return_indices : bool
        Whether positions of the values, flat over the axes of space, are returned, too.

    Returns
    -------
    Tensor, or two

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.max_pool1d([[[1.0, 3.0, 2.0, 0.0]]], 2)
    tensor([[[3., 2.]]])
    """
    windows = {
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "ceil_mode": ceil_mode,
    }
    return max_pool("max_pool1d", input, 1, windows, return_indices)


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window of images; see `fastnn.ops.max_pool`.

    Parameters
    ----------
    input : array_like (N, C, H, W) or (C, H, W)
    kernel_size, stride, padding, dilation : int or 2 of them
        stride is kernel_size by default.
    ceil_mode : bool
        Whether a last window that reaches beyond the end counts.
    return_indices : bool
        Whether positions of the values, flat over the axes of space, are returned, too.

    Returns
    -------
    Tensor, or two

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.max_pool2d([[[[1.0, 3.0], [2.0, 0.0]]]], 2)
    tensor([[[[3.]]]])
    """
    windows = {
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "ceil_mode": ceil_mode,
    }
    return max_pool("max_pool2d", input, 2, windows, return_indices)


def max_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window of volumes; see `fastnn.ops.max_pool`.

    Parameters
    ----------
    input : array_like (N, C, D, H, W) or (C, D, H, W)
    kernel_size, stride, padding, dilation : int or 3 of them
        stride is kernel_size by default.
    ceil_mode : bool
        Whether a last window that reaches beyond the end counts.
    return_indices : bool
        Whether positions of the values, flat over the axes of space, are returned, too.

    Returns
    -------
    Tensor, or two

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.max_pool3d([[[[[1.0, 3.0], [2.0, 0.0]]]]], (1, 2, 2))
    tensor([[[[[3.]]]]])
    """
    windows = {
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "ceil_mode": ceil_mode,
    }
    return max_pool("max_pool3d", input, 3, windows, return_indices)


def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of sequences; see `fastnn.ops.avg_pool`.

    Parameters
    ----------
    input : array_like (N, C, L) or (C, L)
    kernel_size, stride, padding : int
        stride is kernel_size by default.
    ceil_mode : bool
        Whether a last window that reaches beyond the end counts.
    count_include_pad : bool
        Whether zeros of the padding are counted.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.avg_pool1d([[[1.0, 3.0, 2.0, 0.0]]], 2)
    tensor([[[2., 1.]]])
    """
    windows = {
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": padding,
        "ceil_mode": ceil_mode,
        "count_include_pad": count_include_pad,
    }
    return batched("avg_pool1d", input, 1, lambda x: ops.avg_pool(x, **windows))


def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of images; see `fastnn.ops.avg_pool`.

    Parameters
    ----------
    input : array_like (N, C, H, W) or (C, H, W)
    kernel_size, stride, padding : int or 2 of them
        stride is kernel_size by default.
    ceil_mode : bool
        Whether a last window that reaches beyond the end counts.
    count_include_pad : bool
        Whether zeros of the padding are counted.
    divisor_override : int, optional
        What sums are divided by instead.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.avg_pool2d([[[[1.0, 3.0], [2.0, 0.0]]]], 2)
    tensor([[[[1.5]]]])
    """
    windows = {
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": padding,
        "ceil_mode": ceil_mode,
        "count_include_pad": count_include_pad,
        "divisor_override": divisor_override,
    }
    return batched("avg_pool2d", input, 2, lambda x: ops.avg_pool(x, **windows))


def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of volumes; see `fastnn.ops.avg_pool`.

    Parameters
    ----------
    input : array_like (N, C, D, H, W) or (C, D, H, W)
    kernel_size, stride, padding : int or 3 of them
        stride is kernel_size by default.
    ceil_mode : bool
        Whether a last window that reaches beyond the end counts.
    count_include_pad : bool
        Whether zeros of the padding are counted.
    divisor_override : int, optional
        What sums are divided by instead.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.avg_pool3d([[[[[1.0, 3.0], [2.0, 0.0]]]]], (1, 2, 2))
    tensor([[[[[1.5]]]]])
    """
    windows = {
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": padding,
        "ceil_mode": ceil_mode,
        "count_include_pad": count_include_pad,
        "divisor_override": divisor_override,
    }
    return batched("avg_pool3d", input, 3, lambda x: ops.avg_pool(x, **windows))


def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest value of each of so many parts of sequences; see `fastnn.ops.adaptive_max_pool`.

    Parameters
    ----------
    input : array_like (N, C, L) or (C, L)
    output_size : int or None
        None for as many as there are values.
    return_indices : bool
        Whether positions of the values, flat over the axes of space, are returned, too.

    Returns
    -------
    Tensor, or two

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.adaptive_max_pool1d([[[1.0, 3.0, 2.0, 0.0]]], 1)
    tensor([[[3.]]])
    """
    return adaptive_max_pool("adaptive_max_pool1d", input, 1, output_size, return_indices)


def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest value of each of so many parts of images; see `fastnn.ops.adaptive_max_pool`.

    Parameters
    ----------
    input : array_like (N, C, H, W) or (C, H, W)
    output_size : int or None, or 2 of them
        None for as many as there are values.
    return_indices : bool
        Whether positions of the values, flat over the axes of space, are returned, too.

    Returns
    -------
    Tensor, or two

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.adaptive_max_pool2d([[[[1.0, 3.0], [2.0, 0.0]]]], 1)
    tensor([[[[3.]]]])
    """
    return adaptive_max_pool("adaptive_max_pool2d", input, 2, output_size, return_indices)


def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest value of each of so many parts of volumes; see `fastnn.ops.adaptive_max_pool`.

    Parameters
    ----------
    input : array_like (N, C, D, H, W) or (C, D, H, W)
    output_size : int or None, or 3 of them
        None for as many as there are values.
    return_indices : bool
        Whether positions of the values, flat over the axes of space, are returned, too.

    Returns
    -------
    Tensor, or two

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.adaptive_max_pool3d([[[[[1.0, 3.0], [2.0, 0.0]]]]], 1)
    tensor([[[[[3.]]]]])
    """
    return adaptive_max_pool("adaptive_max_pool3d", input, 3, output_size, return_indices)


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Tensor:
    """The mean of each of so many parts of sequences; see `fastnn.ops.adaptive_avg_pool`.

    Parameters
    ----------
    input : array_like (N, C, L) or (C, L)
    output_size : int or None
        None for as many as there are values; 1 for the mean of all.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.adaptive_avg_pool1d([[[1.0, 3.0, 2.0, 0.0]]], 1)
    tensor([[[1.5]]])
    """
    pool = partial(ops.adaptive_avg_pool, output_size=output_size)
    return batched("adaptive_avg_pool1d", input, 1, pool)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Tensor:
    """The mean of each of so many parts of images; see `fastnn.ops.adaptive_avg_pool`.

    Parameters
    ----------
    input : array_like (N, C, H, W) or (C, H, W)
    output_size : int or None, or 2 of them
        None for as many as there are values; 1 for the mean of all.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.adaptive_avg_pool2d([[[[1.0, 3.0], [2.0, 0.0]]]], 1)
    tensor([[[[1.5]]]])
    """
    pool = partial(ops.adaptive_avg_pool, output_size=output_size)
    return batched("adaptive_avg_pool2d", input, 2, pool)


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Tensor:
    """The mean of each of so many parts of volumes; see `fastnn.ops.adaptive_avg_pool`.

    Parameters
    ----------
    input : array_like (N, C, D, H, W) or (C, D, H, W)
    output_size : int or None, or 3 of them
        None for as many as there are values; 1 for the mean of all.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.adaptive_avg_pool3d([[[[[1.0, 3.0], [2.0, 0.0]]]]], 1)
    tensor([[[[[1.5]]]]])
    """
    pool = partial(ops.adaptive_avg_pool, output_size=output_size)
    return batched("adaptive_avg_pool3d", input, 3, pool)
