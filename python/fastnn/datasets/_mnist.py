"""MNIST and what is stored as it is (Fashion-MNIST, KMNIST)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..io import FileFormatError
from ._idx import read_idx

Array = np.ndarray[Any, Any]


def mnist(root: str | os.PathLike[str], train: bool = True) -> tuple[Array, Array]:
    """Read the handwritten digits of MNIST from a folder; nothing is downloaded.

    Parameters
    ----------
    root : str or os.PathLike
        The folder with the four files ``train-images-idx3-ubyte``, ``t10k-labels-idx1-ubyte`` and so on, as they are or
        packed (``.gz``); or one in which torchvision has put them under ``MNIST/raw``.
    train : bool, default True
        The 60,000 images to train on, or the 10,000 to test on.

    Returns
    -------
    x : numpy.ndarray of shape (n, 784), float32
        Pixels row by row, as they are in the original: whole numbers from 0 (paper) to 255 (ink).
    y : numpy.ndarray of shape (n,), int64
        The digits.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    FileFormatError
        If one is damaged, or they do not belong together.

    Notes
    -----
    Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to document
    recognition, 1998.

    Examples
    --------
    >>> import fastnn, pathlib, tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (root / "t10k-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3, *[0, 0, 0, 1] * 3, 255]))
    >>> _ = (root / "t10k-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]))
    >>> fastnn.datasets.mnist(root, train=False)
    (array([[255.]], dtype=float32), array([7]))
    """
    part = "train" if train else "t10k"
    paths = [_find(Path(root), f"{part}-{kind}") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    images, labels = map(read_idx, paths)
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        shapes = f"shapes {images.shape} and {labels.shape}"
        raise FileFormatError(f"{paths[0]}, {paths[1]}: images and labels do not belong together, {shapes}")
    return images.reshape(len(images), -1).astype(np.float32), labels.astype(np.int64)


def _find(root: Path, name: str) -> Path:
    """The file of this name, packed or not."""
    for folder in (root, root / "MNIST" / "raw"):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    raise FileNotFoundError(f"mnist: no file {name} or {name}.gz in {root}")
