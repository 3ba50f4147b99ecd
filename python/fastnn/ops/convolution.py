"""Convolution of images with 1 to 3 axes of space, and its transpose."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import sample
from ._forms import one_float_dtype, whole
from ._windows import (
    Sizes,
    added_windows,
    before_and_after,
    for_each_axis,
    grouped_windows,
    space_of,
    windows,
)

__all__ = ["conv", "conv_transpose"]

Array = np.ndarray[Any, Any]
# Winograd's way in float32: at most 3e-5 of the RMS of the result, which is at least a fourth of its largest value.
TOLERANCE = Tol(absolute32=64)


def at_least_one(name: str, value: Any) -> int:
    n = whole(name, value)
    if n < 1:
        raise ValueError(f"{name} wants a number of at least 1; got {n}")
    return n


def as_rows(y: Array, groups: int) -> Array:
    """(n, c, *space) as matrices (groups, n * space, c / groups)."""
    n, c, *space = y.shape
    return np.moveaxis(y.reshape(n, groups, c // groups, *space), (1, 2), (0, -1)).reshape(groups, -1, c // groups)


def as_images(rows: Array, n: int, space: Sizes) -> Array:
    """The way back, on channels-last memory."""
    groups, _, each = rows.shape
    y = np.moveaxis(rows.reshape(groups, n, *space, each), 0, -2)
    return np.moveaxis(y.reshape(n, *space, groups * each), -1, 1)


def as_matrices(weight: Array, groups: int) -> Array:
    """(out, in / groups, *kernel) as (groups, out / groups, in / groups * kernel)."""
    return weight.reshape(groups, weight.shape[0] // groups, -1)


def conv_form(rank: int, stride: Any, padding: Any, dilation: Any, groups: Any) -> tuple[Sizes, Sizes, Sizes, int]:
    n = space_of("conv", rank)
    return (
        for_each_axis("conv", "stride", stride, n, 1),
        before_and_after("conv", "padding", padding, n),
        for_each_axis("conv", "dilation", dilation, n, 1),
        at_least_one("conv: groups", groups),
    )


def check_weight(op: str, x: Any, weight: Any, bias: Any, groups: int) -> None:
    """What a convolution and its transpose both want."""
    one_float_dtype(op, x=x, weight=weight, bias=bias)
    space_of(op, x.ndim)
    if weight.ndim != x.ndim:
        raise ValueError(f"{op}: weight wants {x.ndim} axes, as x {x.shape} has; got shape {weight.shape}")
    if 0 in weight.shape:
        raise ValueError(f"{op}: weight wants at least one value on each axis; got shape {weight.shape}")
    if weight.shape[0] % groups:
        raise ValueError(f"{op}: groups wants a divisor of {weight.shape[0]}, the first axis of weight; got {groups}")


def check_bias(op: str, bias: Any, channels: int) -> None:
    if bias is not None and bias.shape != (channels,):
        raise ValueError(f"{op}: bias wants shape ({channels},), one for each channel of the result; got {bias.shape}")


def check_conv(x: Any, weight: Any, bias: Any, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int) -> None:
    check_weight("conv", x, weight, bias, groups)
    if x.shape[1] != weight.shape[1] * groups:
        wants = (
            f"{weight.shape[1] * groups} channels, {groups} groups of {weight.shape[1]} as weight {weight.shape} has"
        )
        raise ValueError(f"conv: x wants {wants}; got shape {x.shape}")
    check_bias("conv", bias, weight.shape[0])
    if any(n < 1 for n in windows(x.shape[2:], weight.shape[2:], stride, padding, dilation)):
        raise ValueError(
            f"conv: weight {weight.shape} with dilation {dilation} is larger than x {x.shape} with padding {padding}"
        )


@op(
    saves="x weight",
    canonical=conv_form,
    check=check_conv,
    kind="contraction",
    tol=TOLERANCE,
    samples=[
        sample((2, 3, 7, 6), (4, 3, 3, 3), (4,), padding=1),
        sample((2, 3, 7, 6), (4, 3, 3, 2), (4,), stride=2, padding=((1, 0), (2, 1))),
        sample((2, 4, 9), (6, 2, 3), stride=2, padding=2, dilation=2, groups=2),
        sample((1, 2, 4, 5, 3), (3, 2, 2, 3, 1), (3,), padding=(1, 0, 1), stride=(1, 2, 3)),
        sample((2, 5, 4, 3), (17, 5, 1, 1), (17,)),
        sample((2, 6, 5, 5), (6, 1, 3, 3), (6,), groups=6, padding=1),
        sample((2, 3, 8, 9), (6, 1, 3, 3), groups=3, stride=(2, 3)),
        sample((1, 5, 5, 9), (35, 5, 3, 3), (35,), padding=1, dilation=(1, 2)),
        sample((2, 4, 5, 5), (3, 4, 1, 1), stride=2),
        sample((1, 1, 12, 13), (5, 1, 5, 4), (5,), stride=(3, 1)),
        sample((1, 16, 4, 7), (17, 16, 3, 3), (17,), padding=1),
    ],
)
def conv(
    x: Array,
    weight: Array,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    r"""Convolution (cross-correlation), :math:`y_{nop} = b_o + \sum_{ck} w_{ock}\, x_{n, c, s p + d k - a}`.

    p is a position of the result, k one of the kernel, s the stride, d the dilation, a the padding before; all are
    vectors with 1 to 3 numbers, one for each axis of space. Beyond its edges x is 0.

    Parameters
    ----------
    x : array or Tensor (n, in, *space), float32 or float64
    weight : array or Tensor (out, in / groups, *kernel), the dtype of x
    bias : array or Tensor (out,), optional
    stride, dilation : int, or one for each axis of space
    padding : int, one for each axis of space, or a pair (before, after) for each
    groups : int
        Channels are parted into as many groups, each of which is convolved with its own.

    Returns
    -------
    array or Tensor (n, out, *space)
        Channels lie side by side in memory.

    Raises
    ------
    TypeError, ValueError
        Where dtypes or shapes do not fit; where the kernel is larger than the padded x; where attributes are out of
        range.

    Notes
    -----
    Source: torch.nn.functional.conv2d.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.conv(np.array([[[1.0, 2.0, 3.0, 4.0]]]), np.array([[[1.0, 0.0, -1.0]]]), padding=1)
    array([[[-2., -2., -2.,  3.]]])
    """
    kernel = weight.shape[2:]
    columns = grouped_windows(x, kernel, stride, padding, dilation, groups)
    y = columns @ as_matrices(weight, groups).transpose(0, 2, 1)
    y = as_images(y, x.shape[0], windows(x.shape[2:], kernel, stride, padding, dilation))
    return y if bias is None else y + bias.reshape(-1, *(1,) * len(kernel))


@conv.backward
def _(
    dy: Array, x: Array, weight: Array, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int, needs: int
) -> Any:
    kernel, out = weight.shape[2:], dy.shape[2:]
    rows = as_rows(dy, groups)
    dx = dw = None
    if needs & 1:
        columns = rows @ as_matrices(weight, groups)
        dx = added_windows(columns, x.shape, kernel, stride, padding, dilation, groups, out)
    if needs & 2:
        columns = grouped_windows(x, kernel, stride, padding, dilation, groups)
        dw = (rows.transpose(0, 2, 1) @ columns).reshape(weight.shape)
    return dx, dw, rows.sum(1).reshape(-1) if needs & 4 else None


def conv_transpose_form(
    rank: int, stride: Any, padding: Any, output_padding: Any, dilation: Any, groups: Any
) -> tuple[Sizes, Sizes, Sizes, Sizes, int]:
    name, n = "conv_transpose", space_of("conv_transpose", rank)
    strides, dilations = for_each_axis(name, "stride", stride, n, 1), for_each_axis(name, "dilation", dilation, n, 1)
    more = for_each_axis(name, "output_padding", output_padding, n, 0)
    if any(o >= max(s, d) for o, s, d in zip(more, strides, dilations, strict=True)):
        raise ValueError(
            f"conv_transpose: output_padding wants less than stride {strides} or dilation {dilations}; got {more}"
        )
    paddings = before_and_after(name, "padding", padding, n)
    return strides, paddings, more, dilations, at_least_one("conv_transpose: groups", groups)


def grown(space: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, more: Sizes, dilation: Sizes) -> Sizes:
    """The lengths of what a transposed convolution gives."""
    every = zip(space, kernel, stride, padding[::2], padding[1::2], more, dilation, strict=True)
    return tuple((n - 1) * s - a - b + d * (k - 1) + 1 + m for n, k, s, a, b, m, d in every)


def check_conv_transpose(
    x: Any, weight: Any, bias: Any, stride: Sizes, padding: Sizes, output_padding: Sizes, dilation: Sizes, groups: int
) -> None:
    check_weight("conv_transpose", x, weight, bias, groups)
    if x.shape[1] != weight.shape[0]:
        raise ValueError(
            f"conv_transpose: x wants {weight.shape[0]} channels, as weight {weight.shape} has; got shape {x.shape}"
        )
    check_bias("conv_transpose", bias, weight.shape[1] * groups)
    space = grown(x.shape[2:], weight.shape[2:], stride, padding, output_padding, dilation)
    if any(n < 1 for n in (*space, *x.shape[2:])):
        raise ValueError(f"conv_transpose: padding {padding} leaves nothing of x {x.shape} with weight {weight.shape}")


@op(
    saves="x weight",
    canonical=conv_transpose_form,
    check=check_conv_transpose,
    kind="contraction",
    tol=TOLERANCE,
    samples=[
        sample((2, 3, 4, 5), (3, 4, 3, 3), (4,), stride=2, padding=1, output_padding=1),
        sample((2, 4, 5), (4, 3, 4), (6,), stride=3, groups=2, dilation=2, output_padding=2),
        sample((1, 3, 2, 3, 2), (3, 2, 2, 2, 3), (2,), stride=(2, 1, 2), padding=((0, 1), (1, 0), (1, 1))),
        sample((2, 3, 4, 4), (3, 5, 2, 2), stride=2),
        sample((1, 4, 3, 3), (4, 1, 3, 3), (4,), groups=4, padding=1),
        sample((1, 4, 3, 3), (4, 1, 2, 2), groups=4, stride=3),
        sample((1, 2, 3, 4), (2, 3, 1, 1), (3,), stride=2, output_padding=1),
    ],
)
def conv_transpose(
    x: Array,
    weight: Array,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    r"""Transposed convolution: what the gradient of `conv` does to the gradient of its result, plus a bias.

    Value x of position p is added, times the kernel, to positions :math:`s p + d k - a` of the result.

    Parameters
    ----------
    x : array or Tensor (n, in, *space), float32 or float64
    weight : array or Tensor (in, out / groups, *kernel), the dtype of x
    bias : array or Tensor (out,), optional
    stride, dilation : int, or one for each axis of space
    padding : int, one for each axis of space, or a pair (before, after) for each
        What is cut off from the result.
    output_padding : int, or one for each axis of space
        Positions added at the end of the result, fewer than stride or dilation.
    groups : int

    Returns
    -------
    array or Tensor (n, out, *space)
        Each axis of space has length (length - 1) stride - padding + dilation (kernel - 1) + 1 + output_padding;
        channels lie side by side in memory.

    Raises
    ------
    TypeError, ValueError
        Where dtypes or shapes do not fit; where padding leaves nothing; where attributes are out of range.

    Notes
    -----
    Source: torch.nn.functional.conv_transpose2d.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.conv_transpose(np.array([[[1.0, 2.0]]]), np.array([[[1.0, 10.0]]]), stride=2)
    array([[[ 1., 10.,  2., 20.]]])
    """
    kernel = weight.shape[2:]
    space = grown(x.shape[2:], kernel, stride, padding, output_padding, dilation)
    shape = (x.shape[0], weight.shape[1] * groups, *space)
    columns = as_rows(x, groups) @ as_matrices(weight, groups)
    y = added_windows(columns, shape, kernel, stride, padding, dilation, groups, x.shape[2:])
    return y if bias is None else y + bias.reshape(-1, *(1,) * len(kernel))


@conv_transpose.backward
def _(
    dy: Array,
    x: Array,
    weight: Array,
    stride: Sizes,
    padding: Sizes,
    output_padding: Sizes,
    dilation: Sizes,
    groups: int,
    needs: int,
) -> Any:
    kernel = weight.shape[2:]
    dx = dw = None
    if needs & 3:
        columns = grouped_windows(dy, kernel, stride, padding, dilation, groups)
        columns = columns.reshape(groups, x.shape[0], *windows(dy.shape[2:], kernel, stride, padding, dilation), -1)
        within = tuple(slice(n) for n in x.shape[2:])  # an output padding may hold one window more
        columns = columns[(slice(None), slice(None), *within)].reshape(groups, -1, columns.shape[-1])
    if needs & 1:
        dx = as_images(columns @ as_matrices(weight, groups).transpose(0, 2, 1), x.shape[0], x.shape[2:])
    if needs & 2:
        dw = (as_rows(x, groups).transpose(0, 2, 1) @ columns).reshape(weight.shape)
    return dx, dw, dy.sum((0, *range(2, dy.ndim))) if needs & 4 else None
