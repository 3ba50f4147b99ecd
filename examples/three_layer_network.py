"""The classical three-layer binary classifier, written out by hand: it tells 0s from 1s on the handwritten digits.

Samples are columns: X has a row for each of n features and a column for each of m samples, y has one row.

    forward                             backward
    Z1 = W1 X  + b1,  A1 = swish(Z1)    dZ1 = (W2^T dZ2) * swish'(Z1)
    Z2 = W2 A1 + b2,  A2 = leaky(Z2)    dZ2 = (W3^T dZ3) * leaky'(Z2)
    Z3 = W3 A2 + b3,  A3 = sigma(Z3)    dZ3 = A3 - y

    loss = -1/m sum(y log(A3) + (1 - y) log(1 - A3))
    dWl = dZl A(l-1)^T / m,  dbl = sum(dZl) / m  (over the samples), with A0 = X

    swish(z) = z sigma(z)          swish'(z) = sigma(z) + z sigma(z) (1 - sigma(z))
    leaky(z) = max(z, 0.01 z)      leaky'(z) = 1 where z > 0, else 0.01
    sigma(z) = 1 / (1 + exp(-z))

``fastnn_gradients`` lets fastnn find the same gradients; they agree to 1e-10 and better in float64. Run it:

    python examples/three_layer_network.py
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

import fastnn
from fastnn.nn import functional as F

Array = np.ndarray[Any, Any]
Parameters = dict[str, Array]
SLOPE = 0.01


def sigma(z: Array) -> Array:
    """The logistic function; exp never overflows this way."""
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def swish(z: Array) -> Array:
    return z * sigma(z)


def swish_derivative(z: Array) -> Array:
    s = sigma(z)
    return s + z * s * (1 - s)


def leaky(z: Array) -> Array:
    return np.where(z > 0, z, SLOPE * z)


def leaky_derivative(z: Array) -> Array:
    return np.where(z > 0, 1.0, SLOPE)


def initial(sizes: list[int], rng: np.random.Generator) -> Parameters:
    """Weights of variance 2 / inputs (He et al., 2015), biases 0."""
    parameters = {}
    for layer, (n_in, n_out) in enumerate(pairwise(sizes), start=1):
        parameters[f"W{layer}"] = rng.standard_normal((n_out, n_in)) * np.sqrt(2 / n_in)
        parameters[f"b{layer}"] = np.zeros((n_out, 1))
    return parameters


def forward(p: Parameters, X: Array) -> dict[str, Array]:
    """All that the layers compute, by name."""
    Z1 = p["W1"] @ X + p["b1"]
    A1 = swish(Z1)
    Z2 = p["W2"] @ A1 + p["b2"]
    A2 = leaky(Z2)
    Z3 = p["W3"] @ A2 + p["b3"]
    A3 = sigma(Z3)
    return {"A0": X, "Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2, "Z3": Z3, "A3": A3}


def loss(A3: Array, y: Array) -> float:
    """Binary cross-entropy, the mean over the samples."""
    least = np.finfo(A3.dtype).tiny  # log 0 is -inf
    terms = y * np.log(np.maximum(A3, least)) + (1 - y) * np.log(np.maximum(1 - A3, least))
    return float(-terms.mean())


def backward(p: Parameters, c: dict[str, Array], y: Array) -> Parameters:
    """The gradients of the loss by hand, under the parameters' names."""
    m = y.shape[1]
    dZ3 = c["A3"] - y
    dZ2 = (p["W3"].T @ dZ3) * leaky_derivative(c["Z2"])
    dZ1 = (p["W2"].T @ dZ2) * swish_derivative(c["Z1"])
    gradients = {}
    for layer, dZ in ((1, dZ1), (2, dZ2), (3, dZ3)):
        gradients[f"W{layer}"] = dZ @ c[f"A{layer - 1}"].T / m
        gradients[f"b{layer}"] = dZ.sum(axis=1, keepdims=True) / m
    return gradients


def fastnn_gradients(p: Parameters, X: Array, y: Array) -> tuple[float, Parameters]:
    """The loss and its gradients, from the forward pass alone."""
    t = {name: fastnn.tensor(value, requires_grad=True) for name, value in p.items()}
    A1 = F.silu(t["W1"] @ X + t["b1"])
    A2 = F.leaky_relu(t["W2"] @ A1 + t["b2"], SLOPE)
    A3 = F.sigmoid(t["W3"] @ A2 + t["b3"])
    value = F.binary_cross_entropy(A3, fastnn.tensor(y))
    value.backward()
    return value.item(), {name: parameter.grad.numpy() for name, parameter in t.items()}


def zeros_and_ones() -> tuple[Array, Array]:
    """The 360 digits that are 0 or 1: pixels from 0 to 1 in columns, and what they are."""
    x, y = fastnn.datasets.digits()
    chosen = y < 2
    return x[chosen].T.astype(np.float64) / 16, y[chosen].reshape(1, -1).astype(np.float64)


def main() -> None:
    rng = np.random.default_rng(0)
    X, y = zeros_and_ones()
    order = rng.permutation(X.shape[1])
    train, test = order[:280], order[280:]
    p = initial([64, 16, 8, 1], rng)

    by_hand = backward(p, forward(p, X[:, train]), y[:, train])
    _, by_fastnn = fastnn_gradients(p, X[:, train], y[:, train])
    difference = max(np.abs(by_hand[name] - by_fastnn[name]).max() for name in p)
    print(f"greatest difference between the gradients by hand and fastnn's: {difference:.1e}")

    for step in range(201):
        c = forward(p, X[:, train])
        if step % 50 == 0:
            print(f"step {step:3}  loss {loss(c['A3'], y[:, train]):.4f}")
        for name, gradient in backward(p, c, y[:, train]).items():
            p[name] -= 0.5 * gradient
    right = (forward(p, X[:, test])["A3"] > 0.5) == y[:, test]
    print(f"test accuracy {right.mean():.2%} ({right.sum()} of {right.size})")


if __name__ == "__main__":
    main()
