"""The optimizers behind scikit-learn's solvers, with its learning-rate schedules and its rules of stopping."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from .. import ops, optim
from ..optim._line_search import Trial
from ..optim.lbfgs import greatest
from ..optim.optimizer import Group
from ._network import Network

Array = np.ndarray[Any, Any]

PAIRS = 20  # of L-BFGS; with scipy's 10 it ends at a greater loss after as many iterations, 4 % sooner
FLAT = 2.220446049250313e-09  # scipy's default for the relative decrease that ends L-BFGS
SLOWEST = 1e-6  # the adaptive learning rate is not divided any more from here on


class Adam(optim.Adam):
    """Adam with eps beside the uncorrected root."""

    _eps_hat = 1


class Rate:
    """The learning rate of an optimizer, by one of scikit-learn's schedules.

    Parameters
    ----------
    optimizer : Optimizer
    schedule : {"constant", "invscaling", "adaptive"}
    power : float
        Of invscaling: after t rows the rate is the initial one over (t + 1) to this power.
    """

    def __init__(self, optimizer: optim.Optimizer, schedule: str, power: float) -> None:
        self.optimizer, self.schedule, self.power = optimizer, schedule, power
        self.first = self.now = float(optimizer.param_groups[0]["lr"])

    def change(self, rate: float) -> None:
        """Take another rate.

        scikit-learn's velocities are steps, ours are gradients to be multiplied by the rate: they take on what keeps
        the steps under way as long as they are.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
            for p in group["params"]:
                velocity = self.optimizer.state[p].get("momentum_buffer")
                if velocity is not None:
                    ops.assign(velocity.array, velocity.array * (self.now / rate))
        self.now = rate

    def after_epoch(self, t: int) -> None:
        """Change with the number of rows that training has seen."""
        if self.schedule == "invscaling":
            self.change(self.first / (t + 1) ** self.power)

    def stop(self, message: str, verbose: bool) -> bool:
        """Whether to end where an epoch brought nothing; the adaptive rate falls first."""
        if self.schedule == "adaptive" and self.now > SLOWEST:
            self.change(self.now / 5)
            ending = f"Setting learning rate to {self.now:f}"
        else:
            ending = "Learning rate too small. Stopping." if self.schedule == "adaptive" else "Stopping."
        if verbose:
            print(message, ending)
        return ending.endswith("Stopping.")


def descent(network: Network, settings: dict[str, Any]) -> optim.Optimizer:
    """The optimizer for solver "adam" or "sgd"; the first of its two groups is that of the weights."""
    groups: list[dict[str, Any]] = [{"params": network.weights}, {"params": network.biases}]
    if settings["solver"] == "adam":
        betas = (settings["beta_1"], settings["beta_2"])
        return Adam(groups, lr=settings["learning_rate_init"], betas=betas, eps=settings["epsilon"])
    return optim.SGD(
        groups,
        lr=settings["learning_rate_init"],
        momentum=settings["momentum"],
        nesterov=settings["nesterovs_momentum"] and settings["momentum"] > 0,
    )


class LBFGS(optim.LBFGS):
    """LBFGS in one step, which ends where scipy's L-BFGS-B does."""

    def __init__(self, network: Network, most_iterations: int, most_evaluations: int, tolerance: float) -> None:
        super().__init__(
            [*network.weights, *network.biases],
            max_iter=most_iterations,
            max_eval=most_evaluations + 1,
            tolerance_grad=tolerance,
            history_size=PAIRS,
            line_search_fn="strong_wolfe",
        )
        self.stuck = False

    def _arrived(self, group: Group, before: Trial, here: Trial, direction: Array) -> bool:
        self.stuck = here.t == 0.0
        flat = before.f - here.f <= FLAT * max(abs(before.f), abs(here.f), 1.0)
        return self.stuck or flat or greatest(here.g) <= group["tolerance_grad"]

    def result(self) -> OptimizeResult:
        """How it ended, in scipy's words."""
        group, told = self.param_groups[0], self.state[self.param_groups[0]["params"][0]]
        if told["n_iter"] >= group["max_iter"]:
            status, message = 1, "STOP: TOTAL NO. OF ITERATIONS REACHED LIMIT"
        elif told["func_evals"] >= group["max_eval"]:
            status, message = 1, "STOP: TOTAL NO. OF F,G EVALUATIONS EXCEEDS LIMIT"
        elif self.stuck:
            status, message = 2, "ABNORMAL: "
        else:
            status, message = 0, "CONVERGENCE: "
        return OptimizeResult(nit=told["n_iter"], nfev=told["func_evals"], status=status, message=message)
