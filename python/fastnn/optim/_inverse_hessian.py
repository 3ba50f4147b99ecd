"""L-BFGS's inverse Hessian from the latest steps and changes of the gradient, in compact form."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops

Array = np.ndarray[Any, Any]
FLATTEST = 1e-10  # a pair whose product is not greater tells no curvature


class InverseHessian:
    r"""What is known of the inverse Hessian from pairs of steps s and changes of the gradient y.

    With :math:`R` the upper triangle of :math:`S^\top Y`, :math:`D` its diagonal and :math:`\gamma = s^\top y / y^\top
    y` of the last pair,

    .. math:: H g = \gamma g + S q - \gamma Y p,\quad p = R^{-1} S^\top g,\quad
              q = R^{-\top} (D p + \gamma (Y^\top Y p - Y^\top g)).

    All inner products of a call are one product of a matrix and a vector, and so are all sums. Those with a change of
    the gradient are differences of those with gradients: two passes over the pairs an iteration.

    Parameters
    ----------
    n : int
        The length of the vectors.
    size : int
        How many pairs are kept.

    Notes
    -----
    Source: Byrd, Nocedal and Schnabel, Representations of quasi-Newton matrices and their use in limited memory
    methods, Mathematical Programming 63, 1994, theorem 2.2.
    """

    def __init__(self, n: int, size: int) -> None:
        self.size = size
        self.rows = np.empty((0, n))  # s and y of a pair are neighbors; pairs are in the order of their slots
        self.slots: list[int] = []  # from the oldest to the newest
        self.gamma = 1.0
        self.inverse = self.products = np.empty((0, 0))  # of R; Y^T Y
        self.seen: Array | None = None  # products of all s and y with what `times` got last
        self.ready: Array | None = None  # and with what it gets next

    def add(self, s: Array, y: Array, g: Array | None = None) -> None:
        """Take a pair in, unless it tells no curvature; forget the oldest one if there are too many.

        With g, y is the change from the gradient that `times` got last to this one, which it gets next.
        """
        sy, yy = float(ops.matmul(s, y)), float(ops.matmul(y, y))
        before, self.seen, self.ready = self.seen, None, None
        if not sy > FLATTEST:
            return
        if g is None or before is None:
            ahead, along = self.dots(y)
        else:
            now = self.dots(g)
            ahead, along = now - before
            self.ready = np.concatenate([now, [[ops.matmul(s, g)], [ops.matmul(y, g)]]], axis=1)
        count = len(self.slots)
        slot = count
        if count == self.size:
            slot = self.slots.pop(0)
            self.inverse, self.products = self.inverse[1:, 1:], self.products[1:, 1:]
            ahead, along = ahead[1:], along[1:]
            self.ready = None if self.ready is None else self.ready[:, 1:]
        elif 2 * count == len(self.rows):
            grown = np.empty((2 * min(max(8, 2 * count), self.size), s.size))
            grown[: len(self.rows)] = self.rows
            self.rows = grown
        self.inverse = bordered(self.inverse, -(self.inverse @ ahead) / sy, 0.0, 1 / sy)
        self.products = bordered(self.products, along, along, yy)
        self.rows[2 * slot], self.rows[2 * slot + 1] = s, y
        self.slots.append(slot)
        self.gamma = sy / yy

    def times(self, g: Array) -> Array:
        """The product with a vector."""
        if not self.slots:
            return self.gamma * g
        self.seen, self.ready = self.dots(g) if self.ready is None else self.ready, None
        s, y = self.seen
        p = self.inverse @ s
        q = (p / self.inverse.diagonal() + self.gamma * (self.products @ p - y)) @ self.inverse
        weights = np.empty((len(self.slots), 2))
        weights[self.slots, 0], weights[self.slots, 1] = q, -self.gamma * p
        product: Array = ops.matmul(weights.reshape(-1), self.rows[: weights.size])
        product += self.gamma * g
        return product

    def dots(self, x: Array) -> Array:
        """Its products with all s, and with all y, that are kept."""
        if not self.slots:
            return np.empty((2, 0))
        found: Array = ops.matmul(self.rows[: 2 * len(self.slots)], x).reshape(-1, 2)[self.slots].T
        return found

    def pairs(self) -> list[tuple[Array, Array]]:
        """All pairs, the oldest first."""
        return [(self.rows[2 * slot], self.rows[2 * slot + 1]) for slot in self.slots]


def bordered(square: Array, column: Any, row: Any, corner: float) -> Array:
    """A matrix with a further column and row."""
    n = len(square)
    new = np.empty((n + 1, n + 1))
    new[:n, :n], new[:n, n], new[n, :n], new[n, n] = square, column, row, corner
    return new
