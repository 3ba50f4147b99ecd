"""Networks from their configurations."""

from __future__ import annotations

from typing import Any

from .. import nn
from .cnn import CNN
from .ds_cnn import DSCNN
from .mlp import MLP
from .resnet import ResNet8

MODELS: dict[str, type[nn.Module]] = {"MLP": MLP, "CNN": CNN, "ResNet8": ResNet8, "DSCNN": DSCNN}


def build(config: Any) -> Any:
    """A new network from what its ``config()`` gave.

    Parameters
    ----------
    config : mapping
        ``model``, the name of the class, and the arguments of its constructor.

    Returns
    -------
    Module
        With new initial values; `load_state_dict` gives it saved ones.

    Raises
    ------
    TypeError, ValueError
        Where config is no mapping; for an unknown model; for arguments that do not fit.

    Examples
    --------
    >>> import fastnn
    >>> net = fastnn.models.MLP(4, [3], 2, activation="tanh")
    >>> fastnn.models.build(net.config()).config() == net.config()
    True
    """
    try:
        arguments = dict(config)
    except (TypeError, ValueError):
        raise TypeError(f"build: config wants a mapping; got {type(config).__name__}") from None
    name = arguments.pop("model", None)
    if name not in MODELS:
        raise ValueError(f"build: config['model'] wants one of {', '.join(MODELS)}; got {name!r}")
    try:
        return MODELS[name](**arguments)
    except TypeError as error:
        raise TypeError(f"build: config does not fit {name}; {error}") from None
