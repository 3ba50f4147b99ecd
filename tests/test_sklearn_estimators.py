"""All four estimators among scikit-learn's tools: its checks, pipelines, searches, calibration, copies, names."""

from __future__ import annotations

import copy
import pickle
import re
import runpy
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnn

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'fastnn[sklearn]'")

import joblib
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from fastnn.sklearn import MLPClassifier, MLPRegressor, NeuralClassifier, NeuralRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
IRIS, DIABETES = load_iris(return_X_y=True), load_diabetes(return_X_y=True)


def network(n_features: int, n_outputs: int, width: int = 16) -> fastnn.nn.Module:
    return fastnn.models.MLP(n_features, [width], n_outputs)


CHECKED = {
    "MLPClassifier": MLPClassifier(),
    "MLPRegressor": MLPRegressor(),
    "NeuralClassifier": NeuralClassifier(network),
    "NeuralClassifier, two classes": NeuralClassifier(network, loss=fastnn.nn.BCEWithLogitsLoss),
    "NeuralRegressor": NeuralRegressor(network),
}
CHECKS = [(name, *pair) for name, model in CHECKED.items() for pair in estimator_checks_generator(model)]
QUICK = {
    "MLPClassifier": MLPClassifier((8,), max_iter=40, learning_rate_init=0.02, tol=0.0, random_state=0),
    "NeuralClassifier": NeuralClassifier(network, epochs=20, random_state=0, optimizer__lr=0.02, module__width=8),
    "MLPRegressor": MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", tol=0.1, max_iter=500, random_state=0),
    "NeuralRegressor": NeuralRegressor(network, epochs=40, random_state=0, optimizer__lr=0.02, module__width=8),
}
CLASSIFIERS = ["MLPClassifier", "NeuralClassifier"]
WIDTHS = {"MLPClassifier": ("hidden_layer_sizes", [(2,), (8,)]), "NeuralClassifier": ("module__width", [2, 8])}


def data_for(model: Any) -> tuple[Any, Any]:
    """Scaled rows, targets too."""
    if is_classifier(model):
        return StandardScaler().fit_transform(IRIS[0]), IRIS[1]
    return StandardScaler().fit_transform(DIABETES[0]), (DIABETES[1] - 150) / 77


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(
    ("model", "check"),
    [(model, check) for _, model, check in CHECKS],
    ids=[f"{name}-{getattr(check, 'func', check).__name__}" for name, _, check in CHECKS],
)
def test_scikit_learns_checks(model: Any, check: Any) -> None:
    check(model)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_grid_search_over_a_pipeline(name: str) -> None:
    """In two processes; the parameters of the pipeline's step are found by their names."""
    parameter, values = WIDTHS[name]
    model = clone(QUICK[name])
    if name == "NeuralClassifier":  # the other process cannot import this file, but takes a lambda as it is
        model.set_params(module=lambda n_features, n_outputs, width: fastnn.models.MLP(n_features, [width], n_outputs))
    pipeline = make_pipeline(StandardScaler(), model)
    search = GridSearchCV(pipeline, {f"{name.lower()}__{parameter}": values}, cv=3, n_jobs=2).fit(*IRIS)
    alone = GridSearchCV(pipeline, {f"{name.lower()}__{parameter}": values}, cv=3).fit(*IRIS)
    assert search.best_score_ > 0.9
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert search.best_estimator_[-1].get_params()[parameter] in values
    assert not hasattr(pipeline[-1], "classes_")


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_calibration_and_ensembles(name: str) -> None:
    x, y = data_for(QUICK[name])
    p = CalibratedClassifierCV(clone(QUICK[name]), cv=3).fit(x, y).predict_proba(x)
    assert (p.argmax(axis=1) == y).mean() > 0.9
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    assert BaggingClassifier(clone(QUICK[name]), 3, random_state=0).fit(x, y).score(x, y) > 0.9


@pytest.mark.parametrize("name", QUICK)
def test_cross_validation_is_reproducible(name: str) -> None:
    x, y = data_for(QUICK[name])
    scores = cross_val_score(clone(QUICK[name]), x, y, cv=3)
    assert scores.mean() > (0.9 if name in CLASSIFIERS else 0.2)
    np.testing.assert_array_equal(scores, cross_val_score(clone(QUICK[name]), x, y, cv=3))


def test_regressors_in_others() -> None:
    x, y = data_for(QUICK["MLPRegressor"])
    for name in ("MLPRegressor", "NeuralRegressor"):
        model = TransformedTargetRegressor(clone(QUICK[name]), transformer=StandardScaler())
        assert cross_val_predict(model, x, 77 * y + 150, cv=3).std() > 20
        assert MultiOutputRegressor(clone(QUICK[name])).fit(x, np.c_[y, -y]).predict(x).shape == (442, 2)


@pytest.mark.parametrize("name", QUICK)
def test_threads_fit_and_predict(name: str) -> None:
    x, y = data_for(QUICK[name])

    def job(seed: int) -> Any:
        model = clone(QUICK[name]).set_params(random_state=seed)
        return [model.fit(x, y).predict(x[: 1 + i]) for i in range(10)][-1].tolist()

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(job, range(4))) == [job(seed) for seed in range(4)]


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("how", ["pickle", "joblib", "deepcopy", "memory map"])
def test_copies_predict_the_same(name: str, how: str, tmp_path: Path) -> None:
    x, y = data_for(QUICK[name])
    model = clone(QUICK[name]).fit(x, y)
    if how in ("joblib", "memory map"):
        joblib.dump(model, tmp_path / "model.joblib")
        again = joblib.load(tmp_path / "model.joblib", mmap_mode="r" if how == "memory map" else None)
    else:
        again = copy.deepcopy(model) if how == "deepcopy" else pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    if hasattr(model, "partial_fit") and how != "memory map":  # which is read-only
        for one in (again, model):
            one.partial_fit(x, y)
        np.testing.assert_allclose(again.predict(x), model.predict(x), rtol=1e-5)


def test_a_pickle_is_read_by_another_process(tmp_path: Path) -> None:
    x, y = data_for(QUICK["MLPClassifier"])
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps(clone(QUICK["MLPClassifier"]).fit(x, y)))
    code = f"import pickle; model = pickle.load(open({str(path)!r}, 'rb')); print(*model.predict([[0.0] * 4] * 2))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["1", "1"]


@pytest.mark.parametrize("name", QUICK)
def test_clones_have_all_parameters(name: str) -> None:
    model = QUICK[name]
    assert clone(model).get_params() == model.get_params()
    again = clone(model).set_params(random_state=7)
    assert again.random_state == 7
    assert type(model).__name__ in repr(model)
    assert "random_state" in model._repr_html_()


@pytest.mark.parametrize("name", QUICK)
def test_names_of_features(name: str) -> None:
    pandas = pytest.importorskip("pandas")
    x, y = data_for(QUICK[name])
    frame = pandas.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])])
    model = clone(QUICK[name]).fit(frame, pandas.Series(y))
    assert model.feature_names_in_.tolist() == frame.columns.tolist()
    assert model.n_features_in_ == x.shape[1]
    np.testing.assert_array_equal(model.predict(frame), clone(QUICK[name]).fit(x, y).predict(x))
    with pytest.warns(UserWarning, match="valid feature names"):
        model.predict(x)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[frame.columns[::-1]])


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_columns_of_several_kinds(name: str) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": IRIS[0][:, 2], "b": IRIS[0][:, 3], "kind": np.where(IRIS[1] == 0, "x", "y")})
    columns = ColumnTransformer([("scale", StandardScaler(), ["a", "b"]), ("code", OneHotEncoder(), ["kind"])])
    labels = np.array(["setosa", "versicolor", "virginica"])[IRIS[1]]
    model = make_pipeline(columns, clone(QUICK[name])).fit(frame, labels)
    assert model.score(frame, labels) > 0.9
    assert set(model.predict(frame)) == set(labels)


def test_the_example_compares_both_networks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    example = runpy.run_path(str(Path(__file__).parent.parent / "examples" / "sklearn_pipeline.py"))
    example["main"](str(tmp_path / "curves.png"), epochs=3, repeats=1)
    assert (tmp_path / "curves.png").stat().st_size > 10_000
    printed = capsys.readouterr().out
    for name in ("digits", "breast cancer"):
        assert f"{name}: best of the grid {{'mlpclassifier__alpha'" in printed
    apart = re.findall("curves differ by (.*) at most", printed)
    assert len(apart) == 2
    assert all(float(a) < 1e-6 for a in apart)


def test_missing_scikit_learn_is_told() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None\ntry:\n    import fastnn.sklearn\nexcept ImportError as e: print(e)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install 'fastnn[sklearn]'" in told
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import fastnn.sklearn as package
    assert set(package.__all__) == {name.split(",")[0] for name in CHECKED}
