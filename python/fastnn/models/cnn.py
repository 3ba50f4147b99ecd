"""A small convolutional network, in the manner of LeNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import nn
from ._arguments import positive
from ._images import ImageClassifier, convolved


class CNN(ImageClassifier):
    """Twice a convolution, batch norm, ReLU and pooling by halves; then a linear layer.

    The second convolution has twice as many channels as the first. Images want one size, since the linear layer weighs
    each place by itself.

    Parameters
    ----------
    in_channels : int
    image_size : two ints
        Height and width of images; 4 at least.
    classes : int
    width : int
        The channels of the first convolution.

    Attributes
    ----------
    layers : Sequential

    Raises
    ------
    TypeError, ValueError
        For sizes that are no positive numbers, and images too small to be halved twice.

    Notes
    -----
    Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to document recognition,
    1998; batch norm, ReLU and the largest in place of means are later custom.

    Examples
    --------
    >>> import fastnn
    >>> net = fastnn.models.CNN(1, (8, 8), 10, width=4)
    >>> net(fastnn.zeros(5, 1, 8, 8)).shape
    (5, 10)
    >>> net.layers[-1]
    Linear(in_features=32, out_features=10, bias=True)
    """

    def __init__(self, in_channels: int, image_size: Sequence[int], classes: int, width: int = 16) -> None:
        super().__init__(in_channels, classes, width)
        if not isinstance(image_size, (list, tuple)) or len(image_size) != 2:
            raise TypeError(f"CNN: image_size wants height and width; got {image_size!r}")
        h, w = (positive("CNN: image_size", n) for n in image_size)
        if min(h, w) < 4:
            raise ValueError(f"CNN: image_size wants 4 x 4 at least, to be halved twice; got {h} x {w}")
        self.image_size, n = (h, w), self.width
        self.layers = nn.Sequential(
            *convolved(self.in_channels, n),
            nn.ReLU(),
            nn.MaxPool2d(2),
            *convolved(n, 2 * n),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(2 * n * (h // 4) * (w // 4), self.classes),
        )

    def config(self) -> dict[str, Any]:
        """What `fastnn.models.build` needs to make such a network again; plain values, good for JSON.

        Examples
        --------
        >>> import fastnn
        >>> fastnn.models.CNN(1, (8, 8), 10).config()["image_size"]
        [8, 8]
        """
        return {**super().config(), "image_size": list(self.image_size)}
