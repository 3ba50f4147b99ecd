"""Optimizer steps over lists of arrays, in place, by PyTorch's formulas.

Entry i of every list belongs to parameter i. A list of state that a setting does not use is empty. ``n`` holds how
often each parameter was updated, as 0-d int64 arrays; the step counts one up. Attributes are plain numbers that may be
others at each call. Averages that have decayed to subnormal numbers are kept as 0 (see `decayed`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import Floats, Integers, sample
from ._forms import float_array, real

__all__ = ["adagrad", "adam", "rmsprop", "sgd"]

Array = np.ndarray[Any, Any]
Arrays = list[Array]
NEGLIGIBLE = 1e-12  # beside a greater eps, roots of subnormal numbers are nothing
SHAPES = [(3, 4), (4,)]
COUNTS = [Integers((), 1, 5), Integers((), 1, 5)]
FIRST = [Integers((), 0, 1), Integers((), 0, 1)]
POSITIVE = [Floats(s, 0.1, 2.0) for s in SHAPES]
SMALL = [Floats(s, -0.5, 0.5) for s in SHAPES]  # averages whose squares stay below
LARGE = [Floats(s, 1.0, 2.0) for s in SHAPES]  # these averages of squares


def check_step(name: str, function: Any, attributes: tuple[Any, ...], **lists: Any) -> None:
    """Refuse attributes that are no numbers, and lists that do not go with the first: lengths, shapes and dtypes."""
    for key, value in zip(function.op.attributes, attributes, strict=True):
        real(f"{name}: {key}", int(value) if isinstance(value, bool) else value)
    (first, ps), *others = lists.items()
    for p in ps:
        float_array(name, first, p)
    for key, values in others:
        if len(values) != len(ps):
            raise ValueError(f"{name}: {key} wants as many arrays as {first}, {len(ps)}; got {len(values)}")
        for p, v in zip(ps, values, strict=True):
            shape, dtype = ((), np.dtype(np.int64)) if key == "n" else (p.shape, p.dtype)
            if v.shape != shape:
                raise ValueError(f"{name}: {key} wants shape {shape} beside {first} of {p.shape}; got {v.shape}")
            if v.dtype != dtype:
                raise TypeError(f"{name}: {key} wants {dtype} beside {first} of {p.dtype}; got {v.dtype}")


def used(**lists: Any) -> dict[str, Any]:
    """The state that is there; each name comes with (list, whether the settings need it)."""
    return {name: values for name, (values, needed) in lists.items() if needed or values}


def descent(p: Array, g: Array, weight_decay: float, maximize: int) -> Array:
    """The gradient to go down: its sign changed where the objective is to grow, plus weight_decay p."""
    g = -g if maximize else g
    return g + weight_decay * p if weight_decay else g


def decayed(average: Array, ends: bool = True) -> Array:
    """The average with 0 for subnormal numbers, which it would never leave: .9 of the smallest is rounded to itself.

    Those of squares end only where eps leaves nothing of their roots, and no square of a mean is taken off them.
    """
    return np.where(np.abs(average) < np.finfo(average.dtype).tiny, average.dtype.type(0), average) if ends else average


def check_sgd(p: Any, g: Any, v: Any, n: Any, *attributes: Any) -> None:
    check_step("sgd", sgd, attributes, p=p, g=g, n=n, **used(v=(v, attributes[1])))


@op(
    updates="p v n",
    outputs=0,
    check=check_sgd,
    kind="update",
    samples=[
        sample(SHAPES, SHAPES, [], FIRST, lr=0.1),
        sample(SHAPES, SHAPES, SHAPES, FIRST, lr=0.1, momentum=0.9, dampening=0.1),
        sample(SHAPES, SHAPES, SHAPES, COUNTS, lr=0.1, momentum=0.9, dampening=0.1, weight_decay=0.01),
        sample(SHAPES, SHAPES, SHAPES, COUNTS, lr=0.1, momentum=0.9, nesterov=1, maximize=1),
    ],
    tol=Tol(4, 0, 4),
)
def sgd(
    p: list[Array],
    g: list[Array],
    v: list[Array],
    n: list[Array],
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: int = 0,
    maximize: int = 0,
) -> Any:
    r"""Stochastic gradient descent, :math:`v \gets \mu v + (1-d) g,\; p \gets p - \eta v`, in place.

    Parameters
    ----------
    p, g, v, n : lists of arrays
        Parameters, gradients, velocities (empty where there is no momentum) and step counts (0-d int64);
        p, v and n are written. The first step with momentum sets v = g.
    lr, momentum, dampening, weight_decay : float
    nesterov, maximize : 0 or 1

    Raises
    ------
    TypeError, ValueError
        Where the lists do not go together.

    Notes
    -----
    Source: torch.optim.SGD; Sutskever et al., On the importance of initialization and momentum, ICML 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> p, n = np.array([1.0, 2.0]), np.array(0)
    >>> ops.sgd([p], [np.array([1.0, -1.0])], [], [n], lr=0.5)
    >>> p, n
    (array([0.5, 2.5]), array(1))
    """
    out: tuple[Arrays, Arrays, Arrays] = [], [], [i + 1 for i in n]
    for i, (a, d) in enumerate(zip(p, g, strict=True)):
        d = descent(a, d, weight_decay, maximize)
        if v:
            velocity = v[i]
            if momentum:
                velocity = decayed(momentum * v[i] + (1 - dampening) * d if n[i] else d)
                d = d + momentum * velocity if nesterov else velocity
            out[1].append(velocity)
        out[0].append(a - lr * d)
    return out


def check_adam(p: Any, g: Any, m: Any, v: Any, vmax: Any, n: Any, *attributes: Any) -> None:
    check_step("adam", adam, attributes, p=p, g=g, m=m, v=v, n=n, **used(vmax=(vmax, attributes[6])))


ADAM = {"lr": 0.01, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}


@op(
    updates="p m v vmax n",
    outputs=0,
    check=check_adam,
    kind="update",
    samples=[
        sample(SHAPES, SHAPES, SHAPES, POSITIVE, [], FIRST, **ADAM),
        sample(SHAPES, SHAPES, SHAPES, POSITIVE, [], COUNTS, **ADAM, weight_decay=0.1),
        sample(SHAPES, SHAPES, SHAPES, POSITIVE, [], COUNTS, **ADAM, weight_decay=0.1, decoupled=1, maximize=1),
        sample(SHAPES, SHAPES, SHAPES, POSITIVE, POSITIVE, COUNTS, **ADAM, amsgrad=1),
        sample(SHAPES, SHAPES, SHAPES, POSITIVE, [], COUNTS, lr=0.01, eps=0.01, eps_hat=1),
    ],
    tol=Tol(8, 0, 8),
)
def adam(
    p: list[Array],
    g: list[Array],
    m: list[Array],
    v: list[Array],
    vmax: list[Array],
    n: list[Array],
    *,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: int = 0,
    amsgrad: int = 0,
    maximize: int = 0,
    eps_hat: int = 0,
) -> Any:
    r"""Adam, :math:`p \gets p - \eta\,\hat m / (\sqrt{\hat v} + \epsilon)`, in place; AdamW where `decoupled` is 1.

    Parameters
    ----------
    p, g, m, v, vmax, n : lists of arrays
        Parameters, gradients, their averages, those of their squares, the largest of these (empty without amsgrad)
        and step counts (0-d int64); all but g are written.
    lr, beta1, beta2, eps, weight_decay : float
    decoupled, amsgrad, maximize, eps_hat : 0 or 1
        decoupled takes lr weight_decay p off the parameter, instead of adding weight_decay p to the gradient; eps_hat
        adds eps to :math:`\sqrt v`, which is corrected afterwards.

    Raises
    ------
    TypeError, ValueError
        Where the lists do not go together.

    Notes
    -----
    With t the new count, :math:`\hat m = m/(1-\beta_1^t)` and :math:`\hat v = v/(1-\beta_2^t)`. Source: Kingma and
    Ba, Adam, ICLR 2015 (:math:`\hat\epsilon`: end of section 2, the form of TensorFlow and scikit-learn); Loshchilov
    and Hutter, Decoupled weight decay regularization, ICLR 2019; the order of operations is torch.optim.Adam's.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> p, n = np.array([1.0, 2.0]), np.array(0)
    >>> ops.adam([p], [np.array([3.0, -3.0])], [np.zeros(2)], [np.zeros(2)], [], [n], lr=0.5)
    >>> p
    array([0.5, 2.5])
    """
    out: tuple[Arrays, ...] = [], [], [], [], [i + 1 for i in n]
    for i, (a, d) in enumerate(zip(p, g, strict=True)):
        d = descent(a, d, 0.0 if decoupled else weight_decay, maximize)
        a = a * (1 - lr * weight_decay) if decoupled else a
        average = decayed(m[i] + (1 - beta1) * (d - m[i]))
        squares = largest = decayed(beta2 * v[i] + (1 - beta2) * d * d, eps > NEGLIGIBLE)
        if vmax:
            largest = np.maximum(vmax[i], squares) if amsgrad else vmax[i]
            out[3].append(largest)
        t = float(out[4][i])
        scale = math.sqrt(1 - beta2**t)
        root = np.sqrt(largest if amsgrad else squares) / scale + (eps / scale if eps_hat else eps)
        out[0].append(a - lr / (1 - beta1**t) * average / root)
        out[1].append(average)
        out[2].append(squares)
    return out


def check_rmsprop(p: Any, g: Any, v: Any, b: Any, a: Any, n: Any, *attributes: Any) -> None:
    some = used(b=(b, attributes[4]), a=(a, attributes[5]))
    check_step("rmsprop", rmsprop, attributes, p=p, g=g, v=v, n=n, **some)


@op(
    updates="p v b a n",
    outputs=0,
    check=check_rmsprop,
    kind="update",
    samples=[
        sample(SHAPES, SHAPES, POSITIVE, [], [], FIRST, lr=0.01),
        sample(
            SHAPES, SHAPES, POSITIVE, SHAPES, [], COUNTS, lr=0.01, alpha=0.9, weight_decay=0.1, momentum=0.9, maximize=1
        ),
        sample(SHAPES, SHAPES, LARGE, SHAPES, SMALL, COUNTS, lr=0.01, momentum=0.9, centered=1),
        sample(SHAPES, SHAPES, LARGE, [], SMALL, COUNTS, lr=0.01, centered=1),
    ],
    tol=Tol(8, 0, 8),
)
def rmsprop(
    p: list[Array],
    g: list[Array],
    v: list[Array],
    b: list[Array],
    a: list[Array],
    n: list[Array],
    *,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: int = 0,
    maximize: int = 0,
) -> Any:
    r"""RMSprop, :math:`v \gets \alpha v + (1-\alpha) g^2,\; p \gets p - \eta\,g / (\sqrt v + \epsilon)`, in place.

    Parameters
    ----------
    p, g, v, b, a, n : lists of arrays
        Parameters, gradients, averages of squares, momentum buffers (empty without momentum), averages of gradients
        (empty unless centered) and step counts (0-d int64); all but g are written.
    lr, alpha, eps, weight_decay, momentum : float
    centered, maximize : 0 or 1
        centered takes the square of the average off the average of squares.

    Raises
    ------
    TypeError, ValueError
        Where the lists do not go together.

    Notes
    -----
    Source: Tieleman and Hinton, lecture 6.5, Coursera, 2012; Graves, Generating sequences with recurrent neural
    networks, 2013 (centered); the order of operations is torch.optim.RMSprop's.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> p, v, n = np.array([1.0]), np.array([0.0]), np.array(0)
    >>> ops.rmsprop([p], [np.array([2.0])], [v], [], [], [n], lr=0.25, alpha=0.75, eps=0.0)
    >>> p, v
    (array([0.5]), array([1.]))
    """
    out: tuple[Arrays, ...] = [], [], [], [], [i + 1 for i in n]
    for i, (x, d) in enumerate(zip(p, g, strict=True)):
        d = descent(x, d, weight_decay, maximize)
        squares = decayed(alpha * v[i] + (1 - alpha) * d * d, eps > NEGLIGIBLE and not centered)
        spread = squares
        if a:
            average = decayed(a[i] + (1 - alpha) * (d - a[i])) if centered else a[i]
            spread = squares - average * average if centered else squares
            out[3].append(average)
        step = d / (np.sqrt(spread) + eps)
        if b:
            buffer = decayed(momentum * b[i] + step) if momentum else b[i]
            step = buffer if momentum else step
            out[2].append(buffer)
        out[0].append(x - lr * step)
        out[1].append(squares)
    return out


def check_adagrad(p: Any, g: Any, s: Any, n: Any, *attributes: Any) -> None:
    check_step("adagrad", adagrad, attributes, p=p, g=g, s=s, n=n)


@op(
    updates="p s n",
    outputs=0,
    check=check_adagrad,
    kind="update",
    samples=[
        sample(SHAPES, SHAPES, POSITIVE, FIRST, lr=0.1),
        sample(SHAPES, SHAPES, POSITIVE, COUNTS, lr=0.1, lr_decay=0.1, weight_decay=0.1, maximize=1),
    ],
    tol=Tol(8, 0, 8),
)
def adagrad(
    p: list[Array],
    g: list[Array],
    s: list[Array],
    n: list[Array],
    *,
    lr: float,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    eps: float = 1e-10,
    maximize: int = 0,
) -> Any:
    r"""Adagrad, :math:`s \gets s + g^2,\; p \gets p - \frac{\eta}{1 + t\,decay}\,g / (\sqrt s + \epsilon)`, in place.

    Parameters
    ----------
    p, g, s, n : lists of arrays
        Parameters, gradients, sums of squares and step counts (0-d int64; t is the old one); all but g are written.
    lr, lr_decay, weight_decay, eps : float
    maximize : 0 or 1

    Raises
    ------
    TypeError, ValueError
        Where the lists do not go together.

    Notes
    -----
    Source: Duchi, Hazan and Singer, Adaptive subgradient methods, JMLR 12, 2011; the order of operations is
    torch.optim.Adagrad's.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> p, s, n = np.array([1.0]), np.array([0.0]), np.array(0)
    >>> ops.adagrad([p], [np.array([2.0])], [s], [n], lr=0.5, eps=0.0)
    >>> p, s
    (array([0.5]), array([4.]))
    """
    out: tuple[Arrays, ...] = [], [], [i + 1 for i in n]
    for i, (a, d) in enumerate(zip(p, g, strict=True)):
        d = descent(a, d, weight_decay, maximize)
        squares = s[i] + d * d
        rate = lr / (1 + float(n[i]) * lr_decay)
        out[0].append(a - rate * d / (np.sqrt(squares) + eps))
        out[1].append(squares)
    return out
