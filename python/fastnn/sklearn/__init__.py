"""Networks as scikit-learn estimators: drop-in MLPClassifier and MLPRegressor, and any module of fastnn.

scikit-learn is not imported by ``import fastnn``; ``pip install 'fastnn[sklearn]'`` installs it.
"""

from __future__ import annotations

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(f"fastnn.sklearn needs scikit-learn ({error}); pip install 'fastnn[sklearn]'") from None

from .mlp_classifier import MLPClassifier
from .mlp_regressor import MLPRegressor
from .neural_classifier import NeuralClassifier
from .neural_regressor import NeuralRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "NeuralClassifier", "NeuralRegressor"]
