"""Images as columns of windows, and columns added up to images; made of other ops."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import sample
from ._forms import array_like, shape_of
from ._windows import Sizes, before_and_after, for_each_axis, space_of, windows
from .arithmetic import add
from .indexing import index, pad, scatter
from .joining import stack
from .shape import reshape

__all__ = ["fold", "unfold"]

Array = np.ndarray[Any, Any]
ALL = slice(None)


def places(kernel: Sizes, stride: Sizes, dilation: Sizes, out: Sizes) -> list[tuple[slice, ...]]:
    """For each position of the kernel, where its values lie in all windows."""
    return [
        tuple(slice(i * d, i * d + (n - 1) * s + 1, s) for i, d, n, s in zip(at, dilation, out, stride, strict=True))
        for at in itertools.product(*map(range, kernel))
    ]


def unfold_form(rank: int, kernel: Any, stride: Any, padding: Any, dilation: Any) -> tuple[Sizes, ...]:
    n = space_of("unfold", rank)
    return (
        for_each_axis("unfold", "kernel", kernel, n, 1),
        for_each_axis("unfold", "stride", stride, n, 1),
        before_and_after("unfold", "padding", padding, n),
        for_each_axis("unfold", "dilation", dilation, n, 1),
    )


def check_unfold(x: Any, *attributes: Any) -> None:
    array_like("unfold", "x", x)


@op(
    composite=True,
    canonical=unfold_form,
    check=check_unfold,
    kind="shape",
    samples=[
        sample((2, 3, 5, 4), kernel=(2, 3), padding=1),
        sample((1, 2, 7), kernel=3, stride=2, dilation=2, padding=(1, 2)),
    ],
    tol=Tol(0, 0, 0),
)
def unfold(x: Array, *, kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Any:
    """All windows of images, as columns.

    Parameters
    ----------
    x : array or Tensor (n, c, *space)
    kernel, stride, dilation : int, or one for each axis of space
    padding : int, one for each axis of space, or a pair (before, after) for each

    Returns
    -------
    array or Tensor (n, c * values of the kernel, windows)

    Raises
    ------
    TypeError, ValueError
        Where attributes are out of range; where the kernel is larger than the padded x.

    Notes
    -----
    Source: torch.nn.functional.unfold.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.unfold(np.array([[[1.0, 2.0, 3.0]]]), kernel=2)
    array([[[1., 2.],
            [2., 3.]]])
    """
    n, c, *space = x.shape
    out = windows(tuple(space), kernel, stride, padding, dilation)
    if any(k < 1 for k in out):
        raise ValueError(f"unfold: kernel {kernel} with dilation {dilation} is larger than x {x.shape} with padding")
    frame = pad(x, (0, 0, 0, 0, *padding)) if any(padding) else x
    seen = stack([index(frame, (ALL, ALL, *where)) for where in places(kernel, stride, dilation, out)], axis=2)
    return reshape(seen, (n, c * math.prod(kernel), math.prod(out)))


def fold_form(rank: int, size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> tuple[Sizes, ...]:
    if rank != 3:
        raise ValueError(f"fold: x wants 3 axes: images, channels times values of the kernel, windows; got {rank}")
    sizes = shape_of(size, "fold: size")
    n = space_of("fold", len(sizes) + 2)
    return (
        sizes,
        for_each_axis("fold", "kernel", kernel, n, 1),
        for_each_axis("fold", "stride", stride, n, 1),
        before_and_after("fold", "padding", padding, n),
        for_each_axis("fold", "dilation", dilation, n, 1),
    )


def check_fold(x: Any, *attributes: Any) -> None:
    array_like("fold", "x", x)


@op(
    composite=True,
    canonical=fold_form,
    check=check_fold,
    kind="shape",
    samples=[
        sample((2, 18, 24), size=(5, 4), kernel=(2, 3), padding=1),
        sample((1, 6, 3), size=(7,), kernel=3, stride=2, dilation=2, padding=((1, 2),)),
    ],
)
def fold(x: Array, *, size: Any, kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Any:
    """Columns of windows added up to images; the transpose of `unfold`.

    Parameters
    ----------
    x : array or Tensor (n, c * values of the kernel, windows)
    size : tuple of int
        The lengths of the axes of space of the result.
    kernel, stride, dilation : int, or one for each axis of space
    padding : int, one for each axis of space, or a pair (before, after) for each

    Returns
    -------
    array or Tensor (n, c, *size)

    Raises
    ------
    TypeError, ValueError
        Where attributes are out of range; where x has not as many channels and windows as they tell.

    Notes
    -----
    Source: torch.nn.functional.fold.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.fold(np.array([[[1.0, 2.0], [2.0, 3.0]]]), size=(3,), kernel=2)
    array([[[1., 4., 3.]]])
    """
    n, channels, columns = x.shape
    out = windows(size, kernel, stride, padding, dilation)
    values = math.prod(kernel)
    if channels % values or min(out) < 1 or columns != math.prod(out):
        wants = f"a multiple of {values} channels and {math.prod(max(k, 0) for k in out)} windows"
        raise ValueError(f"fold: x wants {wants}, for size {size} and kernel {kernel}; got shape {x.shape}")
    c = channels // values
    parts = reshape(x, (n, c, values, *out))
    frame = (n, c, *(s + a + b for s, a, b in zip(size, padding[::2], padding[1::2], strict=True)))
    y: Any = None
    for k, where in enumerate(places(kernel, stride, dilation, out)):
        start, step = (0, 0, *(s.start for s in where)), (1, 1, *stride)
        part = scatter(index(parts, (ALL, ALL, k)), frame, start, step)
        y = part if y is None else add(y, part)
    return index(y, (ALL, ALL, *(slice(a, a + s) for s, a in zip(size, padding[::2], strict=True))))
