"""A line search for the strong Wolfe conditions: bracket a step length, then close in on it by cubic interpolation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

DECREASE, CURVATURE = 1e-4, 0.9  # Nocedal and Wright's c1 and c2


class Trial(NamedTuple):
    """A point on the line."""

    t: float  # the step length
    f: float
    slope: float  # of f along the direction
    g: Any  # the gradient there


def strong_wolfe(
    evaluate: Callable[[float], Trial], start: Trial, t: float, reach: float, tolerance: float, most: int
) -> tuple[Trial, int]:
    r"""A point with :math:`f \le f_0 + c_1 t f_0'` and :math:`|f'| \le c_2 |f_0'|`, or the best one that was seen.

    Parameters
    ----------
    evaluate : callable
        The Trial at a step length.
    start : Trial
        At step length 0, with a negative slope.
    t : float
        The first step length to try.
    reach, tolerance : float
        The search ends where a bracket, times `reach`, is narrower than `tolerance`.
    most : int
        After this many interpolations, at least 1, it ends, too.

    Returns
    -------
    Trial, and how many points were evaluated

    Notes
    -----
    Decisions and constants are those of torch.optim.LBFGS, but for two: NaN counts as too high, and a point that is too
    high never becomes the low end of the bracket, also where it lies below the start (the bracket can lose the minimum
    otherwise). Source: Nocedal and Wright, Numerical optimization, 2nd edition, algorithms 3.5 and 3.6.
    """

    def too_high(trial: Trial) -> bool:
        return not trial.f <= start.f + DECREASE * trial.t * start.slope

    def flat(trial: Trial) -> bool:
        return abs(trial.slope) <= -CURVATURE * start.slope

    before, trial, spent = start, evaluate(t), 1
    while not (too_high(trial) or (spent > 2 and trial.f >= before.f)):
        if flat(trial) or spent > most:
            return trial, spent
        if trial.slope >= 0:
            low, high = trial, before
            break
        further = interpolated(before, trial, trial.t + 0.01 * (trial.t - before.t), 10 * trial.t)
        before, trial, spent = trial, evaluate(further), spent + 1
    else:
        low, high = before, trial

    hesitant = False
    while spent <= most and not abs(high.t - low.t) * reach < tolerance:
        left, right = min(low.t, high.t), max(low.t, high.t)
        t, margin = interpolated(low, high, left, right), 0.1 * (right - left)
        close = min(right - t, t - left) < margin
        if close and (hesitant or not left < t < right):  # the second time, keep away from the ends
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            close = False
        hesitant = close
        trial, spent = evaluate(t), spent + 1
        if too_high(trial) or trial.f >= low.f:
            high = trial
            continue
        if flat(trial):
            return trial, spent
        if trial.slope * (high.t - low.t) >= 0:
            high = low
        low = trial
    return low, spent


def interpolated(a: Trial, b: Trial, least: float, greatest: float) -> float:
    """The minimum of the cubic through two points and their slopes, within bounds; without one, their middle.

    Source: Nocedal and Wright, equation 3.59.
    """
    a, b = (a, b) if a.t <= b.t else (b, a)
    width = b.t - a.t
    mean = a.slope + b.slope - 3 * (b.f - a.f) / width if width else math.nan
    square = mean * mean - a.slope * b.slope
    if not square >= 0:
        return (least + greatest) / 2
    root = math.sqrt(square)
    bottom = b.slope - a.slope + 2 * root
    if not bottom:
        return (least + greatest) / 2
    return min(max(b.t - width * ((b.slope + root - mean) / bottom), least), greatest)
