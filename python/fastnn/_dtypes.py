"""The dtypes of Tensors under PyTorch's names; they are NumPy's."""

from __future__ import annotations

import numpy as np

float32, float64 = np.dtype(np.float32), np.dtype(np.float64)
int8, int16, int32, int64 = np.dtype(np.int8), np.dtype(np.int16), np.dtype(np.int32), np.dtype(np.int64)
uint8, bool = np.dtype(np.uint8), np.dtype(np.bool_)
float, double, int, long = float32, float64, int32, int64
