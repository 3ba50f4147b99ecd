"""Write torch_values.npz: what PyTorch gives for the samples and edge cases below. Run it where torch is installed.

The tests read CALLS, EDGES, STEPS and the functions from here, so that what is stored and what is tested cannot drift
apart. Everything is float64; one array per op holds all its numbers one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fastnn._codegen import saves_function
from fastnn._registry import NUMPY, OPS, Op

Array = np.ndarray[Any, Any]
STORED = Path(__file__).with_name("torch_values.npz")
INF, NAN = math.inf, math.nan
REDUCTIONS = ("none", "mean", "sum", "batchmean")

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = F = None  # type: ignore[assignment]


def plain(function: str) -> Callable[..., Any]:
    """A function of torch that takes the op's arguments as they are."""
    return lambda *inputs: getattr(torch, function)(*inputs)


def activation(function: str, *names: str) -> Callable[..., Any]:
    """A function of torch.nn.functional; `names` are what it calls the op's attributes."""
    return lambda x, *values: getattr(F, function)(x, **dict(zip(names, values, strict=True)))


def pair_loss(function: str, *names: str) -> Callable[..., Any]:
    """A loss between two tensors; the last attribute is the reduction."""

    def call(x: Any, target: Any, *values: Any) -> Any:
        keywords = dict(zip((*names, "reduction"), (*values[:-1], REDUCTIONS[values[-1]]), strict=True))
        return getattr(F, function)(x, target, **keywords)

    return call


def classes_first(x: Any) -> Any:
    """PyTorch has the classes on axis 1."""
    return x.movedim(-1, 1) if x.ndim > 1 else x


def cross_entropy(x: Any, labels: Any, weight: Any, smoothing: float, ignored: int, how: int) -> Any:
    return F.cross_entropy(classes_first(x), labels, weight, None, ignored, None, REDUCTIONS[how], smoothing)


def nll(x: Any, labels: Any, weight: Any, ignored: int, how: int) -> Any:
    return F.nll_loss(classes_first(x), labels, weight, ignore_index=ignored, reduction=REDUCTIONS[how])


def bce(p: Any, target: Any, weight: Any, how: int) -> Any:
    return F.binary_cross_entropy(p, target, weight, reduction=REDUCTIONS[how])


def bce_with_logits(x: Any, target: Any, weight: Any, pos_weight: Any, how: int) -> Any:
    return F.binary_cross_entropy_with_logits(x, target, weight, pos_weight=pos_weight, reduction=REDUCTIONS[how])


def kl_div(x: Any, target: Any, log_target: int, how: int) -> Any:
    if REDUCTIONS[how] == "mean":  # torch's own words: a mean over all elements, with a warning at each call
        return kl_div(x, target, log_target, REDUCTIONS.index("none")).mean()
    return F.kl_div(x, target, log_target=bool(log_target), reduction=REDUCTIONS[how])


def index(x: Any, key: Any) -> Any:
    for axis, item in enumerate(i for i in key if i is not None):  # torch has no negative steps
        if isinstance(item, slice) and (item.step or 1) < 0:
            chosen = range(*item.indices(x.shape[axis]))
            x = x.index_select(axis, torch.tensor(list(chosen), dtype=torch.int64))
            key = tuple(slice(None) if k is item else k for k in key)
    return x[key]


def scatter(x: Any, shape: Any, start: Any, step: Any) -> Any:
    axes = zip(x.shape, start, step, strict=True)
    places = [torch.tensor([a + s * i for i in range(n)], dtype=torch.int64) for n, a, s in axes]
    return torch.zeros(shape, dtype=x.dtype).index_put(torch.meshgrid(*places, indexing="ij"), x) if shape else x * 1


def take(x: Any, indices: Any, axis: int) -> Any:
    indices = torch.where(indices < 0, indices + x.shape[axis], indices)
    return x.index_select(axis, indices.reshape(-1)).reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


def argmax(x: Any, axis: Any, keepdims: int) -> Any:
    if len(axis) == 1:
        return torch.argmax(x, axis[0], keepdim=bool(keepdims))
    return torch.argmax(x).reshape((1,) * x.ndim if keepdims else ())


def group_norm(x: Any, w: Any, b: Any, groups: int, eps: float) -> Any:
    w = torch.ones(x.shape[1], dtype=x.dtype) if w is None else w  # torch's gradients fail where one alone is given
    b = torch.zeros(x.shape[1], dtype=x.dtype) if b is None else b
    return F.group_norm(x, groups, w, b, eps)


def instance_norm(x: Any, w: Any, b: Any, running: Any, own: int, momentum: float, eps: float) -> Any:
    return F.instance_norm(x, *(running or (None, None)), w, b, bool(own), momentum, eps)


def interpolate(x: Any, size: Any, scale: Any, mode: int, corners: int) -> Any:
    name = ("linear", "bilinear", "trilinear")[x.ndim - 3] if mode else "nearest"
    factors = tuple(a / b for a, b in zip(scale[::2], scale[1::2], strict=True))
    return F.interpolate(x, size or None, factors or None, name, bool(corners) if mode else None)


def pooled(function: str, indices: bool = False) -> Callable[..., Any]:
    """A pooling function of torch for the rank of x."""

    def call(x: Any, *attributes: Any) -> Any:
        adaptive = function.startswith("adaptive")
        sizes = tuple(n if o < 0 else o for n, o in zip(x.shape[2:], attributes[0], strict=True)) if adaptive else ()
        arguments = [sizes] if adaptive else list(attributes)
        if function == "avg_pool":
            divisor = arguments.pop() or None
            arguments[3:] = [bool(a) for a in arguments[3:]]
            if x.ndim > 3:
                arguments.append(divisor)
        elif not adaptive:
            arguments[4] = bool(arguments[4])
        keywords = {"return_indices": True} if indices else {}
        y = getattr(F, f"{function}{x.ndim - 2}d")(x, *arguments, **keywords)
        return y[1] if indices else y

    return call


def pad(x: Any, width: Any, value: float) -> Any:
    return F.pad(x, [n for i in reversed(range(x.ndim)) for n in width[2 * i : 2 * i + 2]], value=value)


def conv(x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """PyTorch pads both ends alike: what is not alike is padded before."""
    n = len(stride)
    x = F.pad(x, [i for k in reversed(range(n)) for i in padding[2 * k : 2 * k + 2]])
    return getattr(F, f"conv{n}d")(x, w, b, stride, 0, dilation, groups)


def conv_transpose(x: Any, w: Any, b: Any, stride: Any, padding: Any, more: Any, dilation: Any, groups: int) -> Any:
    """The same for a result that is cut."""
    n = len(stride)
    y = getattr(F, f"conv_transpose{n}d")(x, w, b, stride, 0, more, groups, dilation)
    return F.pad(y, [-i for k in reversed(range(n)) for i in padding[2 * k : 2 * k + 2]])


def with_height(x: Any, *sizes: Any) -> tuple[Any, ...]:
    """PyTorch's unfold and fold take images alone: a sequence gets a height of 1."""
    flat = lambda s, fill: (fill, *s) if len(s) == 1 else s  # noqa: E731
    kernel, stride, padding, dilation = sizes
    padding = (0, 0, *padding) if len(padding) == 2 else padding
    return flat(kernel, 1), flat(stride, 1), [padding[2], padding[3], padding[0], padding[1]], flat(dilation, 1)


def unfold(x: Any, *sizes: Any) -> Any:
    kernel, stride, padding, dilation = with_height(x, *sizes)
    images = x if x.ndim == 4 else x[:, :, None]
    return F.unfold(F.pad(images, padding), kernel, dilation, 0, stride)


def fold(x: Any, size: Any, *sizes: Any) -> Any:
    kernel, stride, padding, dilation = with_height(x, *sizes)
    flat = size if len(size) == 2 else (1, *size)
    frame = (flat[0] + padding[2] + padding[3], flat[1] + padding[0] + padding[1])
    y = F.pad(F.fold(x, frame, kernel, dilation, 0, stride), [-n for n in padding])
    return y if len(size) == 2 else y[:, :, 0]


# The op's call in PyTorch; it takes the inputs, then the attributes in their one form.
CALLS: dict[str, Callable[..., Any]] = {
    **{n: plain(n) for n in ("negative", "exp", "log", "log1p", "expm1", "sqrt", "square", "abs", "matmul", "where")},
    **{n: plain(n) for n in ("sigmoid", "tanh")},
    **{n: activation(n) for n in ("relu", "selu", "mish", "hardswish", "gelu")},
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "power": lambda a, b: torch.pow(a, b),
    "maximum": lambda a, b: torch.maximum(torch.as_tensor(a), torch.as_tensor(b, dtype=torch.float64)),
    "minimum": lambda a, b: torch.minimum(torch.as_tensor(a), torch.as_tensor(b, dtype=torch.float64)),
    "clip": lambda x, low, high: x.clamp(low, high),
    "copy": lambda x: x.clone(),
    "cast": lambda x, dtype: x.to(getattr(torch, dtype.name)),
    "unbroadcast": lambda x, shape: x.sum_to_size(shape),
    "broadcast_to": lambda x, shape: x.broadcast_to(shape),
    "reshape": lambda x, shape: x.reshape(shape),
    "transpose": lambda x, axes: x.permute(axes),
    "flip": lambda x, axis: x.flip(axis),
    "index": index,
    "scatter": scatter,
    "take": take,
    "pad": pad,
    "concatenate": lambda xs, axis: torch.concatenate(xs, axis),
    "stack": lambda xs, axis: torch.stack(xs, axis),
    "linear": lambda x, w, b: F.linear(x, w, b),
    "conv": conv,
    "conv_transpose": conv_transpose,
    "unfold": unfold,
    "fold": fold,
    "sum": lambda x, axis, keepdims: x.sum(axis, keepdim=bool(keepdims)),
    "mean": lambda x, axis, keepdims: x.mean(axis, keepdim=bool(keepdims)),
    "max": lambda x, axis, keepdims: x.amax(axis, keepdim=bool(keepdims)),
    "min": lambda x, axis, keepdims: x.amin(axis, keepdim=bool(keepdims)),
    "var": lambda x, axis, ddof, keepdims: x.var(axis, correction=ddof, keepdim=bool(keepdims)),
    "std": lambda x, axis, ddof, keepdims: x.std(axis, correction=ddof, keepdim=bool(keepdims)),
    "logsumexp": lambda x, axis, keepdims: x.logsumexp(axis, keepdim=bool(keepdims)),
    "argmax": argmax,
    "leaky_relu": activation("leaky_relu", "negative_slope"),
    "elu": activation("elu", "alpha"),
    "softplus": activation("softplus", "beta", "threshold"),
    "hardtanh": activation("hardtanh", "min_val", "max_val"),
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": lambda x, beta: x * torch.sigmoid(beta * x),
    "softmax": lambda x, axis: x.softmax(axis),
    "log_softmax": lambda x, axis: x.log_softmax(axis),
    "layer_norm": lambda x, w, b, dims, eps: F.layer_norm(x, x.shape[x.ndim - dims :], w, b, eps),
    "rms_norm": lambda x, w, dims, eps: F.rms_norm(x, x.shape[x.ndim - dims :], w, eps),
    "instance_norm": instance_norm,
    "local_response_norm": lambda x, *attributes: F.local_response_norm(x, *attributes),
    "batch_norm": lambda x, w, b, running, momentum, eps: F.batch_norm(x, None, None, w, b, True, momentum, eps),
    "batch_norm_inference": lambda x, w, b, running, eps: F.batch_norm(x, *running, w, b, eps=eps),
    "group_norm": group_norm,
    **{n: pooled(n) for n in ("max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool")},
    **{f"{n}_indices": pooled(n, indices=True) for n in ("max_pool", "adaptive_max_pool")},
    "interpolate": interpolate,
    "pixel_shuffle": plain("pixel_shuffle"),
    "pixel_unshuffle": plain("pixel_unshuffle"),
    "mse": pair_loss("mse_loss"),
    "l1": pair_loss("l1_loss"),
    "huber": pair_loss("huber_loss", "delta"),
    "kl_div": kl_div,
    "binary_cross_entropy": bce,
    "binary_cross_entropy_with_logits": bce_with_logits,
    "cross_entropy": cross_entropy,
    "nll": nll,
}

X = np.array([[-3.0, -1.0, -0.0, 0.0], [1.0, 3.0, 50.0, -50.0]])
TIES = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
HUGE = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, 1e4]])
BITS = np.array([0.0, 1.0, 1.0, 0.0, 0.5])
WINDOWS = np.array([[[[1.0, 1.0, -INF, -INF], [1.0, 1.0, -INF, -INF], [NAN, 2.0, 0.0, -0.0], [NAN, INF, -0.0, 0.0]]]])
ROWS = np.array([[0.3, -1.0, 2.0], [1.0, 0.5, -0.5]])

# (op, inputs, attributes): kinks, ties, bounds, sizes without rest. Gradients are compared too.
EDGES: list[tuple[str, list[Any], dict[str, Any]]] = [
    *((n, [X], {}) for n in ("relu", "leaky_relu", "elu", "selu", "softplus", "mish", "silu", "gelu", "gelu_tanh")),
    *((n, [X], {}) for n in ("sigmoid", "tanh", "hardtanh", "hardswish", "abs", "square", "exp", "expm1")),
    ("clip", [np.array([-2.0, -1.0, 0.0, 1.0, 2.0, NAN])], {"low": -1.0, "high": 1.0}),
    ("sqrt", [np.array([0.0, 1.0, INF])], {}),
    ("log", [np.array([0.0, 1.0, INF, -1.0])], {}),
    ("log1p", [np.array([-1.0, 1e-300, -1e-20, INF])], {}),
    ("softplus", [np.array([19.9, 20.0, 20.1, -INF, INF])], {}),
    ("maximum", [np.array([1.0, 2.0, NAN, 0.0]), np.array([1.0, 1.0, 2.0, -0.0])], {}),
    ("minimum", [np.array([1.0, 2.0, 3.0, NAN]), np.array([1.0, 1.0, NAN, 0.0])], {}),
    ("power", [np.array([0.0, 0.0, 0.0, 2.0, -2.0, 3.0]), np.array([0.0, 1.0, 2.0, 0.0, 3.0, -1.0])], {}),
    ("divide", [np.array([1.0, -1.0, 2.0]), np.array([2.0, 4.0, INF])], {}),
    ("max", [TIES], {"axis": 1}),
    ("max", [TIES], {}),
    ("max", [np.array([1.0, NAN, 2.0])], {}),
    ("min", [TIES], {"axis": 1}),
    ("argmax", [TIES], {"axis": 1}),
    ("argmax", [np.array([1.0, NAN, 3.0, NAN])], {}),
    ("sum", [np.empty((0, 3))], {"axis": 0}),
    ("mean", [np.empty((0, 3))], {"axis": 0}),
    ("std", [np.full((2, 3), 0.1)], {"axis": 1, "ddof": 1}),
    ("var", [np.array([[1.0], [2.0]])], {"axis": 1}),
    ("logsumexp", [HUGE], {"axis": 1}),
    ("logsumexp", [np.array([-INF, 0.0])], {}),
    ("softmax", [HUGE], {}),
    ("log_softmax", [HUGE], {}),
    ("softmax", [np.array([-INF, 0.0, 1.0])], {}),
    ("layer_norm", [np.full((2, 3), 7.5)], {}),
    ("max_pool", [WINDOWS], {"kernel_size": 2}),
    ("max_pool", [WINDOWS], {"kernel_size": 3, "stride": 1, "padding": 1}),
    ("max_pool_indices", [WINDOWS], {"kernel_size": 2}),
    ("max_pool_indices", [WINDOWS], {"kernel_size": 3, "stride": 1, "padding": 1}),
    ("adaptive_max_pool", [WINDOWS], {"output_size": 3}),
    ("adaptive_max_pool_indices", [WINDOWS], {"output_size": (1, 3)}),
    ("avg_pool", [WINDOWS], {"kernel_size": 2}),
    ("matmul", [np.empty((2, 0)), np.empty((0, 3))], {}),
    ("huber", [np.array([-1.0, 0.0, 1.0, 1.5]), np.zeros(4)], {"reduction": "sum"}),
    ("l1", [np.array([1.0, 0.0, -2.0]), np.zeros(3)], {}),
    ("mse", [np.empty((0,)), np.empty((0,))], {}),
    ("binary_cross_entropy_with_logits", [np.array([1e4, -1e4, 1e4, -1e4, 0.0]), BITS], {"reduction": "none"}),
    ("cross_entropy", [HUGE, np.array([0, 1])], {"reduction": "none"}),
    ("cross_entropy", [ROWS, np.array([-100, -100])], {}),
    ("cross_entropy", [ROWS, np.array([-100, -100])], {"label_smoothing": 0.1}),
    ("cross_entropy", [ROWS, np.array([-1, 2]), np.array([0.5, 1.0, 0.0])], {"ignore_index": -1}),
    ("cross_entropy", [np.empty((0, 3)), np.empty((0,), np.int64)], {}),
    ("nll", [ROWS, np.array([-100, -100])], {}),
]


def samples(name: str) -> list[tuple[list[Any], tuple[Any, ...]]]:
    """The calls of an op: its samples, then its edge cases, as inputs and attributes in their one form."""
    op, calls = OPS[name], []
    for number, sample in enumerate(op.samples):
        calls.append(sample.make(np.random.default_rng([number, len(name)]), np.float64))
    calls += [(inputs, attributes) for n, inputs, attributes in EDGES if n == name]
    made = []
    for inputs, attributes in calls:
        values = tuple(attributes.get(n, d) for n, d in op.attributes.items())
        inputs = inputs + [None] * (len(op.inputs) - len(inputs))
        made.append((inputs, op.form(inputs[0], *values) if op.canonical else values))
    return made


def gradient_of(y: Any) -> Array:
    """The same gradient of the result for both sides: no two numbers are equal."""
    return np.asarray(np.linspace(0.5, 1.5, max(math.prod(y.shape), 1))[: math.prod(y.shape)].reshape(y.shape))


def wanted(op: Op, inputs: list[Any]) -> list[int]:
    """The inputs whose gradients are compared."""
    names = () if op.rule is None else op.differentiable
    floats = [isinstance(a, list) or (isinstance(a, np.ndarray) and a.dtype.kind == "f") for a in inputs]
    return [i for i, n in enumerate(op.inputs) if n in names and floats[i]]


def by_torch(name: str) -> list[Array]:
    """Results and gradients of all calls, by PyTorch."""
    found = []
    for inputs, attributes in samples(name):
        leaves = [as_tensor(a) for a in inputs]
        need = wanted(OPS[name], inputs)
        flat = [t for i in need for t in (leaves[i] if isinstance(leaves[i], list) else [leaves[i]])]
        for t in flat:
            t.requires_grad_()
        y = CALLS[name](*leaves, *attributes)
        found.append(y.detach().numpy())
        if flat and y.is_floating_point():
            y.backward(torch.from_numpy(gradient_of(y)).to(y.dtype))
            found += [np.zeros(t.shape) if t.grad is None else t.grad.numpy() for t in flat]
    return found


def as_tensor(a: Any) -> Any:
    if isinstance(a, list):
        return [as_tensor(i) for i in a]
    return torch.from_numpy(a.copy()) if isinstance(a, np.ndarray) else a


def by_definition(name: str) -> list[Array]:
    """Results and gradients of all calls, by fastnn's definition and its rule."""
    op, found = OPS[name], []
    for inputs, attributes in samples(name):
        if op.composite:
            found.append(op.public(*inputs, *attributes))
            continue
        with np.errstate(all="ignore"):
            out = op.definition(*inputs, **dict(zip(op.attributes, attributes, strict=True)))
        y = np.asarray(out[0] if op.extras else out)
        found.append(y)
        need = wanted(op, inputs)
        if need and y.dtype.kind == "f":
            saved = saves_function(op)((*inputs, *attributes), out)
            grads = op.backward_kernels[NUMPY](gradient_of(y), *saved, sum(1 << i for i in need))
            grads = grads if isinstance(grads, tuple) else (grads,)
            for i in need:
                found += grads[i] if isinstance(grads[i], list) else [np.asarray(grads[i])]
    return found


# Optimizers: torch's class and arguments, our op, its lists of state (with what makes them needed) and attributes.
STEPS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd momentum": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.01}),
    "sgd nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    "adam": ("Adam", {"lr": 0.01}),
    "adam decay": ("Adam", {"lr": 0.01, "betas": (0.8, 0.95), "weight_decay": 0.1, "maximize": True}),
    "adam amsgrad": ("Adam", {"lr": 0.01, "amsgrad": True, "eps": 1e-3}),
    "adamw": ("AdamW", {"lr": 0.01, "weight_decay": 0.1}),
    "rmsprop": ("RMSprop", {"lr": 0.01}),
    "rmsprop momentum": ("RMSprop", {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1, "alpha": 0.9}),
    "rmsprop centered": ("RMSprop", {"lr": 0.01, "momentum": 0.5, "centered": True}),
    "adagrad": ("Adagrad", {"lr": 0.1}),
    "adagrad decay": ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "maximize": True}),
}
SHAPES = [(3, 4), (5,)]
COUNT = 5


def numbers(step: int) -> list[Array]:
    """Parameters (step -1) and the gradients of each step."""
    rng = np.random.default_rng(step + 1)
    return [rng.standard_normal(s) for s in SHAPES]


def steps_by_torch(name: str) -> list[Array]:
    """Parameters after some steps, by torch.optim."""
    kind, arguments = STEPS[name]
    ps = [torch.from_numpy(a).requires_grad_() for a in numbers(-1)]
    optimizer = getattr(torch.optim, kind)(ps, **arguments)
    for step in range(COUNT):
        for p, g in zip(ps, numbers(step), strict=True):
            p.grad = torch.from_numpy(g)
        optimizer.step()
    return [p.detach().numpy() for p in ps]


def steps_by_definition(name: str) -> list[Array]:
    """Parameters after some steps, by fastnn's op."""
    kind, arguments = STEPS[name]
    op = OPS[{"AdamW": "adam"}.get(kind, kind.lower())]
    given = {k: int(v) if isinstance(v, bool) else v for k, v in arguments.items() if k != "betas"}
    if "betas" in arguments:
        given |= dict(zip(("beta1", "beta2"), arguments["betas"], strict=True))
    if kind == "AdamW":
        given["decoupled"] = 1
    unused = {("sgd", "v"): not given.get("momentum"), ("adam", "vmax"): not given.get("amsgrad")}
    unused |= {("rmsprop", "b"): not given.get("momentum"), ("rmsprop", "a"): not given.get("centered")}
    state: dict[str, list[Array]] = {"p": numbers(-1)}
    for key in op.inputs[2:]:
        empty = unused.get((op.name, key), False)
        state[key] = [] if empty else [np.zeros((), np.int64) if key == "n" else np.zeros(s) for s in SHAPES]
    for step in range(COUNT):
        lists = [numbers(step) if key == "g" else state[key] for key in op.inputs]
        for key, new in zip(op.updates, op.definition(*lists, **given), strict=True):
            state[key] = new
    return state["p"]


def joined(arrays: list[Array]) -> Array:
    """All numbers one after the other."""
    return np.concatenate([np.asarray(a, np.float64).reshape(-1) for a in arrays])


if __name__ == "__main__":
    np.savez_compressed(
        STORED,
        **{name: joined(by_torch(name)) for name in CALLS},
        **{f"steps {name}": joined(steps_by_torch(name)) for name in STEPS},
    )
    print(f"{STORED}: {STORED.stat().st_size} bytes")
