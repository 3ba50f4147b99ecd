"""MNIST and what is stored as it is (Fashion-MNIST, KMNIST)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..io import FileFormatError
from ._download import cache_folder
from ._download import download as fetch
from ._idx import read_idx

Array = np.ndarray[Any, Any]

MIRRORS = ["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"]
MD5 = {  # as in torchvision's source, torchvision/datasets/mnist.py
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}


def mnist(
    root: str | os.PathLike[str] | None = None, train: bool = True, *, download: bool = False
) -> tuple[Array, Array]:
    """Read the handwritten digits of MNIST from a folder, downloaded into it if need be.

    Parameters
    ----------
    root : str or os.PathLike, optional
        The folder with the four files ``train-images-idx3-ubyte``, ``t10k-labels-idx1-ubyte`` and so on, as they are or
        packed (``.gz``); or one in which torchvision has put them under ``MNIST/raw``.
        By default ``fastnn/mnist`` in the user's cache: ``$XDG_CACHE_HOME``, or ``~/.cache``.
    train : bool, default True
        The 60,000 images to train on, or the 10,000 to test on.
    download : bool, default False
        Fetch the two files that are missing, 10 MB to train on or 2 MB to test on, and compare their checksums. A
        download that was interrupted goes on at the next call.

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
    OSError
        If a file cannot be downloaded; the message names each mirror and why.
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
    if root is not None and not isinstance(root, str) and not isinstance(root, os.PathLike):
        raise TypeError(f"mnist: root wants a str or a path; got {type(root).__name__}")
    part = "train" if train else "t10k"
    folder = cache_folder("mnist") if root is None else Path(root)
    paths = [_find(folder, f"{part}-{kind}", download) for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    images, labels = map(read_idx, paths)
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        shapes = f"shapes {images.shape} and {labels.shape}"
        raise FileFormatError(f"{paths[0]}, {paths[1]}: images and labels do not belong together, {shapes}")
    return images.reshape(len(images), -1).astype(np.float32), labels.astype(np.int64)


def _find(root: Path, name: str, may_download: bool) -> Path:
    """The file of this name, packed or not."""
    for folder in (root, root / "MNIST" / "raw"):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    if not may_download:
        raise FileNotFoundError(f"mnist: no file {name} or {name}.gz in {root}; mnist(root, download=True) fetches it")
    packed = root / f"{name}.gz"
    fetch(MIRRORS, packed, MD5[name])
    return packed
