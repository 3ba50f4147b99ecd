"""The definitions of all operations in NumPy, forward and backward side by side, by kind.

These functions take arrays and give arrays, and speak NumPy (``axis``, ``keepdims``); if an input is a Tensor they
give Tensors, recorded for backward. ``fastnn.nn.functional`` and Tensor methods speak PyTorch.
"""

from __future__ import annotations

from . import (
    activations,
    arithmetic,
    broadcasting,
    channel_norms,
    classification,
    clipping,
    composed_norms,
    contractions,
    convolution,
    elementary,
    engine,
    indexing,
    joining,
    losses,
    normalization,
    pooling,
    random,
    reductions,
    resampling,
    selection,
    shape,
    smooth,
    softmaxes,
    unfolding,
    updates,
)
from .activations import *
from .arithmetic import *
from .broadcasting import *
from .channel_norms import *
from .classification import *
from .clipping import *
from .composed_norms import *
from .contractions import *
from .convolution import *
from .elementary import *
from .engine import *
from .indexing import *
from .joining import *
from .losses import *
from .normalization import *
from .pooling import *
from .random import *
from .reductions import *
from .resampling import *
from .selection import *
from .shape import *
from .smooth import *
from .softmaxes import *
from .unfolding import *
from .updates import *

__all__: list[str] = []
__all__ += activations.__all__
__all__ += arithmetic.__all__
__all__ += broadcasting.__all__
__all__ += channel_norms.__all__
__all__ += classification.__all__
__all__ += clipping.__all__
__all__ += composed_norms.__all__
__all__ += contractions.__all__
__all__ += convolution.__all__
__all__ += elementary.__all__
__all__ += engine.__all__
__all__ += indexing.__all__
__all__ += joining.__all__
__all__ += losses.__all__
__all__ += normalization.__all__
__all__ += pooling.__all__
__all__ += random.__all__
__all__ += reductions.__all__
__all__ += resampling.__all__
__all__ += selection.__all__
__all__ += shape.__all__
__all__ += smooth.__all__
__all__ += softmaxes.__all__
__all__ += unfolding.__all__
__all__ += updates.__all__
