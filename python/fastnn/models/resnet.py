"""A residual network of eight layers."""

from __future__ import annotations

from typing import Any

from .. import nn
from ..nn.functional import relu
from ._images import ImageClassifier, convolved, pooled


class Residual(nn.Module):
    r"""Two convolutions that learn what is to be added: :math:`\mathrm{relu}(f(x) + s(x))`.

    :math:`s` is the identity, or a 1 x 1 convolution with batch norm where the shape changes.

    Parameters
    ----------
    before, after : int
        The channels of inputs and outputs.
    stride : int
        Of the first convolution.

    Notes
    -----
    Source: K. He, X. Zhang, S. Ren and J. Sun, Deep residual learning for image recognition, 2016.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.models.resnet.Residual(4, 8, stride=2)(fastnn.zeros(1, 4, 6, 6)).shape
    (1, 8, 3, 3)
    """

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.residual = nn.Sequential(*convolved(before, after, stride), nn.ReLU(), *convolved(after, after))
        self.shortcut = nn.Sequential()
        if before != after or stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, input: Any) -> Any:
        """Outputs (N, after, H / stride, W / stride), rounded up, for inputs (N, before, H, W)."""
        return relu(self.residual(input) + self.shortcut(input))


class ResNet8(ImageClassifier):
    """A convolution, three residual blocks and a linear layer: eight layers with weights on the longest way.

    The second and third block halve images and double channels; the last layer gets the mean of each channel.

    Parameters
    ----------
    in_channels, classes : int
    width : int
        The channels of the first convolution and block.

    Attributes
    ----------
    layers : Sequential

    Raises
    ------
    TypeError, ValueError
        For sizes that are no positive numbers.

    Notes
    -----
    Source: K. He, X. Zhang, S. Ren and J. Sun, Deep residual learning for image recognition, 2016, section 4.2, with
    one block in place of n; 1 x 1 convolutions where the shape changes.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.models.ResNet8(3, 10, width=4)(fastnn.zeros(2, 3, 32, 32)).shape
    (2, 10)
    """

    def __init__(self, in_channels: int, classes: int, width: int = 16) -> None:
        super().__init__(in_channels, classes, width)
        n = self.width
        self.layers = nn.Sequential(
            *convolved(self.in_channels, n),
            nn.ReLU(),
            Residual(n, n),
            Residual(n, 2 * n, stride=2),
            Residual(2 * n, 4 * n, stride=2),
            *pooled(4 * n, self.classes),
        )
