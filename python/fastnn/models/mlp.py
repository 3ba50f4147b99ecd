"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from .. import nn
from ._arguments import positive

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "hardswish": nn.Hardswish,
    "hardtanh": nn.Hardtanh,
    "identity": nn.Identity,
    "leaky_relu": nn.LeakyReLU,
    "mish": nn.Mish,
    "relu": nn.ReLU,
    "selu": nn.SELU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "swish": nn.Swish,
    "tanh": nn.Tanh,
}


class MLP(nn.Module):
    """Linear layers with an activation, and dropout if wanted, between them.

    Parameters
    ----------
    in_features : int
    hidden : sequence of int
        The widths of the hidden layers; empty for a linear model.
    out_features : int
    activation : str
        One of elu, gelu, hardswish, hardtanh, identity, leaky_relu, mish, relu, selu, sigmoid, silu, softplus, swish
        and tanh.
    dropout : float
        The part of each hidden layer's outputs that is dropped in training.

    Attributes
    ----------
    layers : Sequential

    Raises
    ------
    TypeError, ValueError
        For widths that are no positive numbers; for an unknown activation.

    Examples
    --------
    >>> import fastnn
    >>> net = fastnn.models.MLP(64, [32], 10)
    >>> net(fastnn.zeros(5, 64)).shape
    (5, 10)
    >>> net.layers
    Sequential(
      (0): Linear(in_features=64, out_features=32, bias=True)
      (1): ReLU()
      (2): Linear(in_features=32, out_features=10, bias=True)
    )
    """

    def __init__(
        self,
        in_features: int,
        hidden: Sequence[int],
        out_features: int,
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not isinstance(hidden, (list, tuple)):
            raise TypeError(f"MLP: hidden wants a list of widths; got {hidden!r}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"MLP: activation wants one of {', '.join(ACTIVATIONS)}; got {activation!r}")
        if not 0 <= dropout <= 1:
            raise ValueError(f"MLP: dropout wants a probability between 0 and 1; got {dropout}")
        widths = [positive("MLP: in_features", in_features), *(positive("MLP: hidden", n) for n in hidden)]
        self.in_features, self.out_features = widths[0], positive("MLP: out_features", out_features)
        self.hidden, self.activation, self.dropout = tuple(widths[1:]), activation, float(dropout)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), ACTIVATIONS[activation]()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], self.out_features))

    def forward(self, input: Any) -> Any:
        """Outputs (..., out_features) for inputs (..., in_features)."""
        return self.layers(input)

    def config(self) -> dict[str, Any]:
        """What `fastnn.models.build` needs to make such a network again; plain values, good for JSON.

        Examples
        --------
        >>> import fastnn
        >>> fastnn.models.MLP(4, [3], 2).config()["hidden"]
        [3]
        """
        return {
            "model": "MLP",
            "in_features": self.in_features,
            "hidden": list(self.hidden),
            "out_features": self.out_features,
            "activation": self.activation,
            "dropout": self.dropout,
        }
