"""LBFGS: quasi-Newton steps over all parameters as one vector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .. import ops
from .._engine import enable_grad
from .._tensor import Tensor
from .._writes import wrote
from ._inverse_hessian import InverseHessian
from ._line_search import Trial, strong_wolfe
from ._tables import positive
from .optimizer import Group, Optimizer, Params

Array = np.ndarray[Any, Any]


class LBFGS(Optimizer):
    r"""Steps along :math:`-H g`, where H approximates the inverse Hessian from the latest gradients.

    For deterministic functions: whole data sets, not batches. The vectors of the method are float64 whatever the
    dtype of the parameters. A closure that `fastnn.compile` captured is replayed; between its calls the method takes
    two passes over its history.

    Parameters
    ----------
    params : iterable of Tensor, or of (str, Tensor)
        What to optimize (see `Optimizer`), in one group.
    lr : float, default 1
        The length of steps; with a line search, of the first one that it tries.
    max_iter : int, default 20
        At most how many iterations a step takes.
    max_eval : int, optional
        After how many calls of the closure a step ends; by default ``max_iter * 5 // 4``.
    tolerance_grad : float, default 1e-7
        A step ends where no element of the gradient is greater.
    tolerance_change : float, default 1e-9
        A step ends where neither the parameters nor the loss change by more.
    history_size : int, default 100
        How many pairs of steps and changes of the gradient tell H.
    line_search_fn : {None, "strong_wolfe"}
        None takes every step whole.

    Raises
    ------
    TypeError, ValueError
        For options of another kind or out of range, and parameters that cannot be optimized.

    Notes
    -----
    Source: torch.optim.LBFGS; Liu and Nocedal, On the limited memory BFGS method for large scale optimization,
    Mathematical Programming 45, 1989; H in the compact form of `optim._inverse_hessian`.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([3.0, -4.0], dtype="float64", requires_grad=True)
    >>> optimizer = fastnn.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> @fastnn.compile
    ... def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - 1.0) ** 4).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure)
    tensor(641., dtype=float64)
    >>> bool(closure() < 1e-6)
    True
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        options = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None and isinstance(max_iter, int) else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, options)
        self._hessian = self._fresh()

    def _check(self, group: Group) -> None:
        """Raise ValueError for options out of range."""
        if self.param_groups:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        positive(self, "learning rate", group["lr"])
        positive(self, "tolerance_grad", group["tolerance_grad"])
        positive(self, "tolerance_change", group["tolerance_change"])
        for key in ("max_iter", "max_eval", "history_size"):
            value = group[key]
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(f"LBFGS: {key} wants a whole number of at least 1; got {value!r}")
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(f"LBFGS: line_search_fn wants None or 'strong_wolfe'; got {group['line_search_fn']!r}")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to ``max_iter`` iterations.

        Parameters
        ----------
        closure : callable
            Clears the gradients, computes the loss and its gradients anew and returns the loss.

        Returns
        -------
        What the closure returned first: the loss before the step.

        Raises
        ------
        TypeError
            Without a closure.
        """
        if closure is None:
            raise TypeError("LBFGS: step wants a closure that computes the loss and its gradients anew; got None")
        group = self.param_groups[0]
        memory = self.state[group["params"][0]]
        memory.setdefault("func_evals", 0)
        memory.setdefault("n_iter", 0)
        line = Line(group["params"], closure)
        here, result = line.here()
        evaluations = 1
        memory["func_evals"] += 1
        if greatest(here.g) <= group["tolerance_grad"]:
            return result
        for iteration in range(1, group["max_iter"] + 1):
            memory["n_iter"] += 1
            line.turn(self._direction(memory, here.g))
            start = Trial(0.0, here.f, float(ops.matmul(here.g, line.direction)), here.g)
            t = (min(1.0, 1.0 / float(np.abs(here.g).sum())) if memory["n_iter"] == 1 else 1.0) * group["lr"]
            memory.update(d=line.direction, t=t, prev_flat_grad=here.g, prev_loss=here.f)
            if not start.slope <= -group["tolerance_change"]:
                break
            last = iteration == group["max_iter"]
            here, spent = self._move(group, line, start, t, group["max_eval"] - evaluations, last)
            memory["t"] = here.t
            evaluations += spent
            memory["func_evals"] += spent
            if last or evaluations >= group["max_eval"] or self._arrived(group, start, here, line.direction):
                break
        return result

    def _direction(self, memory: dict[str, Any], g: Array) -> Array:
        """Where to go from a point with this gradient, the latest step taken into account."""
        if memory["n_iter"] == 1:
            self._hessian = self._fresh()
        else:
            self._hessian.add(memory["d"] * memory["t"], g - memory["prev_flat_grad"], g)
        d = self._hessian.times(g)
        return np.negative(d, out=d)

    def _move(self, group: Group, line: Line, start: Trial, t: float, left: int, last: bool) -> tuple[Trial, int]:
        """Go along the line; the point reached, and how often the closure was called."""
        if group["line_search_fn"] is not None:
            there, spent = strong_wolfe(line, start, t, greatest(line.direction), group["tolerance_change"], left)
            line.go(there.t)
            return there, spent
        if not last:
            return line(t), 1
        line.go(t)  # nobody asks for the loss there
        return start._replace(t=t), 0

    def _arrived(self, group: Group, before: Trial, here: Trial, direction: Array) -> bool:
        """Whether the gradient is small, or the last iteration changed next to nothing."""
        return bool(
            greatest(here.g) <= group["tolerance_grad"]
            or greatest(direction) * abs(here.t) <= group["tolerance_change"]
            or abs(here.f - before.f) < group["tolerance_change"]
        )

    def state_dict(self) -> dict[str, Any]:
        """State and options in PyTorch's layout: the method's state is that of the first parameter.

        Returns
        -------
        dict
            As of `Optimizer.state_dict`; the history is in ``old_stps``, ``old_dirs``, ``ro`` and ``H_diag``.
        """
        saved = super().state_dict()
        if "d" in saved["state"].get(0, {}):
            pairs = self._hessian.pairs()
            saved["state"][0] |= {
                "d": Tensor(saved["state"][0]["d"]),
                "prev_flat_grad": Tensor(saved["state"][0]["prev_flat_grad"]),
                "old_stps": [Tensor(s) for s, _ in pairs],
                "old_dirs": [Tensor(y) for _, y in pairs],
                "ro": [1 / float(s @ y) for s, y in pairs],
                "H_diag": self._hessian.gamma,
            }
        return saved

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken, also PyTorch's; arguments and errors are those of `Optimizer`."""
        own = dict(state_dict.get("state", {}).get(0, {}))
        super().load_state_dict({**state_dict, "state": {}} if "state" in state_dict else state_dict)
        self._hessian = self._fresh()
        if not own:
            return
        memory = {key: own[key] for key in ("func_evals", "n_iter")}
        if "d" in own:
            memory |= {"t": float(own["t"]), "prev_loss": float(own["prev_loss"])}
            memory |= {key: vector(own[key]) for key in ("d", "prev_flat_grad")}
            size = self._hessian.rows.shape[1]
            if memory["d"].size != size:
                raise ValueError(f"loaded state dict has d of {memory['d'].size} numbers for {size} parameters")
            for s, y in zip(own["old_stps"], own["old_dirs"], strict=True):
                self._hessian.add(vector(s), vector(y))
        self.state[self.param_groups[0]["params"][0]] = memory

    def _fresh(self) -> InverseHessian:
        """An inverse Hessian of which nothing is known yet."""
        group = self.param_groups[0]
        return InverseHessian(sum(p.array.size for p in group["params"]), group["history_size"])


class Line:
    """The closure's loss and gradient along a direction from where the parameters are."""

    def __init__(self, params: list[Tensor], closure: Callable[[], Any]) -> None:
        self.params, self.closure = params, closure
        self.at = flat(p.array for p in params)
        self.origin, self.direction, self.t = self.at.copy(), np.zeros_like(self.at), 0.0
        cuts = np.cumsum([p.array.size for p in params])[:-1]
        self.views = [v.reshape(p.shape) for v, p in zip(np.split(self.at, cuts), params, strict=True)]

    def turn(self, direction: Array) -> None:
        """Begin a line here."""
        self.origin[...] = self.at
        self.direction, self.t = direction, 0.0

    def go(self, t: float) -> None:
        """Move the parameters to a step length."""
        if t == self.t:
            return
        np.multiply(self.direction, t, out=self.at)
        self.at += self.origin
        arrays = [p.array for p in self.params]
        for array, value in zip(arrays, self.views, strict=True):
            np.copyto(array, value, casting="same_kind")
        wrote(arrays)
        self.t = t

    def __call__(self, t: float) -> Trial:
        """The point at a step length, where the parameters are afterwards."""
        self.go(t)
        return self.here(t)[0]

    def here(self, t: float = 0.0) -> tuple[Trial, Any]:
        """The point where the parameters are, and what the closure returned."""
        with enable_grad():
            loss = self.closure()
        g = flat(np.zeros(p.array.shape) if p._grad is None else p._grad.array for p in self.params)
        return Trial(t, float(loss), float(ops.matmul(g, self.direction)), g), loss


def flat(arrays: Iterable[Array]) -> Array:
    """A float64 vector of all their elements."""
    return np.concatenate([a.reshape(-1) for a in arrays], dtype=np.float64)


def greatest(x: Array) -> float:
    """The greatest absolute value."""
    return float(np.abs(x).max())


def vector(values: Any) -> Array:
    """A copy of a loaded value, as a float64 vector."""
    array: Array = np.asarray(values.array if isinstance(values, Tensor) else values)
    return array.astype(np.float64).reshape(-1)
