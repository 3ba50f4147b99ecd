"""Layers as functions, and functions of shape, under PyTorch's names and arguments."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .. import ops, random
from .._creation import as_tensor, leaf
from .._dtypes import int64
from .._tensor import Tensor, reading
from ..ops._forms import shape_of


def linear(input: Any, weight: Any, bias: Any = None) -> Tensor:
    r"""Affine map of the last dimension, :math:`y = x W^\top + b`; see `fastnn.ops.linear`.

    Parameters
    ----------
    input : array_like (..., in)
    weight : array_like (out, in), the dtype of input
    bias : array_like (out,), optional

    Returns
    -------
    Tensor (..., out)

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.linear([[1.0, 2.0]], [[1.0, 1.0]], [0.5])
    tensor([[3.5]])
    """
    return ops.linear(as_tensor(input), weight, bias)  # type: ignore[no-any-return]


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    r"""Zeros in place of a random part p of the values, the others times :math:`1/(1-p)`; nothing unless training.

    The mask follows from fastnn's seed and offset (`fastnn.manual_seed`) and has the same bits on every backend.

    Parameters
    ----------
    input : array_like
    p : float
        From 0 to 1.
    training : bool
    inplace : bool
        Without effect: the result is a new Tensor.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        Where p is out of range.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.manual_seed(0)
    >>> y = fastnn.nn.functional.dropout(fastnn.ones(1000), p=0.25)
    >>> sorted(set(y.tolist())) == [0.0, 1.3333333730697632]
    True
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    x = as_tensor(input)
    if not training or p == 0:
        return x
    seed, offset = random.reserve(x.array.size)
    return ops.dropout(x, p=p, seed=seed, offset=offset)  # type: ignore[no-any-return]


def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    r"""Mean 0 and variance 1 over the last dimensions, then times weight, plus bias; see `fastnn.ops.layer_norm`.

    Parameters
    ----------
    input : array_like (..., *normalized_shape)
    normalized_shape : int or sequence of int
    weight, bias : array_like of that shape, optional
    eps : float
        Added to the variance.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        Where the input does not end with that shape.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.layer_norm([[1.0, 3.0]], (2,), eps=0.0)
    tensor([[-1.,  1.]])
    """
    x = as_tensor(input)
    dims = dims_of(x, shape_of(normalized_shape, "layer_norm: normalized_shape"))
    return ops.layer_norm(x, weight, bias, dims=dims, eps=eps)  # type: ignore[no-any-return]


def dims_of(x: Tensor, shape: tuple[int, ...]) -> int:
    """How many dimensions that shape has, with which x must end."""
    if not shape or x.array.shape[-len(shape) :] != shape:
        wants = ", ".join(["*", *map(str, shape)])
        raise ValueError(
            f"Given normalized_shape={list(shape)}, expected input with shape [{wants}], but got input of size{x.shape}"
        )
    return len(shape)


def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Tensor:
    r"""Root mean square 1 over the last dimensions, then times weight; see `fastnn.ops.rms_norm`.

    Parameters
    ----------
    input : array_like (..., *normalized_shape)
    normalized_shape : int or sequence of int
    weight : array_like of that shape, optional
    eps : float, optional
        Added to the mean square; by default the distance from 1 to the next number of the dtype.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        Where the input does not end with that shape.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.rms_norm([[-2.0, 2.0]], (2,), eps=0.0)
    tensor([[-1.,  1.]])
    """
    x = as_tensor(input)
    dims = dims_of(x, shape_of(normalized_shape, "rms_norm: normalized_shape"))
    return ops.rms_norm(x, weight, dims=dims, eps=eps)  # type: ignore[no-any-return]


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """A row of zeros with a 1 at its class for each class number.

    Parameters
    ----------
    tensor : array_like of int
    num_classes : int
        -1 for the greatest class number plus 1.

    Returns
    -------
    Tensor (..., num_classes), int64

    Raises
    ------
    TypeError, ValueError
        For other dtypes; for class numbers below 0 or too great, or none at all without num_classes.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.one_hot([0, 2])
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    labels = as_tensor(tensor)
    reading("one_hot")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"one_hot is only applicable to index tensor of whole numbers; got {labels.dtype}")
    if num_classes == -1:
        if not labels.array.size:
            raise ValueError("Can not infer total number of classes from empty tensor.")
        num_classes = int(labels.array.max()) + 1
    if num_classes <= 0:
        raise ValueError(f"one_hot: num_classes wants a positive number, or -1; got {num_classes}")
    if labels.array.size and labels.array.min() < 0:
        raise ValueError("Class values must be non-negative.")
    if labels.array.size and labels.array.max() >= num_classes:
        raise ValueError("Class values must be smaller than num_classes.")
    rows = np.zeros((*labels.shape, num_classes), int64)
    np.put_along_axis(rows, labels.array[..., None].astype(int64), 1, -1)
    return leaf(rows, False)


PAD_MODES = ("constant", "reflect", "replicate", "circular")


def pad(input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """The input with a frame around it, or with negative numbers cut at its ends.

    Parameters
    ----------
    input : array_like
    pad : sequence of int
        Before and after the last dimension, then before and after the one before it, and so on.
    mode : {"constant", "reflect", "replicate", "circular"}
    value : float, optional
        For "constant"; 0 by default.

    Returns
    -------
    Tensor

    Raises
    ------
    TypeError, ValueError
        Where pad has an odd length or is too long; for another mode; for a value that the mode does not take; where a
        reflection or circle is wider than the input.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.pad([[1.0, 2.0, 3.0]], (2, 1), mode="reflect")
    tensor([[3., 2., 1., 2., 3., 2.]])
    """
    x = as_tensor(input)
    widths = [operator.index(n) for n in pad]
    if len(widths) % 2 or len(widths) > 2 * x.ndim:
        raise ValueError(f"pad wants two numbers for each of at most {x.ndim} dimensions; got {tuple(pad)}")
    if mode not in PAD_MODES:
        raise ValueError(f"mode wants one of {', '.join(PAD_MODES)}; got {mode!r}")
    if mode != "constant" and value:
        raise ValueError(f"Padding mode {mode!r} doesn't take in value argument")
    pairs = [(0, 0)] * (x.ndim - len(widths) // 2) + list(zip(widths[::2], widths[1::2], strict=True))[::-1]
    if mode != "constant":
        for axis, (before, after) in enumerate(pairs):
            if before or after:
                places = surroundings(mode, x.shape[axis], before, after)
                x = ops.take(x, places, axis=axis)
        return x
    if any(n < 0 for pair in pairs for n in pair):
        x = ops.getitem(x, tuple(inside(n, a, b) for n, (a, b) in zip(x.shape, pairs, strict=True)))
    grown = tuple((max(a, 0), max(b, 0)) for a, b in pairs)
    return ops.pad(x, width=grown, value=value or 0.0)  # type: ignore[no-any-return]


def inside(length: int, before: int, after: int) -> slice:
    """What negative paddings leave."""
    start, stop = max(-before, 0), length - max(-after, 0)
    if start > stop:
        raise ValueError(f"pad ({before}, {after}) cuts more than the length {length}")
    return slice(start, stop)


def surroundings(mode: str, length: int, before: int, after: int) -> Any:
    """Positions along a dimension, continued beyond its ends."""
    most = {"reflect": length - 1, "circular": length, "replicate": max(before, after, 0)}[mode]
    if before > most or after > most or not length:
        raise ValueError(f"{mode} padding wants at most {most} for a length of {length}; got ({before}, {after})")
    i = np.arange(-before, length + after)
    if mode == "circular":
        i = i % length
    elif mode == "replicate":
        i = np.clip(i, 0, length - 1)
    else:
        i = np.abs(i)
        i = length - 1 - np.abs(length - 1 - i)
    return as_tensor(i.tolist(), int64)


def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    r"""The input divided by its p-norm along a dimension, :math:`x / \max(\|x\|_p, \epsilon)`.

    Parameters
    ----------
    input : array_like
    p : float
        Positive; inf for the greatest absolute value.
    dim : int or tuple of int
    eps : float
        The least divisor.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        Where p is not positive.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.normalize([[3.0, 4.0]])
    tensor([[0.6, 0.8]])
    """
    x = as_tensor(input)
    if not p > 0:
        raise ValueError(f"normalize: p wants a positive number; got {p}")
    if p == 2:
        squares = ops.sum(ops.square(x), axis=dim, keepdims=True)
        return ops.divide(x, ops.sqrt(ops.clip(squares, low=eps * eps)))  # type: ignore[no-any-return]
    size = ops.abs(x)
    if p == 1:
        return ops.divide(x, ops.clip(ops.sum(size, axis=dim, keepdims=True), low=eps))  # type: ignore[no-any-return]
    top = ops.max(size, axis=dim, keepdims=True)
    if p == float("inf"):
        return ops.divide(x, ops.clip(top, low=eps))  # type: ignore[no-any-return]
    # Powers of values up to 1 neither overflow nor vanish altogether; the scale does not change the norm's gradient.
    tiny = float(np.finfo(x.dtype).tiny)
    scale = ops.clip(top, low=tiny).detach()
    total = ops.clip(ops.sum(ops.power(size / scale, p), axis=dim, keepdims=True), low=tiny)
    return ops.divide(x, ops.clip(scale * ops.power(total, 1 / p), low=eps))  # type: ignore[no-any-return]
