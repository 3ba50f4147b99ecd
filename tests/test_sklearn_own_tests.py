"""scikit-learn's own tests of its networks, as they are installed with it, run on fastnn's."""

from __future__ import annotations

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'fastnn[sklearn]'")
theirs = pytest.importorskip(
    "sklearn.neural_network.tests.test_mlp", reason="this scikit-learn came without its tests", exc_type=ImportError
)

from fastnn import sklearn as ours  # noqa: E402 (fails without scikit-learn)

theirs.MLPClassifier, theirs.MLPRegressor = ours.MLPClassifier, ours.MLPRegressor

NOT_OURS = {
    "test_gradient": "calls a private method for gradients; tests/test_sklearn_mlp.py compares what comes of them",
    "test_learning_rate_warmstart": "reads the rate of a private optimizer; the curves tell it",
    "test_adaptive_learning_rate": "the same",
    "test_lbfgs_classification_maxfun": "wants that 10 evaluations are not enough; with one activation they are",
}
pytestmark = pytest.mark.filterwarnings("default")
globals().update({k: v for k, v in vars(theirs).items() if k.startswith("test_") and k not in NOT_OURS})


@pytest.fixture
def global_random_seed() -> int:
    """What scikit-learn's own configuration provides."""
    return 42


def test_what_is_left_out_is_there() -> None:
    assert NOT_OURS.keys() <= vars(theirs).keys()
