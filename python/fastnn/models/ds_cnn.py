"""A network of depthwise-separable convolutions."""

from __future__ import annotations

from .. import nn
from ._images import ImageClassifier, convolved, pooled

BLOCKS = 4


class DSCNN(ImageClassifier):
    """A convolution by steps of 2, four depthwise-separable blocks and a linear layer.

    A block is a 3 x 3 convolution of each channel by itself, then a 1 x 1 convolution over channels, each with batch
    norm and ReLU: about an eighth of the weights of a whole convolution. All have the same channels; the last layer
    gets the mean of each.

    Parameters
    ----------
    in_channels, classes : int
    width : int
        The channels of all convolutions.

    Attributes
    ----------
    layers : Sequential

    Raises
    ------
    TypeError, ValueError
        For sizes that are no positive numbers.

    Notes
    -----
    Source: Y. Zhang, N. Suda, L. Lai and V. Chandra, Hello edge: keyword spotting on microcontrollers, 2017; the first
    convolution is 3 x 3.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.models.DSCNN(1, 10, width=8)(fastnn.zeros(2, 1, 28, 28)).shape
    (2, 10)
    """

    def __init__(self, in_channels: int, classes: int, width: int = 64) -> None:
        super().__init__(in_channels, classes, width)
        n = self.width
        layers = [*convolved(self.in_channels, n, stride=2), nn.ReLU()]
        for _ in range(BLOCKS):
            layers += [*convolved(n, n, groups=n), nn.ReLU()]
            layers += [nn.Conv2d(n, n, 1, bias=False), nn.BatchNorm2d(n), nn.ReLU()]
        self.layers = nn.Sequential(*layers, *pooled(n, self.classes))
