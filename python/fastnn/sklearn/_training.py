"""Steps of training, captured: gradients of the loss, its value as scikit-learn reports it, the update."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from .. import ops
from .._engine import no_grad
from ..capture.compiled import Compiled
from ..optim import Optimizer
from ..train._interrupt import WholeSteps
from ._losses import Loss
from ._network import Network, forward
from ._rows import Rows

Array = np.ndarray[Any, Any]


class Training:
    """A network with its loss and penalty.

    Parameters
    ----------
    network : Network
    activation : str
        Of hidden layers.
    loss : Loss
    alpha : float
        Half of it, times the squares of the weights, over the sum of the rows' weights, is added to the loss.
    """

    def __init__(self, network: Network, activation: str, loss: Loss, alpha: float) -> None:
        self.network, self.activation, self.loss, self.alpha = network, activation, loss, alpha

    def losses(self, x: Any, y: Any, share: Any) -> tuple[Any, Any]:
        """The loss to go down, without penalty, and the one to report, both of one batch."""
        z = forward(x, self.network.weights, self.network.biases, self.activation)
        terms = self.loss.terms(z, y)
        objective = ops.sum(ops.multiply(terms, share))
        if self.loss.reported is None:
            return objective, objective.detach()
        with no_grad():
            return objective, ops.sum(ops.multiply(self.loss.reported(z.detach(), y, terms.detach()), share))

    def total(self, reported: Any, squares: Any, weight: float) -> Any:
        """The loss with its penalty, of one step or of several."""
        outputs = len(self.network.biases[-1]) if self.loss.averaged else 1
        return reported / outputs + 0.5 * self.alpha * squares / weight


class Descent(Training):
    """Training by batches.

    Parameters
    ----------
    network, activation, loss, alpha
        As of Training.
    optimizer : Optimizer
        Over two groups, weights and biases; the first group's weight decay is the gradient of the penalty.
    """

    def __init__(self, network: Network, activation: str, loss: Loss, alpha: float, optimizer: Optimizer) -> None:
        super().__init__(network, activation, loss, alpha)
        self.optimizer = optimizer
        self.captured = Compiled(self.step, sure=True)

    def step(self, x: Any, y: Any, share: Any) -> tuple[Any, Any]:
        """One step; the loss to report and the sum of squares before it."""
        self.optimizer.zero_grad()
        objective, reported = self.losses(x, y, share)
        squares = self.network.squares()
        objective.backward()
        self.optimizer.step()
        return reported, squares

    def epoch(self, rows: Rows, batch: int, order: Array | None, whole: WholeSteps) -> float:
        """Once through the rows, in this order or as they lie; the mean loss."""
        n, done, sum_of_losses, group = len(rows), 0, 0.0, self.optimizer.param_groups[0]
        if rows.plain:
            done, order = n - n % batch, np.arange(n) if order is None else order
            group["weight_decay"] = self.alpha / batch
            chunks = self.captured.run_epoch(rows.columns(batch), order[:done], batch)
            while (chunk := whole.run(next, chunks, None)) is not None:
                reported, squares = (value.array.astype(np.float64) for value in chunk[1])
                sum_of_losses += self.total(reported, squares, batch).sum() * batch
        for low in range(done, n, batch):
            high = min(low + batch, n)
            given, weight = rows.between(low, high) if order is None else rows.at(order[low:high])
            group["weight_decay"] = self.alpha / weight
            reported, squares = whole.run(self.captured, *given)
            sum_of_losses += self.total(reported.item(), squares.item(), weight) * (high - low)
        return float(sum_of_losses / n)


class Objective(Training):
    """The loss of all rows, penalty included, as a closure for LBFGS.

    Parameters
    ----------
    network, activation, loss, alpha
        As of Training.
    rows : Rows
    optimizer : Optimizer
        Whose gradients are computed.
    """

    def __init__(
        self, network: Network, activation: str, loss: Loss, alpha: float, rows: Rows, optimizer: Optimizer
    ) -> None:
        super().__init__(network, activation, loss, alpha)
        self.rows, self.optimizer, self.share = rows, optimizer, rows.equal(len(rows))
        self.weight = float(len(rows)) if rows.weights is None else rows.weigh(rows.weights, self.share)
        self.first, self.further = Compiled(self.begin, sure=True), Compiled(self.add, sure=True)

    def begin(self, x: Any, y: Any, share: Any) -> tuple[Any, Any, Any]:
        """The penalty, and the loss of the first rows."""
        self.optimizer.zero_grad()
        squares = reduce(ops.add, (ops.sum(ops.square(w)) for w in self.network.weights))
        objective, reported = self.losses(x, y, share)
        objective = ops.add(objective, ops.multiply(squares, 0.5 * self.alpha / self.weight))
        objective.backward()
        return objective, reported, squares

    def add(self, x: Any, y: Any, share: Any) -> tuple[Any, Any]:
        """The loss of further rows; its gradients are added to those that are there."""
        objective, reported = self.losses(x, y, share)
        objective.backward()
        return objective, reported

    def evaluate(self) -> tuple[float, float]:
        """The loss to go down, of which the gradients are there afterwards, and the one to report."""
        parts = self.rows.parts(self.share)
        objective, reported, squares = (value.item() for value in self.first(*next(parts)))
        for part in parts:
            more = self.further(*part)
            objective, reported = objective + more[0].item(), reported + more[1].item()
        return objective, self.total(reported, squares, self.weight)

    def __call__(self) -> float:
        """The loss to go down."""
        return self.evaluate()[0]
