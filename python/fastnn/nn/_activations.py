"""Activation functions under PyTorch's names and arguments.

``inplace`` is accepted everywhere and changes nothing: the result is a new Tensor, so that what the graph saved stays.
"""

from __future__ import annotations

import warnings
from typing import Any

from .. import ops
from .._creation import as_tensor
from .._tensor import Tensor


def relu(input: Any, inplace: bool = False) -> Tensor:
    r"""Rectified linear unit, :math:`\max(x, 0)`; see `fastnn.ops.relu`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.relu([-1.0, 2.0])
    tensor([0., 2.])
    """
    return ops.relu(input if type(input) is Tensor else as_tensor(input))  # type: ignore[no-any-return]


def relu6(input: Any, inplace: bool = False) -> Tensor:
    r"""Rectified linear unit bounded by 6, :math:`\min(\max(x, 0), 6)`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.relu6([-1.0, 2.0, 9.0])
    tensor([0., 2., 6.])
    """
    return ops.hardtanh(as_tensor(input), low=0.0, high=6.0)  # type: ignore[no-any-return]


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    r""":math:`x` where positive, else negative_slope :math:`\cdot\, x`; see `fastnn.ops.leaky_relu`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.leaky_relu([-1.0, 2.0], 0.5)
    tensor([-0.5,  2. ])
    """
    return ops.leaky_relu(as_tensor(input), negative_slope=negative_slope)  # type: ignore[no-any-return]


def sigmoid(input: Any) -> Tensor:
    r"""Logistic function, :math:`1 / (1 + e^{-x})`; see `fastnn.ops.sigmoid`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.sigmoid([0.0])
    tensor([0.5])
    """
    return ops.sigmoid(as_tensor(input))  # type: ignore[no-any-return]


def tanh(input: Any) -> Tensor:
    r"""Hyperbolic tangent; see `fastnn.ops.tanh`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.tanh([0.0])
    tensor([0.])
    """
    return ops.tanh(as_tensor(input))  # type: ignore[no-any-return]


def gelu(input: Any, approximate: str = "none") -> Tensor:
    r"""Gaussian error linear unit, :math:`x\,\Phi(x)`, exact or by tanh; see `fastnn.ops.gelu` and `gelu_tanh`.

    Parameters
    ----------
    input : array_like
    approximate : {"none", "tanh"}

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        For another approximation.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.gelu([0.0, 100.0], approximate="tanh")
    tensor([  0., 100.])
    """
    if approximate == "none":
        return ops.gelu(as_tensor(input))  # type: ignore[no-any-return]
    if approximate == "tanh":
        return ops.gelu_tanh(as_tensor(input))  # type: ignore[no-any-return]
    raise ValueError(f"approximate argument must be either none or tanh; got {approximate!r}")


def silu(input: Any, inplace: bool = False) -> Tensor:
    r"""Sigmoid linear unit, :math:`x / (1 + e^{-x})`; see `fastnn.ops.silu`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.silu([0.0, 100.0])
    tensor([  0., 100.])
    """
    return ops.silu(as_tensor(input))  # type: ignore[no-any-return]


def swish(input: Any, beta: float = 1.0) -> Tensor:
    r"""Swish, :math:`x / (1 + e^{-\beta x})`: silu for beta 1; see `fastnn.ops.silu`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.swish([2.0], beta=0.0)
    tensor([1.])
    """
    return ops.silu(as_tensor(input), beta=beta)  # type: ignore[no-any-return]


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    r"""Exponential linear unit: :math:`x` where positive, else :math:`\alpha (e^x - 1)`; see `fastnn.ops.elu`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.elu([-100.0, 1.0])
    tensor([-1.,  1.])
    """
    return ops.elu(as_tensor(input), alpha=alpha)  # type: ignore[no-any-return]


def selu(input: Any, inplace: bool = False) -> Tensor:
    r"""Scaled exponential linear unit; see `fastnn.ops.selu`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.selu([0.0, 1.0])
    tensor([0.    , 1.0507])
    """
    return ops.selu(as_tensor(input))  # type: ignore[no-any-return]


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    r"""Smooth rectifier, :math:`\log(1 + e^{\beta x}) / \beta`; x itself where :math:`\beta x` exceeds the threshold.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.softplus([0.0, 30.0])
    tensor([ 0.6931, 30.    ])
    """
    return ops.softplus(as_tensor(input), beta=beta, threshold=threshold)  # type: ignore[no-any-return]


def mish(input: Any, inplace: bool = False) -> Tensor:
    r""":math:`x \tanh(\log(1 + e^x))`; see `fastnn.ops.mish`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.mish([0.0, 100.0])
    tensor([  0., 100.])
    """
    return ops.mish(as_tensor(input))  # type: ignore[no-any-return]


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """Values bounded by min_val and max_val; see `fastnn.ops.hardtanh`.

    Raises
    ------
    ValueError
        Where min_val is greater than max_val.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.hardtanh([-2.0, 0.5, 2.0])
    tensor([-1. ,  0.5,  1. ])
    """
    if min_val > max_val:
        raise ValueError(f"min_val cannot be greater than max_val; got {min_val} and {max_val}")
    return ops.hardtanh(as_tensor(input), low=min_val, high=max_val)  # type: ignore[no-any-return]


def hardswish(input: Any, inplace: bool = False) -> Tensor:
    r""":math:`x \min(\max(x + 3, 0), 6) / 6`; see `fastnn.ops.hardswish`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.hardswish([-4.0, 0.0, 4.0])
    tensor([-0.,  0.,  4.])
    """
    return ops.hardswish(as_tensor(input))  # type: ignore[no-any-return]


def softmax_dim(name: str, dim: int | None, ndim: int) -> int:
    """The dimension of a softmax; PyTorch's choice, with its warning, where none is given."""
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=3,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    r""":math:`e^{x_i} / \sum_j e^{x_j}` along a dimension; see `fastnn.ops.softmax`.

    Parameters
    ----------
    input : array_like
    dim : int
        Where it is missing, 0 for inputs of 0, 1 and 3 dimensions, else 1, with a warning.
    dtype : dtype or its name, optional
        Cast to it first.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.softmax([0.0, 0.0], dim=0)
    tensor([0.5, 0.5])
    """
    x = as_tensor(input, dtype)
    return ops.softmax(x, axis=softmax_dim("softmax", dim, x.ndim))  # type: ignore[no-any-return]


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    r""":math:`x_i - \log \sum_j e^{x_j}` along a dimension; arguments as of `softmax`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.log_softmax([0.0, 0.0], dim=0)
    tensor([-0.6931, -0.6931])
    """
    x = as_tensor(input, dtype)
    return ops.log_softmax(x, axis=softmax_dim("log_softmax", dim, x.ndim))  # type: ignore[no-any-return]
