"""PyTorch, eager; fused optimizers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from parts import AdamWork, LossWork, Product, Warm
from work import Column, GradientWork, InferenceWork, OpWork, StepWork, Work

NAME = "torch"
LIBRARY = "PyTorch"
OTHER_NAMES: dict[str, Callable[..., Any]] = {  # where the name, or a default, is not fastnn's
    "gelu_tanh": functools.partial(F.gelu, approximate="tanh"),
    "softmax": functools.partial(torch.softmax, dim=-1),
    "log_softmax": functools.partial(torch.log_softmax, dim=-1),
    "layer_norm": lambda x, w, b: F.layer_norm(x, w.shape, w, b),
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "huber": F.huber_loss,
    "nll": F.nll_loss,
    "linear": F.linear,
    "cross_entropy": F.cross_entropy,
    "binary_cross_entropy": F.binary_cross_entropy,
    "binary_cross_entropy_with_logits": F.binary_cross_entropy_with_logits,
}
ROWWISE_AXES = {"sum": torch.sum, "mean": torch.mean, "max": torch.amax, "min": torch.amin}
SAME_NAMES = [
    "abs",
    "add",
    "divide",
    "exp",
    "expm1",
    "log",
    "log1p",
    "matmul",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "sqrt",
    "square",
    "subtract",
    "where",
    "sigmoid",
    "tanh",
    "elu",
    "gelu",
    "hardswish",
    "leaky_relu",
    "mish",
    "relu",
    "selu",
    "silu",
    "softplus",
    "power",
]


def version() -> str:
    """The installed version."""
    return str(torch.__version__)


def use(threads: int) -> None:
    """Use so many threads."""
    torch.set_num_threads(threads)


def tensor(a: Any) -> Any:
    """A tensor on an array's memory, strides and all; other things as they are."""
    return torch.from_numpy(a) if isinstance(a, np.ndarray) else a


def function(name: str, attributes: dict[str, Any]) -> Callable[..., Any] | None:
    """PyTorch's function for an op with these attributes."""
    if name in ROWWISE_AXES and attributes.get("axis", 0) is not None and set(attributes) == {"axis"}:
        return functools.partial(ROWWISE_AXES[name], dim=attributes["axis"])
    if attributes:
        return None
    if name in SAME_NAMES:
        name = {"power": "pow"}.get(name, name)
        return getattr(torch, name, None) or getattr(F, name)
    return OTHER_NAMES.get(name)


def column(work: Work) -> Column | None:
    """How PyTorch does this work."""
    if isinstance(work, GradientWork):
        return None
    if isinstance(work, Product):
        (a, b), y = (torch.from_numpy(x) for x in work.inputs), torch.empty(work.results[0].shape)
        a, b = (b.T, a) if a.ndim == 1 else (a, b)  # with the vector first it makes a result of another shape
        return Column(NAME, lambda: torch.matmul(a, b, out=y))
    if isinstance(work, Warm):
        x, f = torch.from_numpy(work.inputs[0]), getattr(torch.ops.aten, work.op.name).out
        warm = torch.empty_like(x)
        return Column(NAME, lambda: f(x, out=warm))
    if isinstance(work, OpWork):
        return operation(work)
    if isinstance(work, StepWork):
        return step(work, NAME)
    if isinstance(work, InferenceWork):
        return inference(work, NAME)
    if isinstance(work, LossWork):
        return loss(work, NAME)
    return adam(work, NAME) if isinstance(work, AdamWork) else None


def operation(work: OpWork) -> Column | None:
    """One call of PyTorch's function."""
    f = function(work.op.name, work.attributes)
    inputs = [tensor(a) for a in work.inputs if a is not None]
    if f is None or any(isinstance(a, list) for a in inputs):
        return None
    return Column(NAME, lambda: f(*inputs))


class Residual(torch.nn.Module):
    """As fastnn's."""

    def __init__(self, residual: Any, shortcut: Any) -> None:
        super().__init__()
        self.residual, self.shortcut = residual, shortcut

    def forward(self, x: Any) -> Any:
        return F.relu(self.residual(x) + self.shortcut(x), inplace=True)


def as_torch(m: Any) -> Any:
    """PyTorch's module for one of fastnn's; its parameters have the same order."""
    match type(m).__name__:
        case "Sequential":
            return torch.nn.Sequential(*map(as_torch, m))
        case "Residual":
            return Residual(as_torch(m.residual), as_torch(m.shortcut))
        case "Conv2d":
            numbers = (m.in_channels, m.out_channels, m.kernel_size, m.stride, m.padding, m.dilation, m.groups)
            return torch.nn.Conv2d(*numbers, bias=m.bias is not None)
        case "BatchNorm2d":
            return torch.nn.BatchNorm2d(m.num_features, m.eps, m.momentum)
        case "Linear":
            return torch.nn.Linear(m.in_features, m.out_features, m.bias is not None)
        case "MaxPool2d":
            return torch.nn.MaxPool2d(m.kernel_size)
        case "AdaptiveAvgPool2d":
            return torch.nn.AdaptiveAvgPool2d(m.output_size)
        case "ReLU":
            return torch.nn.ReLU(inplace=True)
        case "Sigmoid" | "Flatten" as name:
            return getattr(torch.nn, name)()
        case _:
            return as_torch(m.layers)


def network(net: Any) -> Any:
    """The network, with the same weights."""
    model = as_torch(net.model())
    with torch.no_grad():
        for p, w in zip(model.parameters(), net.weights, strict=True):
            p.copy_(torch.from_numpy(w))
    return model


def step(
    work: StepWork,
    name: str,
    around: Callable[[Any], Any] = lambda f: f,
    fused: bool = True,
    channels_last: bool = True,
) -> Column:
    """A training step; `around` may compile its forward pass and loss. Images are in channels-last memory, or not."""
    order = torch.channels_last if channels_last and work.net.x.ndim == 4 else torch.contiguous_format
    model = network(work.net).to(memory_format=order)
    if work.net.optimizer == "adam":
        optimizer: Any = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)
    else:
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=fused)
    loss_of = around(lambda x, y: F.cross_entropy(model(x), y))

    def placed(a: Any) -> Any:
        return torch.from_numpy(a).contiguous(memory_format=order if a.ndim == 4 else torch.contiguous_format)

    batch = work.batches(placed)

    def run() -> Any:
        optimizer.zero_grad()
        loss = loss_of(*batch())
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Column(name, run, lambda _: [p.detach().numpy() for p in model.parameters()])


def inference(work: InferenceWork, name: str, around: Callable[[Any], Any] = lambda f: f) -> Column:
    """The forward pass in inference mode."""
    model, x = around(network(work.net).eval()), torch.from_numpy(work.net.x)

    def run() -> Any:
        with torch.inference_mode():
            return model(x)

    return Column(name, run)


def loss(work: LossWork, name: str, around: Callable[[Any], Any] = lambda f: f) -> Column:
    """Cross-entropy and the gradient of the logits."""
    x, y = torch.from_numpy(work.x.copy()).requires_grad_(), torch.from_numpy(work.y)
    loss_of = around(F.cross_entropy)

    def run() -> Any:
        x.grad = None
        loss = loss_of(x, y)
        loss.backward()
        return loss.detach()

    return Column(name, run, lambda loss: [loss.numpy(), x.grad.numpy()])


def adam(work: AdamWork, name: str, fused: bool = True) -> Column:
    """The optimizer's own step."""
    params = [torch.from_numpy(p.copy()).requires_grad_() for p in work.p]
    for p, g in zip(params, work.g, strict=True):
        p.grad = torch.from_numpy(g.copy())
    step = torch.optim.Adam(params, lr=work.LR, fused=fused).step
    return Column(name, step, lambda _: [p.detach().numpy() for p in params])
