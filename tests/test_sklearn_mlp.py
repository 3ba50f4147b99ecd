"""MLPClassifier and MLPRegressor beside scikit-learn's: the same seed gives the same fit, number by number."""

from __future__ import annotations

import copy
import pickle
import signal
import threading
import warnings
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import ops

pytest.importorskip(
    "sklearn", minversion="1.9", reason="scikit-learn 1.9, which fits are compared with, is not installed"
)

from scipy import sparse
from sklearn import neural_network as theirs
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from fastnn import sklearn as ours

Data = tuple[Any, Any]
DIGITS: Data = (load_digits().data[:300] / 16, load_digits().target[:300])
CANCER: Data = tuple(a[:200] for a in load_breast_cancer(return_X_y=True))
SCALED: Data = ((CANCER[0] - CANCER[0].mean(0)) / CANCER[0].std(0), np.array(["benign", "malign"])[CANCER[1]])
DIABETES: Data = tuple(a[:200] for a in load_diabetes(return_X_y=True))
LABELS: Data = make_multilabel_classification(150, random_state=0)
TWO: Data = (DIABETES[0], np.c_[DIABETES[1], DIABETES[0][:, 0]])
COUNTS: Data = (DIABETES[0], np.round(DIABETES[1] / 50) // 2)
WEIGHTS = np.random.default_rng(0).uniform(0, 2, 300)

STOCHASTIC: dict[str, tuple[str, Data, dict[str, Any]]] = {
    "adam": ("Classifier", DIGITS, {}),
    "adam, eps": ("Classifier", DIGITS, {"epsilon": 1e-3, "beta_1": 0.5, "beta_2": 0.9, "learning_rate_init": 0.01}),
    "two hidden layers": ("Classifier", DIGITS, {"hidden_layer_sizes": (12, 9), "activation": "tanh", "alpha": 0.1}),
    "no hidden layer": ("Classifier", DIGITS, {"hidden_layer_sizes": (), "batch_size": 1000}),
    "logistic, as they lie": ("Classifier", DIGITS, {"activation": "logistic", "shuffle": False, "batch_size": 33}),
    "identity": ("Classifier", DIGITS, {"activation": "identity", "alpha": 0.0}),
    "early stopping": ("Classifier", DIGITS, {"early_stopping": True, "validation_fraction": 0.2}),
    "early stopping, two classes": (
        "Classifier",
        SCALED,
        {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 50},
    ),
    "two classes": ("Classifier", SCALED, {}),
    "probabilities of 0 and 1": ("Classifier", CANCER, {}),
    "labels": ("Classifier", LABELS, {}),
    "labels, early stopping": ("Classifier", LABELS, {"early_stopping": True}),
    "until nothing is gained": ("Classifier", SCALED, {"tol": 0.01, "n_iter_no_change": 3, "max_iter": 200}),
    "sgd": ("Classifier", DIGITS, {"solver": "sgd", "learning_rate_init": 0.2}),
    "sgd, plain": ("Classifier", DIGITS, {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.5}),
    "sgd, momentum": ("Classifier", DIGITS, {"solver": "sgd", "nesterovs_momentum": False, "learning_rate_init": 0.1}),
    "invscaling": ("Classifier", DIGITS, {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.5}),
    "adaptive": (
        "Classifier",
        DIGITS,
        {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.5, "tol": 0.02, "max_iter": 300},
    ),
    "regression": ("Regressor", DIABETES, {}),
    "regression, early stopping": ("Regressor", DIABETES, {"early_stopping": True, "learning_rate_init": 0.1}),
    "two targets": ("Regressor", TWO, {"alpha": 0.5}),
    "counts": ("Regressor", COUNTS, {"loss": "poisson"}),
}


def fitted(module: Any, kind: str, data: Data, options: dict[str, Any], **fit: Any) -> tuple[Any, list[str]]:
    """An estimator and what it warned of."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = getattr(module, "MLP" + kind)(**{"random_state": 3, "max_iter": 8, **options}).fit(*data, **fit)
    return model, [f"{w.category.__name__}: {w.message}" for w in said]


def public(model: Any) -> dict[str, Any]:
    """What a fit left for users."""
    return {key: value for key, value in vars(model).items() if key.endswith("_") and not key.startswith("_")}


def assert_same(mine: Any, other: Any, rtol: float) -> None:
    """Everything that the fits left is the same."""
    found, wanted = public(mine), public(other)
    assert found.keys() == wanted.keys()
    for key, want in wanted.items():
        if isinstance(want, (int, str, type(None))):
            assert found[key] == want, key
        elif isinstance(want, list) and want and isinstance(want[0], np.ndarray):
            for a, b in zip(found[key], want, strict=True):
                assert (a.shape, a.dtype) == (b.shape, b.dtype), key
                np.testing.assert_allclose(a, b, rtol, rtol, err_msg=key)
        elif np.asarray(want).dtype.kind == "f":
            np.testing.assert_allclose(found[key], want, rtol, err_msg=key)
        else:
            np.testing.assert_array_equal(found[key], want, err_msg=key)


@pytest.mark.parametrize("case", STOCHASTIC)
def test_fits_are_scikit_learns(case: str) -> None:
    """In float64, to far more digits than the 1e-6 that is promised; and the same warnings."""
    kind, data, options = STOCHASTIC[case]
    (mine, said), (other, told) = fitted(ours, *STOCHASTIC[case]), fitted(theirs, kind, data, options)
    assert said == told
    assert_same(mine, other, 1e-10)
    x = data[0]
    if kind == "Classifier":
        np.testing.assert_array_equal(mine.predict(x), other.predict(x))
        np.testing.assert_allclose(mine.predict_proba(x), other.predict_proba(x), 1e-8, 1e-12)
        with np.errstate(divide="ignore"):
            np.testing.assert_array_equal(mine.predict_log_proba(x), np.log(mine.predict_proba(x)))
    else:
        np.testing.assert_allclose(mine.predict(x), other.predict(x), 1e-8)
    assert mine.score(*data) == pytest.approx(other.score(*data), rel=1e-10)


@pytest.mark.parametrize("case", ["adam", "two classes", "labels", "regression", "invscaling"])
def test_sample_weights(case: str) -> None:
    kind, data, options = STOCHASTIC[case]
    weights = WEIGHTS[: len(data[0])]
    (mine, _), (other, _) = (fitted(m, kind, data, options, sample_weight=weights) for m in (ours, theirs))
    assert_same(mine, other, 1e-10)
    stopping = {**options, "early_stopping": True}
    (mine, _), (other, _) = (fitted(m, kind, data, stopping, sample_weight=weights) for m in (ours, theirs))
    assert_same(mine, other, 1e-10)


def test_on_every_backend(target: str) -> None:
    for case in ("early stopping", "two targets"):
        kind, data, options = STOCHASTIC[case]
        (mine, _), (other, _) = (fitted(m, kind, data, {**options, "max_iter": 4}) for m in (ours, theirs))
        assert_same(mine, other, 1e-9)


def test_lbfgs_on_every_backend(target: str) -> None:
    model, _ = fitted(ours, "Classifier", SCALED, {"solver": "lbfgs", "hidden_layer_sizes": (5,), "max_iter": 200})
    assert model.score(*SCALED) == 1.0
    assert model.n_iter_ < 200


@pytest.mark.parametrize("layout", [sparse.csr_matrix, sparse.csc_array, np.asfortranarray, np.float32])
def test_other_kinds_of_rows(layout: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sparse, in Fortran order, in float32, which the weights and the outputs are then, too."""
    monkeypatch.setattr("fastnn.sklearn._mlp.DENSE", 5000)  # predictions for sparse rows in several parts
    x = layout(DIGITS[0])
    (mine, _), (other, _) = (fitted(m, "Classifier", (x, DIGITS[1]), {}) for m in (ours, theirs))
    tolerance = 2e-5 if layout is np.float32 else 1e-10
    assert_same(mine, other, tolerance)
    p = mine.predict_proba(x)
    assert p.dtype == other.predict_proba(x).dtype == (np.float32 if layout is np.float32 else np.float64)
    np.testing.assert_allclose(p, other.predict_proba(x), tolerance, tolerance)


@pytest.mark.parametrize(("trained", "given"), [("f4", "f8"), ("f8", "f4"), ("f4", "f2"), ("f8", "i8")])
def test_dtypes_of_predictions(trained: str, given: str) -> None:
    models = [fitted(m, "Regressor", (DIABETES[0].astype(trained), DIABETES[1]), {})[0] for m in (ours, theirs)]
    mine, other = (m.predict((10 * DIABETES[0]).astype(given)) for m in models)
    assert mine.dtype == other.dtype
    np.testing.assert_allclose(mine, other, rtol=1e-4)


def test_sparse_rows_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """lbfgs sums gradients over parts of a large sparse matrix."""
    options = {"solver": "lbfgs", "hidden_layer_sizes": (8,), "max_iter": 30}
    whole, _ = fitted(ours, "Classifier", DIGITS, options, sample_weight=WEIGHTS)
    monkeypatch.setattr("fastnn.sklearn._rows.DENSE", 64 * 70)
    parts, _ = fitted(ours, "Classifier", (sparse.csc_matrix(DIGITS[0]), DIGITS[1]), options, sample_weight=WEIGHTS)
    np.testing.assert_allclose(parts.loss_, whole.loss_, rtol=1e-2)
    model = copy.deepcopy(whole)
    model.set_params(warm_start=True, max_iter=1)
    again = copy.deepcopy(model)
    with pytest.warns(ConvergenceWarning):
        model.fit(DIGITS[0], DIGITS[1], WEIGHTS)
        again.fit(sparse.csr_matrix(DIGITS[0]), DIGITS[1], WEIGHTS)
    np.testing.assert_allclose(again.loss_, model.loss_, rtol=1e-9)


LBFGS: dict[str, tuple[str, Data, dict[str, Any]]] = {
    "digits": ("Classifier", DIGITS, {"hidden_layer_sizes": (10,)}),
    "two classes": ("Classifier", SCALED, {"hidden_layer_sizes": (5,), "alpha": 0.1}),
    "labels": ("Classifier", LABELS, {"hidden_layer_sizes": (5,), "activation": "tanh", "alpha": 1.0}),
    "regression": ("Regressor", DIABETES, {"hidden_layer_sizes": (10,), "alpha": 10.0}),
    "counts": ("Regressor", COUNTS, {"hidden_layer_sizes": (), "loss": "poisson", "alpha": 0.1}),
    "linear": ("Regressor", TWO, {"hidden_layer_sizes": (), "alpha": 1.0}),
}


@pytest.mark.parametrize("case", LBFGS)
def test_lbfgs_goes_as_low(case: str) -> None:
    """The ways part, the ends are alike; where the loss has one minimum they are the same."""
    kind, data, options = LBFGS[case]
    options = {"solver": "lbfgs", "max_iter": 400, **options}
    (mine, _), (other, _) = (fitted(m, kind, data, options) for m in (ours, theirs))
    assert public(mine).keys() == public(other).keys()
    convex = options["hidden_layer_sizes"] == () and case != "linear"  # of two targets theirs is no function's gradient
    assert mine.loss_ == pytest.approx(other.loss_, rel=1e-4) if convex else mine.loss_ < 1.5 * other.loss_ + 1e-2


def test_lbfgs_loss_is_the_one_reported() -> None:
    """At the weights of the end, by scikit-learn's own computation."""
    mine, _ = fitted(ours, "Classifier", SCALED, {"solver": "lbfgs", "hidden_layer_sizes": (5,), "max_iter": 7})
    other = theirs.MLPClassifier((5,), solver="sgd", learning_rate_init=1e-12, max_iter=1, batch_size=200, alpha=1e-4)
    with pytest.warns(ConvergenceWarning):
        other.fit(*SCALED)
    other.coefs_, other.intercepts_ = mine.coefs_, mine.intercepts_
    other.partial_fit(*SCALED)
    assert mine.loss_ == pytest.approx(other.loss_, rel=1e-9)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"max_iter": 3},
            r"lbfgs failed to converge after 3 iteration\(s\) \(status=1\):\nSTOP: TOTAL NO. OF ITERATIONS",
        ),
        ({"max_fun": 4}, r"\(status=1\):\nSTOP: TOTAL NO. OF F,G EVALUATIONS EXCEEDS LIMIT"),
    ],
)
def test_lbfgs_warns_in_scipys_words(options: dict[str, Any], words: str) -> None:
    for module in (ours, theirs):
        model = module.MLPClassifier(solver="lbfgs", random_state=0, **options)
        with pytest.warns(ConvergenceWarning, match=words):
            model.fit(*DIGITS)
        assert model.n_iter_ <= 4


def continued(module: Any, kind: str, data: Data, how: str) -> Any:
    """Three more epochs after a fit, each over other rows."""
    model, _ = fitted(module, kind, data, {"max_iter": 3, "warm_start": how == "warm"})
    for i in range(3):
        part = tuple(a[20 * i : 20 * i + 80] for a in data)
        if how == "warm":
            part = data
            model.set_params(max_iter=2 + i, alpha=0.1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(*part) if how == "warm" else model.partial_fit(*part)
        if how == "pickled":
            model = pickle.loads(pickle.dumps(model))
        elif how == "copied":
            model = copy.deepcopy(model)
        elif how == "replaced":
            model.coefs_ = [c * 0.9 for c in model.coefs_]
        elif how == "written":
            model.intercepts_[0][:] += 0.1
        elif how == "set":
            model.set_params(activation=("tanh", "logistic", "relu")[i], alpha=float(i))
    return model


@pytest.mark.parametrize("how", ["plain", "warm", "pickled", "copied", "replaced", "written", "set"])
@pytest.mark.parametrize(("kind", "data"), [("Classifier", DIGITS), ("Regressor", TWO)])
def test_training_goes_on(kind: str, data: Data, how: str) -> None:
    assert_same(continued(ours, kind, data, how), continued(theirs, kind, data, how), 1e-9)


def test_partial_fit_from_nothing() -> None:
    for classes, part in ((np.arange(10), slice(0, 5)), (np.arange(12), slice(0, 300))):
        models = [module.MLPClassifier(random_state=1) for module in (ours, theirs)]
        for model in models:
            model.partial_fit(DIGITS[0][part], DIGITS[1][part], classes=classes)
            model.partial_fit(*DIGITS)
        assert_same(*models, 1e-10)
    models = [
        module.MLPClassifier(random_state=1).partial_fit(*LABELS, classes=np.arange(5)) for module in (ours, theirs)
    ]
    assert_same(*models, 1e-10)


def refusal(module: Any, act: Any) -> tuple[type, str]:
    """The error that something raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            act(module)
        except Exception as error:
            return type(error), str(error)
    return type(None), ""


def warm(module: Any) -> None:
    model = module.MLPClassifier(warm_start=True, max_iter=1).fit(*DIGITS)
    model.fit(DIGITS[0][:5], [0, 0, 1, 1, 1])


REFUSED = {
    "sizes": lambda m: m.MLPClassifier((3, -2)).fit(*DIGITS),
    "activation": lambda m: m.MLPClassifier(activation="gelu").fit(*DIGITS),
    "alpha": lambda m: m.MLPClassifier(alpha=-1).fit(*DIGITS),
    "loss": lambda m: m.MLPRegressor("absolute").fit(*DIABETES),
    "unknown": lambda m: m.MLPClassifier().set_params(dropout=0.5),
    "first classes": lambda m: m.MLPClassifier().partial_fit(*DIGITS),
    "other classes": lambda m: m.MLPClassifier().fit(*DIGITS).partial_fit(DIGITS[0], DIGITS[1] + 1),
    "classes again": lambda m: (
        m.MLPClassifier().partial_fit(*DIGITS, classes=range(10)).partial_fit(*DIGITS, classes=[0])
    ),
    "stopping early": lambda m: m.MLPClassifier(early_stopping=True).partial_fit(*DIGITS, classes=range(10)),
    "warm": warm,
    "little to validate on": lambda m: m.MLPRegressor(early_stopping=True).fit(DIABETES[0][:8], DIABETES[1][:8]),
    "lbfgs by parts": lambda m: m.MLPClassifier(solver="lbfgs").partial_fit(*DIGITS, classes=range(10)),
    "features": lambda m: m.MLPClassifier(max_iter=1).fit(*DIGITS).predict(DIGITS[0][:, :5]),
    "missing values": lambda m: m.MLPClassifier(max_iter=1).fit(*DIGITS).predict_proba(np.full((1, 64), np.nan)),
    "infinite values": lambda m: m.MLPClassifier(max_iter=1).fit(*DIGITS).predict(np.full((1, 64), np.inf)),
    "one row": lambda m: m.MLPClassifier(max_iter=1).fit(*DIGITS).predict(DIGITS[0][0]),
    "lengths": lambda m: m.MLPClassifier().fit(DIGITS[0][:5], DIGITS[1][:4]),
    "weights": lambda m: m.MLPRegressor().fit(*DIABETES, sample_weight=[1.0]),
    "huge": lambda m: m.MLPRegressor(solver="sgd", learning_rate_init=0.5).fit(DIABETES[0] * 1e30, DIABETES[1]),
    "no weight": lambda m: m.MLPRegressor().fit(*DIABETES, sample_weight=np.r_[1.0, np.zeros(199)]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_are_scikit_learns(case: str) -> None:
    assert refusal(ours, REFUSED[case]) == refusal(theirs, REFUSED[case])


def test_not_fitted() -> None:
    for model in (ours.MLPClassifier(), ours.MLPRegressor()):
        with pytest.raises(NotFittedError):
            model.predict(DIGITS[0])


@pytest.mark.parametrize(
    "options", [{}, {"early_stopping": True}, {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0}]
)
def test_verbose_prints_the_same(options: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for module in (ours, theirs):
        fitted(module, "Classifier", DIGITS, {"verbose": True, "max_iter": 60, "n_iter_no_change": 2, **options})
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert "Iteration 2, loss" in printed[0]


def test_one_row_takes_no_detour(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain float array is not validated at length; anything else is."""
    model, _ = fitted(ours, "Classifier", DIGITS, {})
    validated: list[Any] = []
    monkeypatch.setattr(
        "fastnn.sklearn._mlp.validate_data", lambda _, X, **options: validated.append(X) or np.asarray(X)
    )
    row = model.predict_proba(DIGITS[0][:1])
    assert not validated
    np.testing.assert_allclose(row, model.predict_proba(DIGITS[0])[:1], rtol=1e-12)
    model.predict_proba(DIGITS[0][:1].tolist())
    assert len(validated) == 1


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals need the main thread")
def test_ctrl_c_keeps_what_was_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def interrupting(self: Any, *args: Any) -> float:
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return epoch(self, *args)

    from fastnn.sklearn._training import Descent

    epoch = Descent.epoch
    monkeypatch.setattr(Descent, "epoch", interrupting)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
            model = ours.MLPClassifier(max_iter=8, random_state=0).fit(*DIGITS)
    finally:
        signal.signal(signal.SIGINT, before)
    assert model.n_iter_ == len(model.loss_curve_) == 2
    assert model.predict(DIGITS[0]).shape == (300,)


def test_steps_are_captured() -> None:
    model, _ = fitted(ours, "Classifier", DIGITS, {})
    assert len(model._descent.captured.plans) == 2  # full batches and the last one
    assert ops.relu.op.name in model._descent.captured.report()
    with fastnn.use_backend("numpy"):
        model.partial_fit(*DIGITS)
