"""The bundled handwritten digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def digits() -> tuple[Array, Array]:
    """1,797 handwritten digits of 8 x 8 pixels, with their labels.

    The test part of the Optical Recognition of Handwritten Digits data set, written by 13 people.

    Returns
    -------
    x : numpy.ndarray of shape (1797, 64), float32
        Pixels row by row, as they are in the original: whole numbers from 0 (paper) to 16 (ink).
    y : numpy.ndarray of shape (1797,), int64
        The digits, 0 to 9; between 174 and 183 of each.

    Notes
    -----
    Source: E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, https://doi.org/10.24432/C50P49, license CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/). The
    values and their order are unchanged; they were taken from scikit-learn's copy and stored as bytes.

    Examples
    --------
    >>> import fastnn
    >>> x, y = fastnn.datasets.digits()
    >>> x.shape, y[:5]
    ((1797, 64), array([0, 1, 2, 3, 4]))
    >>> x[0].reshape(8, 8)[3]
    array([ 0.,  4., 12.,  0.,  0.,  8.,  8.,  0.], dtype=float32)
    """
    with np.load(Path(__file__).with_name("digits.npz")) as file:
        return file["x"].astype(np.float32), file["y"].astype(np.int64)
