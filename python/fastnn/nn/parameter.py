"""Parameter: a Tensor that a Module counts among its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._creation import as_tensor
from .._registry import state
from .._tensor import Tensor


class Parameter(Tensor):
    """A Tensor that becomes a parameter of the Module it is assigned to.

    Parameters
    ----------
    data : array_like, optional
        Taken as it is, without a copy, where it is an array or a Tensor; nothing, of shape (0,), by default.
    requires_grad : bool
        Whether ``backward`` shall put a gradient into ``.grad``.

    Raises
    ------
    RuntimeError
        Where a gradient is wanted for whole numbers or bools.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.Parameter(fastnn.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        array = np.empty(0, state.default_dtype) if data is None else as_tensor(data).array
        if requires_grad and array.dtype.kind != "f":
            raise RuntimeError(f"only Tensors of floating point dtype can require gradients; got {array.dtype}")
        self.array, self._grad, self.node, self.output, self.accumulator = array, None, None, 0, None
        self.requires = bool(requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __deepcopy__(self, memo: dict[int, Any], copy: bool = True) -> Parameter:
        """A Parameter of the same values; its gradient and attributes stay behind, as in PyTorch."""
        new: Parameter = type(self).__new__(type(self))
        array = self.array.copy(order="K") if copy else self.array
        Parameter.__init__(new, array, self.requires)
        memo[id(self)] = new
        return new

    def __reduce__(self) -> tuple[Any, ...]:
        return restore, (type(self), self.array, self.requires), self.__dict__ or None


def restore(cls: type[Parameter], array: Any, requires: bool) -> Parameter:
    """Undo pickling."""
    new: Parameter = cls.__new__(cls)
    Parameter.__init__(new, array, requires)
    return new
