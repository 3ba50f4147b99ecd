"""Convolutions as functions under PyTorch's names and arguments; images with or without an axis of the batch."""

from __future__ import annotations

from typing import Any

from .. import ops
from .._creation import as_tensor
from .._tensor import Tensor


def batched(name: str, input: Any, space: int, call: Any) -> Tensor:
    """`call` of a batch of images, or of one image as a batch."""
    x = as_tensor(input)
    if x.ndim not in (space + 1, space + 2):
        raise ValueError(f"{name}: input wants {space + 1} or {space + 2} dimensions; got shape {x.shape}")
    if x.ndim == space + 2:
        return call(x)  # type: ignore[no-any-return]
    return ops.squeeze(call(ops.expand_dims(x, 0)), 0)  # type: ignore[no-any-return]


def same_padding(weight: Any, stride: Any, dilation: Any) -> tuple[tuple[int, int], ...]:
    """What keeps the lengths of the input: half before, the rest after."""
    strides = stride if isinstance(stride, (tuple, list)) else (stride,)
    if any(s != 1 for s in strides):
        raise ValueError(f"padding='same' is not supported for strided convolutions; got stride {stride!r}")
    kernel = as_tensor(weight).shape[2:]
    dilations = tuple(dilation) if isinstance(dilation, (tuple, list)) else (dilation,) * len(kernel)
    totals = [d * (k - 1) for k, d in zip(kernel, dilations, strict=True)]
    return tuple((n // 2, n - n // 2) for n in totals)


def convolve(
    space: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    """All of conv1d, conv2d and conv3d."""
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"conv{space}d: padding wants numbers, 'same' or 'valid'; got {padding!r}")
        padding = same_padding(weight, stride, dilation) if padding == "same" else 0

    def call(x: Tensor) -> Any:
        return ops.conv(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)

    return batched(f"conv{space}d", input, space, call)


def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of sequences (n, in, length) with weights (out, in / groups, kernel); see `fastnn.ops.conv`.

    Parameters
    ----------
    input : array_like (n, in, length) or (in, length)
    weight : array_like (out, in / groups, kernel)
    bias : array_like (out,), optional
    stride, dilation : int or tuple of int
    padding : int, tuple of int, "same" or "valid"
    groups : int

    Returns
    -------
    Tensor (n, out, length) or (out, length)

    Raises
    ------
    TypeError, ValueError
        Where shapes, dtypes or numbers do not fit; for "same" with a stride.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.conv1d([[[1.0, 2.0, 3.0]]], [[[1.0, -1.0]]])
    tensor([[[-1., -1.]]])
    """
    return convolve(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of images (n, in, height, width) with weights (out, in / groups, *kernel); see `fastnn.ops.conv`.

    Parameters
    ----------
    input : array_like (n, in, height, width) or (in, height, width)
    weight : array_like (out, in / groups, *kernel)
    bias : array_like (out,), optional
    stride, dilation : int or tuple of int
    padding : int, tuple of int, "same" or "valid"
    groups : int

    Returns
    -------
    Tensor (n, out, height, width) or (out, height, width), channels-last in memory on the compiled backend

    Raises
    ------
    TypeError, ValueError
        Where shapes, dtypes or numbers do not fit; for "same" with a stride.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.conv2d(fastnn.ones(1, 3, 5, 5), fastnn.ones(2, 3, 3, 3), padding=1).shape
    (1, 2, 5, 5)
    """
    return convolve(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of volumes (n, in, depth, height, width); arguments as of `conv2d`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.conv3d(fastnn.ones(1, 3, 4, 4, 4), fastnn.ones(2, 3, 2, 2, 2)).shape
    (1, 2, 3, 3, 3)
    """
    return convolve(3, input, weight, bias, stride, padding, dilation, groups)


def convolve_back(
    space: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    """All of conv_transpose1d, conv_transpose2d and conv_transpose3d."""
    numbers = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}

    def call(x: Tensor) -> Any:
        return ops.conv_transpose(x, weight, bias, **numbers, groups=groups)

    return batched(f"conv_transpose{space}d", input, space, call)


def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution of sequences (n, in, length); arguments as of `conv_transpose2d`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.conv_transpose1d([[[1.0, 2.0]]], [[[1.0, 10.0]]], stride=2)
    tensor([[[ 1., 10.,  2., 20.]]])
    """
    return convolve_back(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution of images (n, in, height, width); see `fastnn.ops.conv_transpose`.

    Parameters
    ----------
    input : array_like (n, in, height, width) or (in, height, width)
    weight : array_like (in, out / groups, *kernel)
    bias : array_like (out,), optional
    stride, padding, output_padding, dilation : int or tuple of int
    groups : int

    Returns
    -------
    Tensor (n, out, height, width) or (out, height, width)

    Raises
    ------
    TypeError, ValueError
        Where shapes, dtypes or numbers do not fit.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.conv_transpose2d(fastnn.ones(1, 3, 4, 4), fastnn.ones(3, 2, 2, 2), stride=2).shape
    (1, 2, 8, 8)
    """
    return convolve_back(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution of volumes (n, in, depth, height, width); arguments as of `conv_transpose2d`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.conv_transpose3d(fastnn.ones(1, 3, 2, 2, 2), fastnn.ones(3, 2, 2, 2, 2), stride=2).shape
    (1, 2, 4, 4, 4)
    """
    return convolve_back(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def two(value: Any) -> Any:
    """A number, for both axes."""
    return value if isinstance(value, (tuple, list)) else (value, value)


def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """All windows of images as columns; see `fastnn.ops.unfold`.

    Parameters
    ----------
    input : array_like (n, c, height, width) or (c, height, width)
    kernel_size, dilation, padding, stride : int or pair of int

    Returns
    -------
    Tensor (n, c * values of the kernel, windows), or without n

    Raises
    ------
    TypeError, ValueError
        Where shapes or numbers do not fit.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.unfold(fastnn.zeros(1, 2, 4, 5), (2, 3)).shape
    (1, 12, 9)
    """

    def call(x: Tensor) -> Any:
        return ops.unfold(x, kernel=two(kernel_size), stride=stride, padding=padding, dilation=dilation)

    return batched("unfold", input, 2, call)


def fold(
    input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Columns of windows added up to images; see `fastnn.ops.fold`.

    Parameters
    ----------
    input : array_like (n, c * values of the kernel, windows), or without n
    output_size : int or pair of int
        Height and width of the images.
    kernel_size, dilation, padding, stride : int or pair of int

    Returns
    -------
    Tensor (n, c, height, width), or without n

    Raises
    ------
    TypeError, ValueError
        Where shapes or numbers do not fit.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.fold(fastnn.ones(1, 4, 4), 3, 2)
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """

    def call(x: Tensor) -> Any:
        kernel, size = two(kernel_size), two(output_size)
        return ops.fold(x, size=size, kernel=kernel, stride=stride, padding=padding, dilation=dilation)

    return batched("fold", input, 1, call)
