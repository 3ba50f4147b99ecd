"""JAX, everything under one jit: a training step is one call that gives away its old state."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from parts import AdamWork, LossWork, Product
from work import Column, GradientWork, InferenceWork, Net, OpWork, StepWork, Work

from . import jax_images

NAME = "jax"
LIBRARY = "JAX"
MOST_TENSORS = 100  # XLA compiles for minutes where an update has thousands
IN_NN = ["elu", "gelu", "leaky_relu", "mish", "relu", "selu", "sigmoid", "silu", "softplus", "softmax", "log_softmax"]
IN_NUMPY = [
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
    "power",
    "sqrt",
    "square",
    "subtract",
    "tanh",
    "where",
    "sum",
    "mean",
    "max",
    "min",
    "var",
    "std",
]


def version() -> str:
    """The installed version."""
    return str(jax.__version__)


def use(threads: int) -> None:
    """JAX takes as many threads as there are processors to run on, when it starts."""
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_cpu_enable_async_dispatch", False)  # handing a step of 40 us to a thread adds 14


def function(name: str) -> Callable[..., Any] | None:
    """JAX's function for an op."""
    if name == "gelu":
        return functools.partial(jax.nn.gelu, approximate=False)
    return getattr(jax.nn, name) if name in IN_NN else getattr(jnp, name) if name in IN_NUMPY else None


def column(work: Work) -> Column | None:
    """How JAX does this work; float32 only, its default."""
    if isinstance(work, GradientWork) or work.dtype != np.float32:
        return None
    if isinstance(work, Product):
        return product(work)
    if isinstance(work, OpWork):
        f = function(work.op.name)
        if f is None:
            return None
        jitted = jax.jit(functools.partial(f, **work.attributes))
        inputs = [jnp.asarray(a) for a in work.inputs]
        return Column(NAME, lambda: jitted(*inputs).block_until_ready())
    if isinstance(work, StepWork) and work.captured:
        return step(work)
    if isinstance(work, InferenceWork) and work.captured:
        weights, x = [jnp.asarray(w) for w in work.net.weights], jnp.asarray(work.net.x)
        forward = jax.jit(functools.partial(logits, work.net))
        return Column(NAME, lambda: forward(weights, x).block_until_ready())
    if isinstance(work, LossWork) and work.captured:
        z, y = jnp.asarray(work.x), jnp.asarray(work.y.astype(np.int32))
        both = jax.jit(jax.value_and_grad(cross_entropy))
        return Column(NAME, lambda: jax.block_until_ready(both(z, y)))
    if isinstance(work, AdamWork) and work.captured and len(work.p) <= MOST_TENSORS:
        return adam_alone(work)
    return None


def product(work: Product) -> Column:
    """A product; the transposes are part of it, since JAX's arrays have no strides."""
    turned = [not a.flags.c_contiguous for a in work.inputs]
    bases = [jnp.asarray(a.T if t else a) for a, t in zip(work.inputs, turned, strict=True)]
    jitted = jax.jit(lambda *ab: jnp.matmul(*(a.T if t else a for a, t in zip(ab, turned, strict=True))))
    return Column(NAME, lambda: jitted(*bases).block_until_ready())


def adam(p: Any, m: Any, v: Any, g: Any, t: Any, lr: float = 1e-3) -> Any:
    """New parameters and moments."""
    m = [0.9 * a + 0.1 * b for a, b in zip(m, g, strict=True)]
    v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g, strict=True)]
    rate, root = lr / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
    return [a - rate * b / (jnp.sqrt(c) / root + 1e-8) for a, b, c in zip(p, m, v, strict=True)], m, v


def adam_alone(work: AdamWork) -> Column:
    """A step of Adam that gives away its old state."""
    g = [jnp.asarray(a) for a in work.g]

    @functools.partial(jax.jit, donate_argnums=0)
    def run(state: Any, g: Any) -> Any:
        p, m, v, t = state
        return *adam(p, m, v, g, t + 1, work.LR), t + 1

    state = [([jnp.asarray(a) for a in work.p], *([jnp.zeros_like(a) for a in g] for _ in "mv"), jnp.float32(0))]

    def call() -> None:
        state[0] = jax.block_until_ready(run(state[0], g))

    return Column(NAME, call, lambda _: state[0][0])


def logits(net: Net, weights: Any, x: Any) -> Any:
    """A dense network."""
    for i in range(0, len(weights), 2):
        x = x @ weights[i].T + weights[i + 1]
        if i < len(weights) - 2:
            x = jax.nn.relu(x) if net.activation == "relu" else jax.nn.sigmoid(x)
    return x


def cross_entropy(z: Any, y: Any) -> Any:
    """The mean over rows, from logits and class numbers."""
    return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1).mean()


def dense_loss(net: Net, weights: Any, running: Any, x: Any, y: Any) -> Any:
    """Cross-entropy; a dense network keeps no statistics."""
    return cross_entropy(logits(net, weights, x), y), running


def image_loss(net: Any, weights: Any, running: Any, x: Any, y: Any) -> Any:
    """Cross-entropy, and the running statistics after the batch."""
    z, kept = jax_images.scores(net.model(), weights, running, x)
    return cross_entropy(z, y), kept


def step(work: StepWork) -> Column:
    """Forward, backward and update in one jit."""
    net, dense = work.net, isinstance(work.net, Net)
    loss_of: Any = functools.partial(dense_loss if dense else image_loss, net)

    @functools.partial(jax.jit, donate_argnums=0)
    def run(state: Any, x: Any, y: Any) -> Any:
        p, m, v, t, running = state
        (loss, running), g = jax.value_and_grad(loss_of, has_aux=True)(p, running, x, y)
        if net.optimizer == "sgd":
            m = [0.9 * a + b for a, b in zip(m, g, strict=True)]
            return loss, ([a - 1e-3 * b for a, b in zip(p, m, strict=True)], m, v, t, running)
        t = t + 1
        p, m, v = adam(p, m, v, g, t)
        return loss, (p, m, v, t, running)

    p = [jnp.asarray(jax_images.kernel(w)) for w in net.weights]
    second = [jnp.zeros_like(w) for w in p] if net.optimizer == "adam" else []
    running = [] if dense else jax_images.statistics(net.model())
    state = [(p, [jnp.zeros_like(w) for w in p], second, jnp.float32(0), running)]

    def placed(a: Any) -> Any:
        return jnp.asarray(a.astype(np.int32) if a.dtype.kind == "i" else a if dense else jax_images.images(a))

    batch = work.batches(placed)

    def call() -> Any:
        loss, state[0] = run(state[0], *batch())
        return loss.block_until_ready()

    return Column(NAME, call, lambda _: [jax_images.kernel_back(np.asarray(w)) for w in state[0][0]])
