"""Dropout."""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from . import functional as F
from .module import Module


class Dropout(Module):
    r"""In training, zeros in place of a random part p of the values, the others times :math:`1/(1-p)`.

    Parameters
    ----------
    p : float
        From 0 to 1.
    inplace : bool
        Accepted as in PyTorch; the result is a new Tensor.

    Raises
    ------
    ValueError
        Where p is out of range.

    Notes
    -----
    Masks follow from `fastnn.manual_seed` and have the same bits on every backend. Source: Srivastava et al., Dropout:
    a simple way to prevent neural networks from overfitting, JMLR 15, 2014.

    Examples
    --------
    >>> import fastnn
    >>> layer = fastnn.nn.Dropout(0.5).eval()
    >>> layer(fastnn.ones(3))
    tensor([1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input: Any) -> Tensor:
        """The input with some values dropped, itself in evaluation."""
        return F.dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}, inplace={self.inplace}"
