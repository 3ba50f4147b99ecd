"""fastnn: compiled-kernel neural networks for the CPU."""

from __future__ import annotations

from . import _config, autograd, data, datasets, io, losses, models, nn, ops, optim, train
from ._config import (
    get_num_threads,
    get_winograd,
    isa,
    isas,
    set_isa,
    set_num_threads,
    set_winograd,
    show_config,
)
from ._creation import (
    arange,
    as_tensor,
    cat,
    concatenate,
    empty,
    eye,
    from_numpy,
    full,
    full_like,
    get_default_dtype,
    linspace,
    ones,
    ones_like,
    set_default_dtype,
    stack,
    tensor,
    where,
    zeros,
    zeros_like,
)
from ._dispatch import backend, backends, set_backend, use_backend
from ._dtypes import bool as bool
from ._dtypes import (
    double,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    long,
    uint8,
)
from ._dtypes import float as float
from ._dtypes import int as int
from ._random_tensors import rand, randint, randn, randperm
from ._tensor import Tensor
from ._threadpool import register_threadpoolctl
from .autograd import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .capture import compile
from .io import load, save
from .nn.fusing import fuse
from .nn.summary import summary
from .random import get_rng_state, manual_seed, set_rng_state
from .train import Trainer

__all__ = [
    "Tensor",
    "Trainer",
    "arange",
    "as_tensor",
    "autograd",
    "backend",
    "backends",
    "cat",
    "compile",
    "concatenate",
    "data",
    "datasets",
    "double",
    "empty",
    "enable_grad",
    "eye",
    "float32",
    "float64",
    "from_numpy",
    "full",
    "full_like",
    "fuse",
    "get_default_dtype",
    "get_num_threads",
    "get_rng_state",
    "get_winograd",
    "inference_mode",
    "int8",
    "int16",
    "int32",
    "int64",
    "io",
    "is_grad_enabled",
    "isa",
    "isas",
    "linspace",
    "load",
    "long",
    "losses",
    "manual_seed",
    "models",
    "nn",
    "no_grad",
    "ones",
    "ones_like",
    "ops",
    "optim",
    "rand",
    "randint",
    "randn",
    "randperm",
    "register_threadpoolctl",
    "save",
    "set_backend",
    "set_default_dtype",
    "set_grad_enabled",
    "set_isa",
    "set_num_threads",
    "set_rng_state",
    "set_winograd",
    "show_config",
    "stack",
    "summary",
    "tensor",
    "train",
    "uint8",
    "use_backend",
    "where",
    "zeros",
    "zeros_like",
]


def __getattr__(name: str) -> str:
    """``__version__``, looked up when it is asked for: what knows it takes 20 ms to import."""
    if name == "__version__":
        return _config.version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
