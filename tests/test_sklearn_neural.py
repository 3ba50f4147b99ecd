"""NeuralClassifier and NeuralRegressor: modules, losses, optimizers, callbacks, and parameters for all of them."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim
from fastnn.train import Callback, EarlyStopping, LearningRateScheduler

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'fastnn[sklearn]'")

from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris, make_multilabel_classification
from sklearn.exceptions import NotFittedError

from fastnn.sklearn import NeuralClassifier, NeuralRegressor

IRIS = load_iris()
X = ((IRIS.data - IRIS.data.mean(0)) / IRIS.data.std(0)).astype(np.float32)
Y = IRIS.target
WIDTH_OF_FLOWER = X[:, 1]


def network(n_features: int, n_outputs: int, width: int = 8, dropout: float = 0.0) -> nn.Module:
    return fastnn.models.MLP(n_features, [width], n_outputs, dropout=dropout)


def classifier(**options: Any) -> NeuralClassifier:
    return NeuralClassifier(**{"module": network, "epochs": 25, "optimizer__lr": 0.02, "random_state": 0, **options})


def test_on_every_backend(target: str) -> None:
    model = classifier(epochs=10).fit(X, Y)
    assert model.score(X, Y) > 0.9
    assert model.n_iter_ == len(model.history_["loss"]) == 10
    regressor = NeuralRegressor(network, epochs=10, optimizer__lr=0.02, random_state=0).fit(X, WIDTH_OF_FLOWER)
    assert regressor.score(X, WIDTH_OF_FLOWER) > 0.8
    assert regressor.predict(X).shape == (150,)


def test_seeds_tell_all_and_nothing_else_does() -> None:
    fastnn.manual_seed(5)
    before = fastnn.rand(3).tolist()
    fastnn.manual_seed(5)
    first = classifier(module__dropout=0.3).fit(X, Y)
    assert fastnn.rand(3).tolist() == before
    again = clone(first).fit(X, Y)
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    other = clone(first).set_params(random_state=1).fit(X, Y)
    assert not np.array_equal(first.predict_proba(X), other.predict_proba(X))


def test_a_module_is_copied() -> None:
    module = network(4, 3)
    before = pickle.dumps([p.array for p in module.parameters()])
    model = classifier(module=module).fit(X, Y)
    assert model.score(X, Y) > 0.9
    assert pickle.dumps([p.array for p in module.parameters()]) == before
    assert model.module_ is not module
    np.testing.assert_array_equal(model.predict_proba(X), clone(model).fit(X, Y).predict_proba(X))


def test_a_class_is_a_function_and_a_modules_parameters_make_another() -> None:
    class Net(nn.Module):
        def __init__(self, n_features: int, n_outputs: int, bias: bool = True) -> None:
            super().__init__()
            self.layer = nn.Linear(n_features, n_outputs, bias=bias)

        def forward(self, x: Any) -> Any:
            return self.layer(x)

    assert classifier(module=Net, module__bias=False).fit(X, Y).module_.layer.bias is None
    linear = classifier(module=nn.Linear(4, 3), module__in_features=4, module__out_features=3, module__bias=False)
    assert linear.fit(X, Y).module_.bias is None


def test_nested_parameters() -> None:
    model = NeuralClassifier(network, optimizer__lr=0.5, callbacks=[("stop", EarlyStopping)])
    assert model.get_params()["optimizer__lr"] == model.get_params(deep=False)["optimizer__lr"] == 0.5
    model.set_params(
        optimizer=optim.SGD,
        optimizer__momentum=0.9,
        optimizer__lr=0.05,
        module__width=5,
        loss__label_smoothing=0.1,
        callbacks__stop__patience=3,
        callbacks__stop__monitor="loss",
        epochs=4,
    )
    model = clone(model).fit(X, Y)
    assert model.optimizer_.param_groups[0]["momentum"] == 0.9
    assert model.optimizer_.param_groups[0]["lr"] == 0.05
    assert model.module_.hidden == (5,)
    assert model.loss_.label_smoothing == 0.1
    assert "optimizer__momentum=0.9" in repr(model).replace(" ", "").replace("\n", "")
    with pytest.raises(ValueError, match="Invalid parameter 'optimiser'"):
        model.set_params(optimiser__lr=0.1)
    with pytest.raises(TypeError, match="got unexpected parameters: epoch, optimiser__lr"):
        NeuralClassifier(network, epoch=3, optimiser__lr=0.1).fit(X, Y)
    with pytest.raises(TypeError, match="depth"):
        classifier(module__depth=2).fit(X, Y)


class Count(Callback):
    """Counts epochs."""

    def __init__(self, start: int = 0) -> None:
        self.epochs = self.start = start

    def on_epoch_end(self, trainer: Any, epoch: int, values: dict[str, float]) -> None:
        self.epochs += 1
        COUNTED.append((self.epochs, sorted(values)))


COUNTED: list[Any] = []


@pytest.mark.parametrize(
    ("callbacks", "options", "last"),
    [
        ([Count()], {}, 3),
        ([Count], {"callbacks__Count__start": 5}, 8),
        ([("mine", Count())], {"callbacks__mine__epochs": 7}, 10),
        ([("mine", Count())], {"callbacks__mine": Count(2)}, 5),
        ([("mine", Count())], {"callbacks__mine": None}, None),
        ([lambda optimizer: Count(len(optimizer.param_groups))], {}, 4),
        (None, {}, None),
    ],
)
def test_callbacks(callbacks: Any, options: dict[str, Any], last: int | None) -> None:
    COUNTED.clear()
    classifier(callbacks=callbacks, epochs=3, **options).fit(X, Y)
    assert [n for n, _ in COUNTED][-1:] == ([] if last is None else [last])
    assert not callbacks or not isinstance(callbacks[0], Count) or callbacks[0].epochs == 0


def test_callbacks_that_are_none() -> None:
    with pytest.raises(ValueError, match="callbacks has none for callbacks__other__start"):
        classifier(callbacks=[Count()], callbacks__other__start=1).fit(X, Y)
    with pytest.raises(ValueError, match=r"callbacks__EarlyStopping__monitor: .* give the class"):
        classifier(callbacks=[EarlyStopping()], callbacks__EarlyStopping__monitor="loss").fit(X, Y)
    with pytest.raises(TypeError, match="wants a Callback, its class, or a function"):
        classifier(callbacks=[lambda optimizer: 3]).fit(X, Y)


def test_validation_and_early_stopping() -> None:
    model = classifier(
        epochs=300,
        validation_fraction=0.2,
        metrics=["accuracy"],
        callbacks=[EarlyStopping],
        callbacks__EarlyStopping__patience=4,
    ).fit(X, Y)
    assert model.n_iter_ < 300
    assert {"loss", "val_loss", "accuracy", "val_accuracy"} <= set(model.history_)
    best = int(np.argmin(model.history_["val_loss"]))
    assert model.n_iter_ == best + 5


def test_schedules_are_made_of_the_optimizer() -> None:
    def halving(optimizer: Any, gamma: float = 0.5) -> Callback:
        return LearningRateScheduler(optim.lr_scheduler.ExponentialLR(optimizer, gamma=gamma))

    model = classifier(epochs=4, callbacks=[("rate", halving)], optimizer__lr=0.8, callbacks__rate__gamma=0.25).fit(
        X, Y
    )
    assert model.history_["lr"] == [0.8, 0.2, 0.05, 0.0125]


def test_losses_tell_probabilities() -> None:
    class LogSoftmax(nn.Module):
        def __init__(self, n_features: int, n_outputs: int) -> None:
            super().__init__()
            self.layer = nn.Linear(n_features, n_outputs)

        def forward(self, x: Any) -> Any:
            return nn.functional.log_softmax(self.layer(x), dim=-1)

    for options in (
        {"loss": nn.NLLLoss, "module": LogSoftmax},
        {"loss": nn.functional.cross_entropy},
        {"loss": nn.CrossEntropyLoss()},
    ):
        p = classifier(**options).fit(X, Y).predict_proba(X)
        assert (p.argmax(axis=1) == Y).mean() > 0.9
        np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)


def test_losses_of_independent_labels() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    x = (x - x.mean(0)) / x.std(0)
    names = np.array(["benign", "malign"])[y]
    model = classifier(loss=nn.BCEWithLogitsLoss, epochs=5).fit(x, names)
    assert model.score(x, names) > 0.95
    assert model.predict_proba(x).shape == (569, 2)
    assert model.module_.out_features == 1
    x, y = make_multilabel_classification(200, random_state=0)
    model = classifier(loss=nn.BCEWithLogitsLoss, epochs=30).fit(x / 10, y)
    assert model.predict(x / 10).shape == model.predict_proba(x / 10).shape == y.shape
    assert (model.predict(x / 10) == y).mean() > 0.75
    with pytest.raises(ValueError, match=r"y wants shape \(n_samples,\), or with BCEWithLogitsLoss"):
        classifier().fit(x, y)


def test_going_on() -> None:
    model = classifier(epochs=3, warm_start=True).fit(X, Y)
    module, loss = model.module_, model.history_["loss"][-1]
    assert model.fit(X, Y).module_ is module
    assert model.history_["loss"][-1] < loss
    parts = classifier()
    for _ in range(25):
        parts.partial_fit(X, Y, classes=[0, 1, 2, 3])
    assert parts.score(X, Y) > 0.9
    assert parts.predict_proba(X).shape == (150, 4)
    with pytest.raises(ValueError, match=r"y has classes \[4\] that are not in classes_"):
        parts.partial_fit(X, Y + 2)
    whole = classifier(epochs=1, random_state=3)
    again = pickle.loads(pickle.dumps(clone(whole).partial_fit(X, Y, classes=[0, 1, 2]))).partial_fit(X, Y)
    straight = clone(whole).partial_fit(X, Y, classes=[0, 1, 2]).partial_fit(X, Y)
    np.testing.assert_array_equal(again.predict_proba(X), straight.predict_proba(X))


def test_partial_fits_share_captured_steps() -> None:
    model = classifier(random_state=None)
    for _ in range(4):
        model.partial_fit(X, Y, classes=[0, 1, 2])
        model.predict(X)
    assert len(model._training._train_step.compiled.plans) == 2


def test_rows_of_more_dimensions() -> None:
    def flat(n_features: int, n_outputs: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(4, n_outputs))

    model = classifier(module=flat).fit(X.reshape(150, 2, 2), Y)
    assert model.n_features_in_ == 2
    assert model.score(X.reshape(150, 2, 2), Y) > 0.8


def test_float64_modules_get_float64() -> None:
    model = NeuralRegressor(lambda i, o: network(i, o).to(np.float64), epochs=2).fit(X, np.c_[Y, -Y])
    assert model.predict(X).dtype == np.float64
    assert model.predict(X).shape == (150, 2)


def test_refusals() -> None:
    with pytest.raises(TypeError, match="module wants a Module or a function"):
        classifier(module=lambda n_features, n_outputs: 3).fit(X, Y)
    with pytest.raises(TypeError, match="optimizer wants the class of an Optimizer"):
        classifier(optimizer=lambda parameters, lr: list(parameters)).fit(X, Y)
    with pytest.raises(ValueError, match=r"outputs of shape \(rows, 3\); for one row it gave \(1, 2\)"):
        classifier(module=nn.Linear(4, 2)).fit(X, Y)
    with pytest.raises(ValueError, match="The 'epochs' parameter of NeuralClassifier must be"):
        classifier(epochs=0).fit(X, Y)
    with pytest.raises(NotFittedError):
        classifier().predict(X)


def test_ctrl_c_keeps_what_was_learned() -> None:
    class Interrupt(Callback):
        def on_epoch_end(self, trainer: Any, epoch: int, values: dict[str, float]) -> None:
            if epoch == 3:
                raise KeyboardInterrupt

    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        model = classifier(callbacks=[Interrupt()]).fit(X, Y)
    assert model.n_iter_ == 3
    assert model.predict(X).shape == (150,)
