"""What the networks for images share."""

from __future__ import annotations

from typing import Any

from .. import nn
from ._arguments import positive


class ImageClassifier(nn.Module):
    """Layers that make scores of classes of images; subclasses say which.

    Parameters
    ----------
    in_channels, classes : int
    width : int
        The channels of the first convolution.

    Attributes
    ----------
    layers : Sequential
    """

    layers: nn.Sequential

    def __init__(self, in_channels: int, classes: int, width: int) -> None:
        super().__init__()
        name = type(self).__name__
        self.in_channels = positive(f"{name}: in_channels", in_channels)
        self.classes = positive(f"{name}: classes", classes)
        self.width = positive(f"{name}: width", width)

    def forward(self, input: Any) -> Any:
        """Scores (N, classes) of images (N, in_channels, H, W)."""
        return self.layers(input)

    def config(self) -> dict[str, Any]:
        """What `fastnn.models.build` needs to make such a network again; plain values, good for JSON.

        Examples
        --------
        >>> import fastnn
        >>> fastnn.models.ResNet8(1, 10).config()
        {'model': 'ResNet8', 'in_channels': 1, 'classes': 10, 'width': 16}
        """
        return {
            "model": type(self).__name__,
            "in_channels": self.in_channels,
            "classes": self.classes,
            "width": self.width,
        }


def convolved(before: int, after: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A 3 x 3 convolution that keeps the edges, normalized by batches; the norm's shift is its bias."""
    return [
        nn.Conv2d(before, after, 3, stride=stride, padding=1, groups=groups, bias=False),
        nn.BatchNorm2d(after),
    ]


def pooled(channels: int, classes: int) -> list[nn.Module]:
    """Scores from the mean of each channel, so that images of any size will do."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]
