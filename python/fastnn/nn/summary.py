"""A table of a network's layers: output shapes, parameters, multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._creation import dtype_of, zeros
from .._engine import no_grad
from .._tensor import Tensor
from .batchnorm import _Tracking
from .convolution import Convolution, Transposed
from .linear import Linear
from .module import Module
from .normalization import GroupNorm, LayerNorm, RMSNorm

Shape = tuple[int, ...]


def scaled(layer: Any, x: Shape, y: Shape) -> int:
    """One for each value, where a normalization has a weight."""
    return math.prod(y) if layer.weight is not None else 0


# Multiply-adds of one call, by the kind of layer and the shapes of input and output; what is not here multiplies
# nothing worth counting. Those of convolutions are of the definition, zeros of the padding among them.
MULTIPLY_ADDS: dict[type[Module], Callable[[Any, Shape, Shape], int]] = {
    Linear: lambda layer, x, y: math.prod(y) * layer.in_features,
    Convolution: lambda layer, x, y: math.prod(y) * math.prod(layer.weight.shape[1:]),
    Transposed: lambda layer, x, y: math.prod(x) * math.prod(layer.weight.shape[1:]),
    LayerNorm: scaled,
    RMSNorm: scaled,
    GroupNorm: scaled,
    _Tracking: scaled,
}


@dataclass
class Row:
    """One module of the table."""

    name: str
    kind: str
    depth: int
    output_shape: Any = None  # None where forward did not pass through it
    parameters: int = 0  # its own, without those of its submodules
    multiply_adds: int = 0


@dataclass
class Summary:
    """What `summary` found; its text is the table.

    Attributes
    ----------
    rows : list of Row
        Modules in order: name, kind, depth, output_shape, parameters, multiply_adds.
    total_parameters, trainable_parameters : int
        Each Parameter counted once.
    multiply_adds : int
        Of one call with the given shape, batch included.
    """

    input_shape: Any
    rows: list[Row] = field(default_factory=list)
    total_parameters: int = 0
    trainable_parameters: int = 0
    multiply_adds: int = 0

    def __repr__(self) -> str:
        head = ("Layer", "Output shape", "Parameters", "Multiply-adds")
        cells = [
            (
                "  " * row.depth + row.kind + (f" ({row.name})" if row.name else ""),
                "-" if row.output_shape is None else str(row.output_shape),
                f"{row.parameters:,}" if row.parameters else "-",
                f"{row.multiply_adds:,}" if row.multiply_adds else "-",
            )
            for row in self.rows
        ]
        widths = [max(len(line[i]) for line in (head, *cells)) for i in range(4)]
        adjusted = (str.ljust, str.ljust, str.rjust, str.rjust)
        lines = [
            "  ".join(adjust(cell, w) for adjust, cell, w in zip(adjusted, line, widths, strict=True)).rstrip()
            for line in (head, *cells)
        ]
        rule = "-" * (sum(widths) + 6)
        frozen = self.total_parameters - self.trainable_parameters
        return "\n".join(
            [
                lines[0],
                rule,
                *lines[1:],
                rule,
                f"Input shape: {self.input_shape}",
                f"Parameters: {self.total_parameters:,} ({self.trainable_parameters:,} trainable, {frozen:,} frozen)",
                f"Multiply-adds: {self.multiply_adds:,}",
            ]
        )


def shape_of(output: Any) -> Any:
    """The shape of a module's output: one, or those of several Tensors."""
    if isinstance(output, Tensor):
        return output.shape
    if isinstance(output, (tuple, list)):
        return tuple(shape_of(o) for o in output)
    if isinstance(output, dict):
        return {key: shape_of(o) for key, o in output.items()}
    return None


def inputs_for(model: Module, input_shape: Any, dtype: Any) -> list[Tensor]:
    """Zeros of the given shape, or of each of a list of shapes, in the dtype of the network."""
    several = isinstance(input_shape, (tuple, list)) and any(isinstance(s, (tuple, list)) for s in input_shape)
    if dtype is None:
        dtype = next((p.dtype for p in model.parameters() if p.dtype.kind == "f"), None)
    wanted = None if dtype is None else dtype_of(dtype)
    return [zeros(shape, dtype=wanted) for shape in (input_shape if several else (input_shape,))]


def summary(model: Any, input_shape: Any, *, dtype: Any = None) -> Summary:
    """The layers of a network as a table: output shapes, parameters and multiply-adds.

    One call on zeros, in evaluation and without gradients, finds them; nothing of the network changes.

    Parameters
    ----------
    model : Module
    input_shape : tuple of int, or a list of them for several inputs
        The batch dimension included.
    dtype : dtype or its name, optional
        Of the input; by default that of the parameters.

    Returns
    -------
    Summary
        ``print`` shows the table; the numbers are attributes.

    Raises
    ------
    TypeError
        Where model is no Module.

    Examples
    --------
    >>> import fastnn
    >>> from fastnn import nn
    >>> fastnn.summary(nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)), (1, 64))
    Layer         Output shape  Parameters  Multiply-adds
    -----------------------------------------------------
    Sequential    (1, 10)                -              -
      Linear (0)  (1, 32)            2,080          2,048
      ReLU (1)    (1, 32)                -              -
      Linear (2)  (1, 10)              330            320
    -----------------------------------------------------
    Input shape: (1, 64)
    Parameters: 2,410 (2,410 trainable, 0 frozen)
    Multiply-adds: 2,368
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary: model wants a Module; got {type(model).__name__}")
    inputs = inputs_for(model, input_shape, dtype)
    table = Summary(input_shape)
    counted: set[int] = set()
    handles, rows = [], {}
    for path, module in model.named_modules():
        row = Row(path.rpartition(".")[2], type(module).__name__, path.count(".") + 1 if path else 0)
        for p in module.parameters(recurse=False):
            row.parameters += p.numel()
            if id(p) not in counted:
                counted.add(id(p))
                table.total_parameters += p.numel()
                table.trainable_parameters += p.numel() if p.requires_grad else 0
        table.rows.append(row)
        rows[id(module)] = row
    modes = {module: module.training for module in model.modules()}

    def note(module: Module, args: Any, kwargs: Any, output: Any) -> None:
        row = rows[id(module)]
        row.output_shape = shape_of(output)
        kind = next((k for k in type(module).__mro__ if k in MULTIPLY_ADDS), None)
        if kind is not None:
            row.multiply_adds += MULTIPLY_ADDS[kind](module, np.shape([*args, *kwargs.values()][0]), row.output_shape)

    try:
        handles = [module.register_forward_hook(note, with_kwargs=True) for module in model.modules()]
        model.eval()
        with no_grad():
            model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            if module.training is not mode:
                module.training = mode
    table.multiply_adds = sum(row.multiply_adds for row in table.rows)
    return table
