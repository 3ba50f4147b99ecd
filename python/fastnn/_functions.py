"""Methods of Tensor as functions, under PyTorch's names: ``fastnn.exp(x)`` is ``x.exp()``."""

from __future__ import annotations

from typing import Any

from ._creation import as_tensor
from ._tensor import Tensor


def function(name: str) -> Any:
    """A function that calls a method of its first argument, a Tensor or what one is made of."""
    method = getattr(Tensor, name)

    def call(input: Any, *args: Any, **keywords: Any) -> Any:
        return method(as_tensor(input), *args, **keywords)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"``input.{name}(...)``. {method.__doc__}"
    return call


abs = function("abs")
add = function("add")
all = function("all")
amax = function("amax")
amin = function("amin")
any = function("any")
argmax = function("argmax")
argmin = function("argmin")
bmm = function("bmm")
ceil = function("ceil")
chunk = function("chunk")
clamp = function("clamp")
div = function("div")
eq = function("eq")
exp = function("exp")
expm1 = function("expm1")
flatten = function("flatten")
flip = function("flip")
floor = function("floor")
index_select = function("index_select")
isfinite = function("isfinite")
isnan = function("isnan")
log = function("log")
log1p = function("log1p")
log_softmax = function("log_softmax")
logsumexp = function("logsumexp")
masked_fill = function("masked_fill")
matmul = function("matmul")
max = function("max")
maximum = function("maximum")
mean = function("mean")
min = function("min")
minimum = function("minimum")
mm = function("mm")
mul = function("mul")
permute = function("permute")
pow = function("pow")
prod = function("prod")
relu = function("relu")
reshape = function("reshape")
round = function("round")
sigmoid = function("sigmoid")
sign = function("sign")
softmax = function("softmax")
split = function("split")
sqrt = function("sqrt")
square = function("square")
squeeze = function("squeeze")
std = function("std")
sub = function("sub")
sum = function("sum")
t = function("t")
tanh = function("tanh")
transpose = function("transpose")
unbind = function("unbind")
unsqueeze = function("unsqueeze")
var = function("var")
