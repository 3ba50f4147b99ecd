"""Activation functions as Modules; see the functions of `fastnn.nn.functional` for the formulas."""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from . import functional as F
from .module import Module


class Plain(Module):
    """What activations without numbers share: the `inplace` argument, which is accepted and changes nothing."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        """Whether PyTorch would compute in place."""
        return "inplace=True" if self.inplace else ""


class ReLU(Plain):
    r"""Rectified linear unit, :math:`\max(x, 0)`.

    Parameters
    ----------
    inplace : bool
        Accepted as in PyTorch; the result is a new Tensor.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.ReLU()(fastnn.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Any) -> Tensor:
        """Element by element."""
        return F.relu(input)


class ReLU6(Plain):
    r"""Rectified linear unit bounded by 6; see `ReLU`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.ReLU6()(fastnn.tensor([-1.0, 9.0]))
    tensor([0., 6.])
    """

    def forward(self, input: Any) -> Tensor:
        """Element by element."""
        return F.relu6(input)


class SiLU(Plain):
    r"""Sigmoid linear unit, :math:`x / (1 + e^{-x})`; see `ReLU` for `inplace`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.SiLU()(fastnn.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """

    def forward(self, input: Any) -> Tensor:
        """Element by element."""
        return F.silu(input)


class SELU(Plain):
    r"""Scaled exponential linear unit; see `ReLU` for `inplace`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.SELU()(fastnn.tensor([0.0, 1.0]))
    tensor([0.    , 1.0507])
    """

    def forward(self, input: Any) -> Tensor:
        """Element by element."""
        return F.selu(input)


class Mish(Plain):
    r""":math:`x \tanh(\log(1 + e^x))`; see `ReLU` for `inplace`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.Mish()(fastnn.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """

    def forward(self, input: Any) -> Tensor:
        """Element by element."""
        return F.mish(input)


class Hardswish(Plain):
    r""":math:`x \min(\max(x + 3, 0), 6) / 6`; see `ReLU` for `inplace`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.Hardswish()(fastnn.tensor([0.0, 4.0]))
    tensor([0., 4.])
    """

    def forward(self, input: Any) -> Tensor:
        """Element by element."""
        return F.hardswish(input)

    def extra_repr(self) -> str:
        """Nothing, as in PyTorch."""
        return ""


class Sigmoid(Module):
    r"""Logistic function, :math:`1 / (1 + e^{-x})`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.Sigmoid()(fastnn.tensor([0.0]))
    tensor([0.5])
    """

    def forward(self, input: Any) -> Tensor:
        """Element by element."""
        return F.sigmoid(input)


class Tanh(Module):
    r"""Hyperbolic tangent.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.Tanh()(fastnn.tensor([0.0]))
    tensor([0.])
    """

    def forward(self, input: Any) -> Tensor:
        """Element by element."""
        return F.tanh(input)


class LeakyReLU(Module):
    r""":math:`x` where positive, else negative_slope :math:`\cdot\, x`.

    Parameters
    ----------
    negative_slope : float
    inplace : bool
        Accepted as in PyTorch; the result is a new Tensor.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.LeakyReLU(0.5)(fastnn.tensor([-1.0, 2.0]))
    tensor([-0.5,  2. ])
    """

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: Any) -> Tensor:
        """Element by element."""
        return F.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        """The slope."""
        return f"negative_slope={self.negative_slope}{', inplace=True' if self.inplace else ''}"


class GELU(Module):
    r"""Gaussian error linear unit, :math:`x\,\Phi(x)`.

    Parameters
    ----------
    approximate : {"none", "tanh"}

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.GELU()(fastnn.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Any) -> Tensor:
        """Element by element."""
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """The approximation."""
        return f"approximate={self.approximate!r}"


class Swish(Module):
    r""":math:`x / (1 + e^{-\beta x})`; for beta 1 it is `SiLU`.

    Parameters
    ----------
    beta : float

    Notes
    -----
    Source: Ramachandran, Zoph and Le, Searching for activation functions, 2017.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.Swish(beta=0.0)(fastnn.tensor([2.0]))
    tensor([1.])
    """

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, input: Any) -> Tensor:
        """Element by element."""
        return F.swish(input, self.beta)

    def extra_repr(self) -> str:
        """The factor."""
        return f"beta={self.beta}"


class ELU(Module):
    r"""Exponential linear unit: :math:`x` where positive, else :math:`\alpha (e^x - 1)`.

    Parameters
    ----------
    alpha : float
    inplace : bool
        Accepted as in PyTorch; the result is a new Tensor.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.ELU()(fastnn.tensor([-100.0, 1.0]))
    tensor([-1.,  1.])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Any) -> Tensor:
        """Element by element."""
        return F.elu(input, self.alpha)

    def extra_repr(self) -> str:
        """The limit on the left."""
        return f"alpha={self.alpha}{', inplace=True' if self.inplace else ''}"


class Softplus(Module):
    r"""Smooth rectifier, :math:`\log(1 + e^{\beta x}) / \beta`; x itself where :math:`\beta x` exceeds the threshold.

    Parameters
    ----------
    beta, threshold : float

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.Softplus()(fastnn.tensor([0.0, 30.0]))
    tensor([ 0.6931, 30.    ])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Any) -> Tensor:
        """Element by element."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Both numbers."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Hardtanh(Module):
    """Values bounded by min_val and max_val.

    Parameters
    ----------
    min_val, max_val : float
    inplace : bool
        Accepted as in PyTorch; the result is a new Tensor.
    min_value, max_value : float, optional
        Older names of the bounds.

    Raises
    ------
    ValueError
        Where min_val is not below max_val.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.Hardtanh()(fastnn.tensor([-2.0, 0.5, 2.0]))
    tensor([-1. ,  0.5,  1. ])
    """

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if not self.max_val > self.min_val:
            raise ValueError(f"Hardtanh: max_val wants a number above min_val; got {self.max_val} and {self.min_val}")

    def forward(self, input: Any) -> Tensor:
        """Element by element."""
        return F.hardtanh(input, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        """The bounds."""
        return f"min_val={self.min_val}, max_val={self.max_val}{', inplace=True' if self.inplace else ''}"


class Softmax(Module):
    r""":math:`e^{x_i} / \sum_j e^{x_j}` along a dimension.

    Parameters
    ----------
    dim : int
        Where it is missing, 0 for inputs of 0, 1 and 3 dimensions, else 1, with a warning.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.Softmax(dim=1)(fastnn.zeros(1, 2))
    tensor([[0.5, 0.5]])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Tensor:
        """Along the dimension."""
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"


class LogSoftmax(Module):
    r""":math:`x_i - \log \sum_j e^{x_j}` along a dimension; see `Softmax`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.LogSoftmax(dim=1)(fastnn.zeros(1, 2))
    tensor([[-0.6931, -0.6931]])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Tensor:
        """Along the dimension."""
        return F.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"
