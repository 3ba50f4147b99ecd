"""A pipeline with scaling and a grid search, and beside it scikit-learn's own network. Needs 'fastnn[sklearn,plot]'.

    OMP_NUM_THREADS=1 python examples/sklearn_pipeline.py
    OMP_NUM_THREADS=1 python examples/sklearn_pipeline.py curves.png

The two networks differ in one import. The search runs on fastnn's; both are then fitted with the best settings, from
the same random_state and in turn, and compared: test accuracy, learning curve, the median time of a fit. A name draws
both learning curves into that file.
"""

from __future__ import annotations

import statistics
import sys
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
NETWORKS = {"scikit-learn": neural_network.MLPClassifier, "fastnn": MLPClassifier}
GRID = {"mlpclassifier__hidden_layer_sizes": [(50,), (100,)], "mlpclassifier__alpha": [1e-4, 1e-1]}


def pipeline(network: type, epochs: int) -> Any:
    """Scaling and a network that is trained for so many epochs, whatever it reaches."""
    return make_pipeline(StandardScaler(), network(max_iter=epochs, n_iter_no_change=epochs, random_state=0))


def compare(name: str, epochs: int, repeats: int) -> dict[str, tuple[Any, float]]:
    """Search for settings and fit both networks with the best: the loss of each epoch, and the seconds of a fit."""
    X, y = DATA[name](return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)
    best = GridSearchCV(pipeline(MLPClassifier, epochs), GRID, cv=3).fit(x_train, y_train).best_params_
    print(f"{name}: best of the grid {best}")
    models = {library: pipeline(network, epochs).set_params(**best) for library, network in NETWORKS.items()}
    seconds: dict[str, list[float]] = {library: [] for library in models}
    for _ in range(repeats):
        for library, model in models.items():
            began = time.perf_counter()
            model.fit(x_train, y_train)
            seconds[library].append(time.perf_counter() - began)
    found = {}
    for library, model in models.items():
        found[library] = np.array(model[-1].loss_curve_), statistics.median(seconds[library])
        print(f"  {library:12} test accuracy {model.score(x_test, y_test):.2%}, {found[library][1]:.3f} s")
    (theirs, their_time), (ours, our_time) = found.values()
    print(
        f"  ratio of times {their_time / our_time:.1f}, curves differ by {np.abs(ours / theirs - 1).max():.0e} at most"
    )
    return found


def draw(results: dict[str, dict[str, tuple[Any, float]]], path: str) -> None:
    """Both learning curves of each data set, over epochs and over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    for row, (name, found) in zip(figure.subplots(len(results), 2), results.items(), strict=True):
        for (library, (curve, seconds)), width, color in zip(
            found.items(), (5, 1.6), ("#e69f00", "#0072b2"), strict=True
        ):
            epochs = np.arange(1, len(curve) + 1)
            row[0].plot(epochs, curve, label=library, linewidth=width, color=color)
            row[1].plot(epochs / len(curve) * seconds, curve, label=library, linewidth=2, color=color)
        for axes, label in zip(row, ("epoch", "seconds"), strict=True):
            axes.set(xlabel=label, ylabel="training loss", yscale="log", title=name)
            axes.grid(alpha=0.3)
            axes.legend()
    figure.savefig(path, dpi=110)


def main(picture: str = "", epochs: int = 60, repeats: int = 5) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is given
        results = {name: compare(name, epochs, repeats) for name in DATA}
    if picture:
        draw(results, picture)


if __name__ == "__main__":
    main(*sys.argv[1:2])
