"""Memory that cannot be written, where an op is to change it: one error on all backends, and nothing was changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, ops, optim
from op_cases import cases, name_of, positional, seeded


@pytest.mark.parametrize("case", [c for c in cases(composite=False) if c[0].updates], ids=name_of)
def test_every_op_names_what_it_cannot_write(target: str, case: Any) -> None:
    op, i = case
    for name in op.updates:
        inputs, attributes = op.samples[i].make(seeded(op, i), np.float32)
        args = positional(op, inputs, attributes)
        given = args[op.inputs.index(name)]
        if type(given) is list and not given:
            continue
        array = given[-1] if type(given) is list else given
        array.flags.writeable = False
        before = array.copy()
        which = f"{name}[{len(given) - 1}]" if type(given) is list else name
        with pytest.raises(ValueError, match="read-only") as told:
            op.public(*args)
        assert str(told.value) == f"{op.name}: {which} wants memory that can be written; got a read-only array"
        assert np.array_equal(array, before)


def still(*values: float) -> Any:
    array = np.array(values, np.float32)
    array.flags.writeable = False
    return fastnn.Tensor(array)


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad"])
def test_optimizers(target: str, name: str) -> None:
    p = nn.Parameter(still(1, 2, 3))
    p.grad = fastnn.ones(3)
    with pytest.raises(ValueError, match=r": p\[0\] wants memory that can be written"):
        getattr(optim, name)([p], lr=0.1).step()


def test_gradients_and_statistics(target: str) -> None:
    p = nn.Parameter(fastnn.ones(3))
    p.grad = still(1, 2, 3)
    for clip in (nn.utils.clip_grad_norm_, nn.utils.clip_grad_value_):
        with pytest.raises(ValueError, match=r"g\[0\] wants memory that can be written"):
            clip([p], 0.5)
    with pytest.raises(ValueError, match="accumulate: a wants memory that can be written"):
        (p * 2).sum().backward()
    layer = nn.BatchNorm1d(2)
    layer.running_mean = still(0, 0)
    with pytest.raises(ValueError, match=r"batch_norm: running\[0\] wants memory that can be written"):
        layer(fastnn.randn(4, 2))
    with pytest.raises(ValueError, match="assign: a wants memory that can be written"):
        still(1, 2).mul_(2)
    with pytest.raises(ValueError, match="assign: a wants"):
        ops.assign(still(1, 2).array, np.ones(2, np.float32))
