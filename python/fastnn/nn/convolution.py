"""Convolution layers, and windows as columns."""

from __future__ import annotations

import math
import operator
from typing import Any

from .._tensor import Tensor
from . import functional as F
from . import init
from .linear import unfilled
from .module import Module
from .parameter import Parameter

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class ConvNd(Module):
    """What all convolution layers share: `space` axes, `transposed` or not."""

    space = 0
    transposed = False
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        self.in_channels = self.number("in_channels", in_channels)
        self.out_channels = self.number("out_channels", out_channels)
        self.groups = self.number("groups", groups)
        for name, channels in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if channels % self.groups:
                raise ValueError(f"{name} must be divisible by groups; got {channels} and {self.groups}")
        self.kernel_size = self.sizes("kernel_size", kernel_size)
        self.stride = self.sizes("stride", stride)
        self.dilation = self.sizes("dilation", dilation)
        self.output_padding = self.sizes("output_padding", output_padding, 0)
        if isinstance(padding, str):
            if self.transposed or padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of 'same', 'valid'")
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        self.padding = padding if isinstance(padding, str) else self.sizes("padding", padding, 0)
        modes = ("zeros",) if self.transposed else PADDING_MODES
        if padding_mode not in modes:
            raise ValueError(f"padding_mode must be one of {', '.join(modes)}, but got padding_mode={padding_mode!r}")
        self.padding_mode = padding_mode
        first, second = self.in_channels, self.out_channels
        first, second = (first, second) if self.transposed else (second, first)
        self.weight = unfilled((first, second // self.groups, *self.kernel_size), device, dtype)
        self.register_parameter("bias", unfilled((self.out_channels,), device, dtype) if bias else None)
        self.reset_parameters()

    def number(self, name: str, value: Any) -> int:
        """A whole number of at least 1."""
        try:
            n = operator.index(value)
        except TypeError:
            raise TypeError(f"{type(self).__name__}: {name} wants a whole number; got {value!r}") from None
        if n < 1:
            raise ValueError(f"{type(self).__name__}: {name} wants a number of at least 1; got {n}")
        return n

    def sizes(self, name: str, value: Any, least: int = 1) -> tuple[int, ...]:
        """A whole number for each axis of space; a single one counts for all."""
        given = tuple(value) if isinstance(value, (tuple, list)) else (value,) * self.space
        try:
            found = tuple(map(operator.index, given))
        except TypeError:
            raise TypeError(f"{type(self).__name__}: {name} wants whole numbers; got {value!r}") from None
        found = found * self.space if len(found) == 1 else found
        if len(found) != self.space or any(n < least for n in found):
            wants = f"{self.space} numbers of at least {least}"
            raise ValueError(f"{type(self).__name__}: {name} wants {wants}; got {value!r}")
        return found

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        bound = 1 / math.sqrt(math.prod(self.weight.shape[1:]))  # kaiming_uniform_ with a = sqrt(5)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """Channels and sizes; of the others those that are not the default."""
        zeros, ones = (0,) * self.space, (1,) * self.space
        words = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        words += [f"padding={self.padding}"] if self.padding != zeros else []
        words += [f"dilation={self.dilation}"] if self.dilation != ones else []
        words += [f"output_padding={self.output_padding}"] if self.output_padding != zeros else []
        words += [f"groups={self.groups}"] if self.groups != 1 else []
        words += ["bias=False"] if self.bias is None else []
        words += [f"padding_mode={self.padding_mode}"] if self.padding_mode != "zeros" else []
        return ", ".join(words)


class Convolution(ConvNd):
    """What Conv1d, Conv2d and Conv3d share."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def paddings(self) -> tuple[tuple[int, int], ...]:
        """Before and after each axis of space."""
        if self.padding == "valid":
            return ((0, 0),) * self.space
        if isinstance(self.padding, str):
            totals = [d * (k - 1) for k, d in zip(self.kernel_size, self.dilation, strict=True)]
            return tuple((n // 2, n - n // 2) for n in totals)
        return tuple((n, n) for n in self.padding)

    def forward(self, input: Any) -> Tensor:
        """The convolution of `input`, (n, in_channels, *space) or (in_channels, *space)."""
        convolve = (F.conv1d, F.conv2d, F.conv3d)[self.space - 1]
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, [n for pair in reversed(self.paddings()) for n in pair], mode=self.padding_mode)
            padding = 0
        return convolve(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv1d(Convolution):
    r"""Convolution of sequences (n, in_channels, length); arguments as of `Conv2d`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.Conv1d(3, 5, 4, stride=2)(fastnn.zeros(2, 3, 10)).shape
    (2, 5, 4)
    """

    space = 1


class Conv2d(Convolution):
    r"""Convolution of images (n, in_channels, height, width); see `fastnn.nn.functional.conv2d`.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or pair of int
    padding : int, pair of int, "same" or "valid"
    groups : int
        Channels are parted into as many groups, each of which is convolved with its own.
    bias : bool
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What stands beyond the edges.
    device : "cpu", optional
    dtype : float32, float64 or their names, optional

    Attributes
    ----------
    weight : Parameter (out_channels, in_channels / groups, *kernel_size)
    bias : Parameter (out_channels,), or None

    Notes
    -----
    Both start from :math:`U(-1/\sqrt k, 1/\sqrt k)`, k the number of values that an output takes in, as in PyTorch.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.Conv2d(3, 8, 3, padding=1)(fastnn.zeros(2, 3, 28, 28)).shape
    (2, 8, 28, 28)
    """

    space = 2


class Conv3d(Convolution):
    r"""Convolution of volumes (n, in_channels, depth, height, width); arguments as of `Conv2d`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.Conv3d(1, 2, 3)(fastnn.zeros(1, 1, 5, 6, 7)).shape
    (1, 2, 3, 4, 5)
    """

    space = 3


class Transposed(ConvNd):
    """What ConvTranspose1d, ConvTranspose2d and ConvTranspose3d share."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def padding_for(self, space: tuple[int, ...], output_size: Any) -> tuple[int, ...]:
        """The output_padding that gives this size."""
        wanted = tuple(output_size)[-self.space :]
        padding: Any = self.padding
        sizes = zip(space, self.stride, padding, self.dilation, self.kernel_size, strict=True)
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, s, p, d, k in sizes]
        most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
        if len(wanted) != self.space or any(not a <= n <= b for a, n, b in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"requested an output size of {output_size}, but valid sizes range from {least} to {most} "
                f"(for an input of {space})"
            )
        return tuple(n - a for n, a in zip(wanted, least, strict=True))

    def forward(self, input: Any, output_size: Any = None) -> Tensor:
        """The transposed convolution; `output_size` chooses among the sizes that have the same input."""
        convolve = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[self.space - 1]
        more = self.output_padding
        if output_size is not None:
            more = self.padding_for(tuple(input.shape[-self.space :]), output_size)
        return convolve(input, self.weight, self.bias, self.stride, self.padding, more, self.groups, self.dilation)


class ConvTranspose1d(Transposed):
    r"""Transposed convolution of sequences; arguments as of `ConvTranspose2d`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.ConvTranspose1d(3, 5, 4, stride=2)(fastnn.zeros(2, 3, 4)).shape
    (2, 5, 10)
    """

    space = 1


class ConvTranspose2d(Transposed):
    r"""Transposed convolution of images (n, in_channels, height, width).

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding, dilation : int or pair of int
    output_padding : int or pair of int
        Rows and columns added at the end of the result.
    groups : int
    bias : bool
    padding_mode : "zeros"
    device : "cpu", optional
    dtype : float32, float64 or their names, optional

    Attributes
    ----------
    weight : Parameter (in_channels, out_channels / groups, *kernel_size)
    bias : Parameter (out_channels,), or None

    Examples
    --------
    >>> import fastnn
    >>> layer = fastnn.nn.ConvTranspose2d(8, 3, 2, stride=2)
    >>> layer(fastnn.zeros(2, 8, 7, 7)).shape
    (2, 3, 14, 14)
    >>> layer(fastnn.zeros(2, 8, 7, 7), output_size=(15, 14)).shape
    (2, 3, 15, 14)
    """

    space = 2


class ConvTranspose3d(Transposed):
    r"""Transposed convolution of volumes; arguments as of `ConvTranspose2d`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.ConvTranspose3d(2, 1, 2, stride=2)(fastnn.zeros(1, 2, 3, 3, 3)).shape
    (1, 1, 6, 6, 6)
    """

    space = 3


class Unfold(Module):
    """All windows of images as columns; see `fastnn.nn.functional.unfold`.

    Parameters
    ----------
    kernel_size, dilation, padding, stride : int or pair of int

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.Unfold(2)(fastnn.zeros(1, 3, 4, 4)).shape
    (1, 12, 9)
    """

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Any) -> Tensor:
        """The windows of `input`."""
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """The sizes."""
        names = ("kernel_size", "dilation", "padding", "stride")
        return ", ".join(f"{n}={getattr(self, n)}" for n in names)


class Fold(Module):
    """Columns of windows added up to images; see `fastnn.nn.functional.fold`.

    Parameters
    ----------
    output_size, kernel_size, dilation, padding, stride : int or pair of int

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.Fold(4, 2)(fastnn.zeros(1, 12, 9)).shape
    (1, 3, 4, 4)
    """

    def __init__(
        self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__()
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride

    def forward(self, input: Any) -> Tensor:
        """The images of these columns."""
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """The sizes."""
        names = ("output_size", "kernel_size", "dilation", "padding", "stride")
        return ", ".join(f"{n}={getattr(self, n)}" for n in names)
