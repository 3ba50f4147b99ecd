"""Batch normalization folded into the convolution or linear layer before it, for inference."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from .._creation import as_tensor
from .._registry import state
from .._writes import root
from ..autograd import no_grad
from ..capture.call import Tree
from ..capture.recorder import Recorder, flat
from .batchnorm import _BatchNorm
from .container import Sequential
from .convolution import ConvNd, Convolution, Transposed
from .linear import Identity, Linear
from .module import Module
from .parameter import Parameter

PRODUCERS = (Convolution, Transposed, Linear)


class Folded(Identity):
    """Stands where a batch normalization was: gives back its input, if that has the number of dimensions that it had.

    A linear layer may have results of three dimensions, of which `BatchNorm1d` does not normalize the last, the
    features; such results are refused, since they would be wrong.
    """

    def __init__(self, norm: Module, rank: int) -> None:
        super().__init__()
        self.kind, self.rank = type(norm).__name__, rank

    def forward(self, input: Any) -> Any:
        """The input."""
        if input.ndim != self.rank:
            raise ValueError(f"expected {self.rank}D input (got {input.ndim}D input)")
        return input

    def extra_repr(self) -> str:
        """What was here."""
        return self.kind


def unchanged(module: Module, *kinds: type) -> bool:
    """Whether a module is of one of these kinds, with their own forward and no hooks that would see other values."""
    kind: Any = next((k for k in kinds if isinstance(module, k)), None)
    same: bool = kind is not None and type(module).forward is kind.forward and type(module).__call__ is Module.__call__
    return same and "forward" not in vars(module) and not module._hooks


def in_turn(name: str, module: Module) -> Iterator[tuple[str, Module]]:
    """What runs one after the other, and nothing in between: what a Sequential holds, those in it taken apart."""
    if type(module) is Identity and not module._hooks:
        return
    if not unchanged(module, Sequential):
        yield name, module
        return
    for key, child in module._named("module"):
        yield from in_turn(f"{name}.{key}" if name else key, child)


def in_sequentials(model: Module) -> Iterator[tuple[str, str]]:
    """Neighbors in Sequentials."""
    for name, module in model.named_modules():
        for (first, _), (second, _) in pairwise(in_turn(name, module)):
            yield first, second


def in_a_call(model: Module, inputs: tuple[Any, ...]) -> Iterator[tuple[str, str]]:
    """Modules whose result went into one other module and nowhere else when `model` was called with `inputs`."""
    calls: list[tuple[Module, Any, Any]] = []  # with the arrays that went in and came out

    def note(module: Module, args: Any, kwargs: Any, output: Any) -> None:
        given = (*args, *kwargs.values())[0]
        calls.append((module, as_tensor(given).array, output.array))

    watched = {m: name for name, m in model.named_modules() if unchanged(m, *PRODUCERS, _BatchNorm)}
    handles = [m.register_forward_hook(note, with_kwargs=True) for m in watched]
    try:
        with no_grad(), Recorder([]) as recorder:
            results = Tree(model(*inputs)).tensors
    finally:
        for handle in handles:
            handle.remove()
    times = Counter(module for module, _, _ in calls)
    uses = Counter(key for record in recorder.records for key in {id(root(a)) for a in flat(record.args)})
    uses.update(id(root(t.array)) for t in results)
    makers = {id(made): module for module, _, made in calls}
    for module, taken, _ in calls:
        maker = makers.get(id(taken))
        if maker is not None and times[maker] == times[module] == uses[id(root(taken))] == 1:
            yield watched[maker], watched[module]


def outputs(layer: Any) -> tuple[int, int]:
    """How many channels and dimensions a layer's results have."""
    return (layer.out_channels, layer.space + 2) if isinstance(layer, ConvNd) else (layer.out_features, 2)


def folds(layer: Any, norm: Any) -> bool:
    """Whether these are a layer and the batch normalization of what it makes."""
    if not unchanged(layer, *PRODUCERS) or not unchanged(norm, _BatchNorm):
        return False
    channels, rank = outputs(layer)
    return channels == norm.num_features and rank in norm.ranks


def fuse(model: Any, *inputs: Any) -> Any:
    r"""A copy of a network for inference, with batch normalizations folded into the layers before them.

    A convolution, transposed convolution or linear layer with weight :math:`W` and bias :math:`c`, followed by a batch
    normalization by the running :math:`\mu` and :math:`\sigma^2`, is one layer with, for each channel of outputs,

    .. math:: W' = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}} W, \qquad
        c' = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}} (c - \mu) + \beta .

    Parameters
    ----------
    model : Module
        In evaluation; it is left as it is.
    *inputs : array_like, optional
        What to call a copy of the model with once, to see which layer's result goes into which normalization, and
        nowhere else. Without them those are folded that follow a layer in a `Sequential`, Sequentials in it and
        Identities aside. This is all there is in the networks of `fastnn.models`, but not in a forward that calls its
        layers by name.

    Returns
    -------
    Module
        New, in evaluation, on memory of its own. The layers have a bias each, and where a normalization was there is
        an identity: other names and keys of the ``state_dict`` are the model's. To load a saved ``state_dict`` of it,
        fuse a model that is built alike first.

    Raises
    ------
    TypeError
        Where model is no Module.
    ValueError
        Where a part of it is in training; where a normalization that could be folded keeps no running statistics.
    CaptureError
        Where the call with `inputs` goes by values that it computes, so that another call may go another way.

    Notes
    -----
    Left as they are: layers and normalizations that occur twice, that have hooks, or whose class has a forward of its
    own, and a layer whose number of outputs is not the normalization's. Factors are computed in float64; results are
    those of the model but for rounding.

    Without `inputs` it is taken for granted that nobody takes out what a Sequential computes on its way, by calling
    its layers one by one; with them that is seen.

    Source: B. Jacob et al., Quantization and training of neural networks for efficient integer-arithmetic-only
    inference, CVPR 2018, equation 14; torch.nn.utils.fusion.fuse_conv_bn_eval.

    Examples
    --------
    >>> import fastnn
    >>> from fastnn import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU()).eval()
    >>> fused = fastnn.fuse(model)
    >>> fused
    Sequential(
      (0): Conv2d(1, 4, kernel_size=(3, 3), stride=(1, 1))
      (1): Folded(BatchNorm2d)
      (2): ReLU()
    )
    >>> x = fastnn.randn(2, 1, 8, 8)
    >>> bool(abs(fused(x) - model(x)).max() < 1e-5)
    True
    >>> list(fused.state_dict())
    ['0.weight', '0.bias']
    """
    if not isinstance(model, Module):
        raise TypeError(f"fuse: model wants a Module; got {type(model).__name__}")
    if state.recorder is not None:
        state.recorder.refuse("fuse would happen once, at recording")
    training = [name or type(m).__name__ for name, m in model.named_modules() if m.training]
    if training:
        raise ValueError(f"fuse: model wants to be in evaluation, by model.eval(); in training: {', '.join(training)}")
    fused: Any = copy.deepcopy(model)
    pairs = list(in_a_call(fused, inputs) if inputs else in_sequentials(fused))
    places = Counter(id(m) for _, m in fused.named_modules(remove_duplicate=False))
    for first, second in pairs:
        layer, norm = map(fused.get_submodule, (first, second))
        if folds(layer, norm) and places[id(layer)] == places[id(norm)] == 1:
            if norm.running_mean is None:
                raise ValueError(f"fuse: {second} wants running statistics; it was made with track_running_stats=False")
            fold(layer, norm)
            path, _, name = second.rpartition(".")
            setattr(fused.get_submodule(path), name, Folded(norm, outputs(layer)[1]).eval())
    return fused


def fold(layer: Any, norm: Any) -> None:
    """Give a layer the weight and bias with which it does the work of the normalization after it, too."""
    gamma, beta, c = (None if p is None else p.array.astype(float) for p in (norm.weight, norm.bias, layer.bias))
    mean, var = (p.array.astype(float) for p in (norm.running_mean, norm.running_var))
    scale = (1 if gamma is None else gamma) / np.sqrt(var + norm.eps)
    bias = ((0 if c is None else c) - mean) * scale + (0 if beta is None else beta)
    w = layer.weight.array
    if isinstance(layer, Transposed):  # (in, out / groups, ...); each group has its own outputs
        parts = w.reshape(layer.groups, -1, *w.shape[1:])
        scaled = (parts * scale.reshape(layer.groups, 1, -1, *(1,) * layer.space)).reshape(w.shape)
    else:
        scaled = w * scale.reshape(-1, *(1,) * (w.ndim - 1))
    layer.weight = Parameter(scaled.astype(w.dtype), layer.weight.requires)
    layer.bias = Parameter(bias.astype(w.dtype), layer.weight.requires)
