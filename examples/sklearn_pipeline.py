"""A pipeline with scaling and a grid search, and beside it scikit-learn's own network. Needs 'fastnn[sklearn,plot]'.

    python examples/sklearn_pipeline.py
    python examples/sklearn_pipeline.py --picture curves.png

The two networks differ in one import. The search runs on fastnn's; the best settings are then fitted by both from the
same random_state, in turn, and compared: test accuracy, learning curve, time. Give one thread to both for numbers that
mean something: OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from typing import Any

import numpy as np
from sklearn import datasets, neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnn.sklearn import MLPClassifier

DATA = {"digits": datasets.load_digits, "breast cancer": datasets.load_breast_cancer}
GRID = {"mlpclassifier__hidden_layer_sizes": [(50,), (100,), (100, 50)], "mlpclassifier__alpha": [1e-4, 1e-1]}
COLORS = {"scikit-learn": "#e69f00", "fastnn": "#0072b2"}


def pipeline(network: type, epochs: int, **settings: Any) -> Any:
    """Scaling and a network that is trained for so many epochs."""
    options = {"max_iter": epochs, "n_iter_no_change": epochs, "random_state": 0}
    return make_pipeline(StandardScaler(), network(**options)).set_params(**settings)


def compare(name: str, epochs: int, repeats: int) -> dict[str, Any]:
    """Search for settings, fit both networks with the best, print a line; curves and seconds of both."""
    X, y = DATA[name](return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)
    search = GridSearchCV(pipeline(MLPClassifier, epochs), GRID, cv=3, n_jobs=1).fit(x_train, y_train)
    models = {
        library: pipeline(network, epochs, **search.best_params_)
        for library, network in (("scikit-learn", neural_network.MLPClassifier), ("fastnn", MLPClassifier))
    }
    seconds: dict[str, list[float]] = {library: [] for library in models}
    for _ in range(repeats):
        for library, model in models.items():
            began = time.perf_counter()
            model.fit(x_train, y_train)
            seconds[library].append(time.perf_counter() - began)
    curves = {library: np.array(model[-1].loss_curve_) for library, model in models.items()}
    middle = {library: statistics.median(times) for library, times in seconds.items()}
    apart = np.abs(curves["fastnn"] / curves["scikit-learn"] - 1).max()
    best = ", ".join(f"{key.split('__')[1]}={value}" for key, value in search.best_params_.items())
    print(f"{name}: best of {len(search.cv_results_['params'])} settings {best}")
    for library, model in models.items():
        print(f"  {library:12} test accuracy {model.score(x_test, y_test):.2%}, {middle[library]:.3f} s")
    print(f"  ratio of times {middle['scikit-learn'] / middle['fastnn']:.1f}, curves differ by {apart:.0e} at most")
    return {"curves": curves, "seconds": middle}


def draw(results: dict[str, Any], path: str) -> None:
    """Both learning curves of each data set, over epochs and over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    for row, (name, result) in zip(figure.subplots(len(results), 2, squeeze=False), results.items(), strict=True):
        for library, curve in result["curves"].items():
            epochs = np.arange(1, len(curve) + 1)
            wide = library == "scikit-learn"
            style = {"color": COLORS[library], "label": library, "linewidth": 5 if wide else 1.6}
            row[0].plot(epochs, curve, **style, alpha=0.6 if wide else 1)
            row[1].plot(epochs / len(curve) * result["seconds"][library], curve, **{**style, "linewidth": 2})
        for axes, label in zip(row, ("epoch", "seconds"), strict=True):
            axes.set(xlabel=label, ylabel="training loss", yscale="log", title=name)
            axes.grid(alpha=0.3)
            axes.legend()
    figure.savefig(path, dpi=110)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="A pipeline on fastnn beside scikit-learn's own network.")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=5, help="how often both are fitted; medians are shown")
    parser.add_argument("--picture", metavar="FILE", help="where to draw the learning curves")
    options = parser.parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is given, whatever it reaches
        results = {name: compare(name, options.epochs, options.repeats) for name in DATA}
    if options.picture:
        draw(results, options.picture)


if __name__ == "__main__":
    main()
