"""The error function and the normal distribution, to a few units in the last place of float64.

NumPy has no erf. Rational approximations of fdlibm's s_erf.c (Sun Microsystems, 1993; freely granted), evaluated in
float64 and rounded to the dtype of the argument at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

ERX = 8.45062911510467529297e-01  # erf(1), short
# erf(x) = x + x P(x^2) / Q(x^2) for |x| < 0.84375
SMALL_P = (
    1.28379167095512558561e-01,
    -3.25042107247001499370e-01,
    -2.84817495755985104766e-02,
    -5.77027029648944159157e-03,
    -2.37630166566501626084e-05,
)
SMALL_Q = (
    1.0,
    3.97917223959155352819e-01,
    6.50222499887672944485e-02,
    5.08130628187576562776e-03,
    1.32494738004321644526e-04,
    -3.96022827877536812320e-06,
)
# erf(x) = erx + P(s) / Q(s), s = |x| - 1, for |x| < 1.25
NEAR_P = (
    -2.36211856075265944077e-03,
    4.14856118683748331666e-01,
    -3.72207876035701323847e-01,
    3.18346619901161753674e-01,
    -1.10894694282396677476e-01,
    3.54783043256182359371e-02,
    -2.16637559486879084300e-03,
)
NEAR_Q = (
    1.0,
    1.06420880400844228286e-01,
    5.40397917702171048937e-01,
    7.18286544141962662868e-02,
    1.26171219808761642112e-01,
    1.36370839120290507362e-02,
    1.19844998467991074170e-02,
)
# erfc(x) = exp(-x^2 - 0.5625 + R(1/x^2) / S(1/x^2)) / x, for x < 1 / 0.35 and beyond
MIDDLE_R = (
    -9.86494403484714822705e-03,
    -6.93858572707181764372e-01,
    -1.05586262253232909814e01,
    -6.23753324503260060396e01,
    -1.62396669462573470355e02,
    -1.84605092906711035994e02,
    -8.12874355063065934246e01,
    -9.81432934416914548592e00,
)
MIDDLE_S = (
    1.0,
    1.96512716674392571292e01,
    1.37657754143519042600e02,
    4.34565877475229228821e02,
    6.45387271733267880336e02,
    4.29008140027567833386e02,
    1.08635005541779435134e02,
    6.57024977031928170135e00,
    -6.04244152148580987438e-02,
)
FAR_R = (
    -9.86494292470009928597e-03,
    -7.99283237680523006574e-01,
    -1.77579549177547519889e01,
    -1.60636384855821916062e02,
    -6.37566443368389627722e02,
    -1.02509513161107724954e03,
    -4.83519191608651397019e02,
)
FAR_S = (
    1.0,
    3.03380607434824582924e01,
    3.25792512996573918826e02,
    1.53672958608443695994e03,
    3.19985821950859553908e03,
    2.55305040643316442583e03,
    4.74528541206955367215e02,
    -2.24409524465858183362e01,
)


def polynomial(x: Array, coefficients: Sequence[float]) -> Array:
    """Horner's scheme, the constant first."""
    y = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        y = y * x + c
    return y


def exp_minus_square(x: Array, scale: float, more: Any = 0.0) -> Array:
    """exp(-scale x^2 + more), scale a power of two; the square is split, since its rounding error would be magnified.

    The head of x has 24 bits, so that its square is exact.
    """
    head = x.astype(np.float32).astype(np.float64)
    return np.exp(-scale * head * head) * np.exp(more - scale * (x - head) * (x + head))


def exponent(a: Array) -> Array:
    """log(a erfc(a)) + a^2 for 1.25 <= a, the smooth part of the tail."""
    s = 1 / (a * a)
    middle = polynomial(s, MIDDLE_R) / polynomial(s, MIDDLE_S)
    return np.where(a < 1 / 0.35, middle, polynomial(s, FAR_R) / polynomial(s, FAR_S)) - 0.5625


def by_range(x: Array, edges: Sequence[float], pieces: Sequence[Callable[[Array], Array]]) -> Array:
    """Each piece on the values below its edge of |x|, the last on the rest; NaN stays NaN."""
    y = np.array(x)
    rest = ~np.isnan(x)
    for edge, piece in zip((*edges, np.inf), pieces, strict=True):
        here = rest & (np.abs(x) < edge) if edge < np.inf else rest
        y[here] = piece(x[here])
        rest = rest & ~here
    return y


def erf_small(x: Array) -> Array:
    """P / Q of erf(x) = x + x P / Q near 0."""
    return polynomial(x * x, SMALL_P) / polynomial(x * x, SMALL_Q)


def erf_near(a: Array) -> Array:
    """erf(a) - erx around 1."""
    return polynomial(a - 1, NEAR_P) / polynomial(a - 1, NEAR_Q)


def erfc(x: Array) -> Array:
    r"""Complementary error function, :math:`\frac{2}{\sqrt\pi} \int_x^\infty e^{-t^2} dt`."""

    def small(x: Array) -> Array:
        r = erf_small(x)
        return np.where(x < 0.25, 1 - (x + x * r), 0.5 - ((x - 0.5) + x * r))

    def near(x: Array) -> Array:
        r = erf_near(np.abs(x))
        return np.where(x > 0, (1 - ERX) - r, 1 + (ERX + r))

    def tail(x: Array) -> Array:
        a = np.minimum(np.abs(x), 30.0)
        r = exp_minus_square(a, 1.0, exponent(a)) / a
        return np.where(x > 0, r, 2 - r)

    return by_range(x.astype(np.float64), (0.84375, 1.25), (small, near, tail)).astype(x.dtype)


def erf(x: Array) -> Array:
    r"""Error function, :math:`\frac{2}{\sqrt\pi} \int_0^x e^{-t^2} dt`."""

    def near(x: Array) -> Array:
        return np.copysign(ERX + erf_near(np.abs(x)), x)

    def tail(x: Array) -> Array:
        a = np.minimum(np.abs(x), 6.0)
        return np.copysign(1 - exp_minus_square(a, 1.0, exponent(a)) / a, x)

    return by_range(x.astype(np.float64), (0.84375, 1.25), (lambda x: x + x * erf_small(x), near, tail)).astype(x.dtype)


def normal_cdf(x: Array) -> Array:
    r"""Distribution of the standard normal, :math:`\Phi(x) = \mathrm{erfc}(-x/\sqrt2)/2`, in float64.

    Below -1.25 sqrt(2) the exponent is -x^2/2 of x itself: rounding x / sqrt(2) would cost x^2 units in the last place.
    """

    def body(x: Array) -> Array:
        return 0.5 * erfc(x * -math.sqrt(0.5))

    def tail(x: Array) -> Array:
        a = np.minimum(np.abs(x), 40.0)
        t = a * math.sqrt(0.5)
        r = 0.5 * (exp_minus_square(a, 0.5, exponent(t)) / t)
        return np.where(x < 0, r, 1 - r)

    return by_range(x.astype(np.float64), (1.25 * math.sqrt(2),), (body, tail))


def normal_pdf(x: Array) -> Array:
    r"""Density of the standard normal, :math:`\phi(x) = e^{-x^2/2}/\sqrt{2\pi}`, in float64."""
    a = np.minimum(np.abs(x.astype(np.float64)), 40.0)
    return exp_minus_square(a, 0.5) / math.sqrt(2 * math.pi)
