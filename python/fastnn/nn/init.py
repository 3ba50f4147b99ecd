"""Initialization in place: PyTorch's functions and formulas, drawn on the host, the same on every backend.

All numbers are drawn in float64 and rounded to the tensor's dtype, so that a network of either dtype starts from the
same numbers.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .._random_tensors import generator_of
from .._registry import state
from .._tensor import Tensor
from .._writes import wrote
from ..ops._forms import real

Array = np.ndarray[Any, Any]
UNIT_GAINS = (
    "linear",
    "sigmoid",
    *(f"conv{n}d" for n in (1, 2, 3)),
    *(f"conv_transpose{n}d" for n in (1, 2, 3)),
)


def checked(name: str, tensor: Any, least: int = 0, most: int = 8) -> tuple[int, ...]:
    """The shape of a Tensor to initialize; refuses other things, other dtypes and other numbers of dimensions."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name}: tensor wants a Tensor; got {type(tensor).__name__}")
    if tensor.dtype.kind != "f":
        raise TypeError(f"{name}: tensor wants floats; got {tensor.dtype}")
    if not least <= tensor.ndim <= most:
        wants = f"{least}" if least == most else f"{least} to {most}"
        raise ValueError(f"{name}: tensor wants {wants} dimensions; got shape {tensor.shape}")
    return tensor.shape


def put(tensor: Any, values: Any) -> Any:
    """Write values into the memory of a Tensor; no operation of the graph."""
    if state.recorder is not None:
        state.recorder.refuse("initialization would be frozen in a captured step")
    tensor.array[...] = values
    wrote(tensor.array)
    return tensor


def calculate_gain(nonlinearity: str, param: Any = None) -> float:
    r"""The factor by which a nonlinearity's inputs should be larger for its outputs to keep their spread.

    1 for linear maps, convolutions and sigmoid, 5/3 for tanh, :math:`\sqrt 2` for relu,
    :math:`\sqrt{2 / (1 + s^2)}` for leaky_relu with negative slope s, 3/4 for selu.

    Parameters
    ----------
    nonlinearity : str
    param : float, optional
        The negative slope of leaky_relu, 0.01 by default.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For another nonlinearity; for a slope that is no number.

    Examples
    --------
    >>> from fastnn import nn
    >>> nn.init.calculate_gain("leaky_relu", 1.0)
    1.0
    """
    gains = {"tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 0.75, **dict.fromkeys(UNIT_GAINS, 1.0)}
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in gains:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return gains[nonlinearity]


def fans(name: str, tensor: Any) -> tuple[int, int]:
    """How many inputs each output has, and how many outputs each input: (out, in, ...) with a receptive field."""
    shape = checked(name, tensor)
    if len(shape) < 2:
        raise ValueError(f"{name}: tensor wants at least 2 dimensions for fan in and fan out; got shape {shape}")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Any:
    r"""Fill with numbers from the uniform distribution :math:`U(a, b)`.

    Parameters
    ----------
    tensor : Tensor
    a, b : float
    generator : numpy.random.Generator, optional
        fastnn's own, which `fastnn.manual_seed` starts anew.

    Returns
    -------
    Tensor
        The same.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.nn.init.uniform_(fastnn.empty(100), -1.0, 1.0)
    >>> bool(w.amin() >= -1) and bool(w.amax() <= 1)
    True
    """
    shape = checked("uniform_", tensor)
    if not a <= b:
        raise ValueError(f"uniform_: b wants a number of at least a; got a {a}, b {b}")
    return put(tensor, a + (b - a) * generator_of(generator).random(shape))


def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Any:
    r"""Fill with numbers from the normal distribution :math:`N(mean, std^2)`; arguments as of `uniform_`.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.nn.init.normal_(fastnn.empty(10000), 3.0, 0.5)
    >>> abs(w.mean().item() - 3.0) < 0.05
    True
    """
    shape = checked("normal_", tensor)
    if not std >= 0:
        raise ValueError(f"normal_: std wants a number of at least 0; got {std}")
    return put(tensor, mean + std * generator_of(generator).standard_normal(shape))


def trunc_normal_(
    tensor: Any, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Any = None
) -> Any:
    r"""Fill with numbers from the normal distribution :math:`N(mean, std^2)`, drawn again until inside [a, b].

    Parameters
    ----------
    tensor : Tensor
    mean, std, a, b : float
    generator : numpy.random.Generator, optional

    Returns
    -------
    Tensor
        The same.

    Notes
    -----
    Where less than 0.3 of the distribution lies inside, uniform numbers are drawn and accepted in proportion to the
    density (von Neumann, 1951).

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.nn.init.trunc_normal_(fastnn.empty(1000), std=5.0)
    >>> bool(w.abs().amax() <= 2)
    True
    """
    shape = checked("trunc_normal_", tensor)
    if not (std > 0 and a < b):
        raise ValueError(f"trunc_normal_: wants std > 0 and a < b; got std {std}, a {a}, b {b}")
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    rng = generator_of(generator)
    mode = max(a, min(mean, b))

    def below(x: float) -> float:
        return (1.0 + math.erf((x - mean) / (std * math.sqrt(2.0)))) / 2.0

    def draw(n: int) -> tuple[Array, Array]:
        """Numbers, and which of them to keep."""
        if below(b) - below(a) > 0.3:
            x = mean + std * rng.standard_normal(n)
            return x, (x >= a) & (x <= b)
        x = rng.uniform(a, b, n)
        height = ((mode - mean) / std) ** 2 - ((x - mean) / std) ** 2
        return x, np.log1p(-rng.random(n)) <= 0.5 * height

    values, keep = draw(math.prod(shape))
    while not keep.all():
        again = np.flatnonzero(~keep)
        values[again], keep[again] = draw(again.size)
    return put(tensor, values.reshape(shape))


def constant_(tensor: Any, val: float) -> Any:
    """Fill with one value.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.init.constant_(fastnn.empty(2), 0.5)
    tensor([0.5, 0.5])
    """
    checked("constant_", tensor)
    return put(tensor, real("constant_: val", val))


def ones_(tensor: Any) -> Any:
    """Fill with ones.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.init.ones_(fastnn.empty(2))
    tensor([1., 1.])
    """
    return constant_(tensor, 1.0)


def zeros_(tensor: Any) -> Any:
    """Fill with zeros.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.init.zeros_(fastnn.empty(2))
    tensor([0., 0.])
    """
    return constant_(tensor, 0.0)


def eye_(tensor: Any) -> Any:
    """Make a matrix the identity: as many inputs pass unchanged as fit.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.init.eye_(fastnn.empty(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    rows, columns = checked("eye_", tensor, 2, 2)
    return put(tensor, np.eye(rows, columns))


def dirac_(tensor: Any, groups: int = 1) -> Any:
    """Make a convolution's weights (out, in, ...) pass as many input channels unchanged as fit, in each group.

    Raises
    ------
    ValueError
        Where the tensor has not 3 to 5 dimensions; where groups does not divide its first.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.init.dirac_(fastnn.empty(2, 2, 3))[1]
    tensor([[0., 0., 0.],
            [0., 1., 0.]])
    """
    shape = checked("dirac_", tensor, 3, 5)
    if groups < 1 or shape[0] % groups:
        raise ValueError(f"dirac_: groups wants a divisor of dim 0, {shape[0]}; got {groups}")
    values, each = np.zeros(shape), shape[0] // groups
    middle = tuple(n // 2 for n in shape[2:])
    for g in range(groups):
        for d in range(min(each, shape[1])):
            values[(g * each + d, d, *middle)] = 1
    return put(tensor, values)


def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    r"""Fill with :math:`U(-a, a)`, :math:`a = gain \sqrt{6 / (fan_{in} + fan_{out})}`.

    Parameters
    ----------
    tensor : Tensor, at least 2 dimensions
    gain : float
    generator : numpy.random.Generator, optional

    Returns
    -------
    Tensor
        The same.

    Notes
    -----
    Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.nn.init.xavier_uniform_(fastnn.empty(3, 3))
    >>> bool(w.abs().amax() <= 1)
    True
    """
    bound = gain * math.sqrt(6.0 / max(1, sum(fans("xavier_uniform_", tensor))))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    r"""Fill with :math:`N(0, gain^2 \cdot 2 / (fan_{in} + fan_{out}))`; see `xavier_uniform_`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.init.xavier_normal_(fastnn.empty(3, 5)).shape
    (3, 5)
    """
    std = gain * math.sqrt(2.0 / max(1, sum(fans("xavier_normal_", tensor))))
    return normal_(tensor, 0.0, std, generator)


def kaiming_std(name: str, tensor: Any, a: Any, mode: str, nonlinearity: str) -> float:
    """gain / sqrt(fan), the spread that keeps signals alive through rectifiers; 0 where there is nothing to fill."""
    if not isinstance(mode, str) or mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    if 0 in checked(name, tensor):
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return 0.0
    fan = fans(name, tensor)[mode.lower() == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Any, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Any:
    r"""Fill with :math:`U(-b, b)`, :math:`b = gain \sqrt{3 / fan}`.

    Parameters
    ----------
    tensor : Tensor, at least 2 dimensions
    a : float
        The negative slope of the leaky_relu that follows.
    mode : {"fan_in", "fan_out"}
        Keep the spread of signals forward, or of gradients backward.
    nonlinearity : str
        See `calculate_gain`.
    generator : numpy.random.Generator, optional

    Returns
    -------
    Tensor
        The same.

    Notes
    -----
    Source: He et al., Delving deep into rectifiers, ICCV 2015.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.nn.init.kaiming_uniform_(fastnn.empty(5, 6), nonlinearity="relu")
    >>> bool(w.abs().amax() <= 1)
    True
    """
    bound = math.sqrt(3.0) * kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Any, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Any:
    r"""Fill with :math:`N(0, gain^2 / fan)`; see `kaiming_uniform_`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.init.kaiming_normal_(fastnn.empty(3, 5), mode="fan_out").shape
    (3, 5)
    """
    return normal_(tensor, 0.0, kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Any, gain: float = 1, generator: Any = None) -> Any:
    """Fill with a (semi-)orthogonal matrix times gain; dimensions after the first count as one.

    Parameters
    ----------
    tensor : Tensor, at least 2 dimensions
    gain : float
    generator : numpy.random.Generator, optional

    Returns
    -------
    Tensor
        The same.

    Notes
    -----
    Q of the QR factorization of normal numbers, its signs made unique. Source: Saxe et al., Exact solutions to the
    nonlinear dynamics of learning in deep linear neural networks, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnn
    >>> q = fastnn.nn.init.orthogonal_(fastnn.empty(2, 3)).numpy()
    >>> bool(np.allclose(q @ q.T, np.eye(2), atol=1e-6))
    True
    """
    shape = checked("orthogonal_", tensor)
    if len(shape) < 2:
        raise ValueError(f"orthogonal_: tensor wants at least 2 dimensions; got shape {shape}")
    if 0 in shape:
        return tensor
    rows, columns = shape[0], math.prod(shape[1:])
    drawn = generator_of(generator).standard_normal((rows, columns))
    q, r = np.linalg.qr(drawn.T if rows < columns else drawn)
    q = q * np.sign(np.diag(r))
    return put(tensor, gain * (q.T if rows < columns else q).reshape(shape))


def sparse_(tensor: Any, sparsity: float, std: float = 0.01, generator: Any = None) -> Any:
    r"""Fill with :math:`N(0, std^2)`, then zeros in a random part `sparsity` of each column.

    Parameters
    ----------
    tensor : Tensor, 2 dimensions
    sparsity : float
        From 0 to 1.
    std : float
    generator : numpy.random.Generator, optional

    Returns
    -------
    Tensor
        The same.

    Notes
    -----
    Source: Martens, Deep learning via Hessian-free optimization, ICML 2010.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.nn.init.sparse_(fastnn.empty(4, 2), 0.5)
    >>> (w == 0).numpy().sum(0)
    array([2, 2])
    """
    rows, columns = checked("sparse_", tensor, 2, 2)
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: sparsity wants a number from 0 to 1; got {sparsity}")
    rng = generator_of(generator)
    values = std * rng.standard_normal((rows, columns))
    for column in range(columns):
        values[rng.permutation(rows)[: math.ceil(sparsity * rows)], column] = 0
    return put(tensor, values)
