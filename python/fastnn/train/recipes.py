"""What the command ``fastnn`` trains and how: data sets, settings fixed in advance, saved networks."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import _config, datasets, models, nn, optim
from .._dispatch import backend
from ..data import StandardScaler, train_test_split
from ..io import load, load_metadata, save
from ..models._images import ImageClassifier
from ..random import manual_seed
from ._pictures import MOST, draw_filters, draw_predictions, picture_formats
from .callbacks import Callback, LearningRateScheduler
from .trainer import Trainer

Array = np.ndarray[Any, Any]
Part = tuple[Array, Array]  # x and y

DATASETS = ("digits", "mnist")
IMAGE_MODELS: dict[str, type[ImageClassifier]] = {
    "cnn": models.CNN,
    "resnet8": models.ResNet8,
    "ds-cnn": models.DSCNN,
}
MODELS = ("mlp", *IMAGE_MODELS)
# The learning rates at the start and the penalties were chosen on parts of the digits' training data.
OPTIMIZERS: dict[str, tuple[Any, float, dict[str, Any]]] = {
    "adam": (optim.Adam, 5e-3, {"weight_decay": 1e-3}),
    "adamw": (optim.AdamW, 5e-3, {"weight_decay": 0.05}),
    "sgd": (optim.SGD, 0.1, {"weight_decay": 1e-4, "momentum": 0.9, "nesterov": True}),
    "rmsprop": (optim.RMSprop, 2e-3, {"weight_decay": 1e-4}),
    "adagrad": (optim.Adagrad, 0.03, {"weight_decay": 1e-4}),
}
# What differs from the defaults of a Recipe, by data set and whether the network is one for images.
SETTINGS: dict[tuple[str, bool], dict[str, Any]] = {
    ("digits", True): {"epochs": 20},
    ("mnist", False): {"epochs": 15, "batch_size": 128, "hidden": (512, 256)},
    ("mnist", True): {"epochs": 8, "batch_size": 64},
}
TEST_SHARE, VALIDATION_SHARE = 0.2, 0.1  # of all samples, and of the rest


@dataclass(frozen=True)
class Recipe:
    """All that a network follows from."""

    dataset: str
    seed: int = 0
    model: str = "mlp"
    hidden: tuple[int, ...] = (128, 64)  # of an mlp
    width: int | None = None  # of the others; None for their own default
    epochs: int = 60
    batch_size: int = 32
    optimizer: str = "adam"
    lr: float = 0.0
    dropout: float = 0.3
    label_smoothing: float = 0.1

    @classmethod
    def of(cls, dataset: str, **chosen: Any) -> Recipe:
        """The settings of a data set, but for those chosen (not None)."""
        settings = dict(SETTINGS.get((dataset, chosen.get("model") in IMAGE_MODELS), {}))
        settings |= {name: tuple(v) if isinstance(v, list) else v for name, v in chosen.items() if v is not None}
        settings.setdefault("lr", OPTIMIZERS[settings.get("optimizer", cls.optimizer)][1])
        return cls(dataset, **settings)

    def parts(self, folder: str | None) -> tuple[Part, Part, Part]:
        """The data to train on, to validate on and to test on, split by the seed with all classes in each part."""
        if self.dataset == "mnist":
            (x, y), test = mnist_parts(folder or ".")
        else:
            x, y = datasets.digits()
            x, x_test, y, y_test = train_test_split(x, y, test_size=TEST_SHARE, seed=self.seed, stratify=y)
            test = x_test, y_test
        x, x_val, y, y_val = train_test_split(x, y, test_size=VALIDATION_SHARE, seed=self.seed, stratify=y)
        return (x, y), (x_val, y_val), test

    def network(self, features: int, classes: int) -> Any:
        """An untrained network for images of so many pixels."""
        options = {} if self.width is None else {"width": self.width}
        if self.model == "cnn":
            return models.CNN(1, (side(features),) * 2, classes, **options)
        if self.model in IMAGE_MODELS:
            return IMAGE_MODELS[self.model](1, classes, **options)
        return models.MLP(features, list(self.hidden), classes, dropout=self.dropout)

    def trainer(self, features: int, classes: int, steps: int) -> tuple[Trainer, LearningRateScheduler]:
        """An untrained network and what trains it; the learning rate falls to 0 along a cosine."""
        model = self.network(features, classes)
        kind, _, options = OPTIMIZERS[self.optimizer]
        optimizer = kind(model.parameters(), lr=self.lr, **options)
        schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        trainer = Trainer(
            model, nn.CrossEntropyLoss(label_smoothing=self.label_smoothing), optimizer, metrics=["accuracy"]
        )
        return trainer, LearningRateScheduler(schedule, each="step")


def side(features: int) -> int:
    """The height and width of square images."""
    n = math.isqrt(features)
    if n * n != features:
        raise ValueError(f"networks for images want square ones; got {features} pixels")
    return n


def pixels(model: Any, x: Array) -> Array:
    """Rows to scale: those of features as they are, but of images each pixel is one, so that all are scaled alike.

    By themselves, pixels at the edges, which hardly vary, would become large, and a convolution weighs all the same.
    """
    return x.reshape(-1, 1) if isinstance(model, ImageClassifier) else x


def inputs(model: Any, scaler: StandardScaler, x: Array) -> Array:
    """What a network takes: scaled rows of features, or scaled images of one channel."""
    scaled: Array = scaler.transform(pixels(model, x))
    return scaled.reshape(-1, 1, *(side(x.shape[1]),) * 2) if isinstance(model, ImageClassifier) else scaled


def mnist_parts(root: str) -> tuple[Part, Part]:
    """MNIST to train on and to test on; without its training files, two parts of its test images, and a word."""
    try:
        training = datasets.mnist(root)
    except FileNotFoundError as missing:
        try:
            x, y = datasets.mnist(root, train=False)
        except FileNotFoundError:
            raise missing from None
        n = round(len(x) * (1 - TEST_SHARE))
        print(
            f"fastnn: {missing}; instead the first {n:,} of the test images are trained on, and the other "
            f"{len(x) - n:,} are tested on",
            file=sys.stderr,
        )
        return (x[:n], y[:n]), (x[n:], y[n:])
    return training, datasets.mnist(root, train=False)


class Table(Callback):
    """Prints a row for each epoch."""

    def on_train_begin(self, trainer: Any) -> None:
        """The heading."""
        trainer.write("epoch    loss  accuracy  validation loss  accuracy  learning rate    time")

    def on_epoch_end(self, trainer: Any, epoch: int, values: dict[str, float]) -> None:
        """The row."""
        trainer.write(
            f"{epoch:5}  {values['loss']:.4f}  {values['accuracy']:8.2%}  {values['val_loss']:15.4f}"
            f"  {values['val_accuracy']:8.2%}  {values['lr']:13.1e}  {values['seconds']:4.2f} s"
        )


def train(recipe: Recipe, output: str, plot: str | None, folder: str | None, quiet: bool) -> int:
    """Train, test, save; returns the exit code."""
    began = time.perf_counter()
    require_files(output, pictures=[plot])
    announce_compilation()
    manual_seed(recipe.seed)
    (x, y), (x_val, y_val), (x_test, y_test) = recipe.parts(folder)
    trainer, schedule = recipe.trainer(x.shape[1], int(y.max()) + 1, recipe.epochs * -(-len(x) // recipe.batch_size))
    scaler = StandardScaler().fit(pixels(trainer.model, x))
    if not quiet:
        announce(recipe, trainer, len(x), len(x_val), len(x_test))
    try:
        history = trainer.fit(
            (inputs(trainer.model, scaler, x), y),
            (inputs(trainer.model, scaler, x_val), y_val),
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            seed=recipe.seed,
            callbacks=[schedule] if quiet else [Table(), schedule],
            progress=not quiet,
        )
    except KeyboardInterrupt:
        if trainer.history.epochs:
            keep(recipe, trainer.model, scaler, output)
            print(f"fastnn: after {trainer.history.epochs} epochs, saved to {output}", file=sys.stderr)
        raise
    scores = trainer.predict(inputs(trainer.model, scaler, x_test))
    right = int((scores.argmax(1) == y_test).sum())
    keep(recipe, trainer.model, scaler, output)
    if plot:
        history.plot(plot)
    if not quiet:
        print(f"saved {' and '.join(filter(None, (output, plot)))}")
    n = _config.get_num_threads()
    print(
        f"test accuracy {right / len(y_test):.2%} ({right} of {len(y_test)}), ".replace("%", " %")
        + f"{time.perf_counter() - began:.1f} s, backend {backend()}, ISA {_config.isa()}, {n} thread{'s' * (n > 1)}"
    )
    return 0


def require_files(*paths: str, pictures: Sequence[str | None]) -> None:
    """Refuse, before any work is done, what could not be written."""
    for path in filter(None, (*paths, *pictures)):
        folder = Path(path).resolve().parent
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder for {path}")
        try:
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise OSError(f"nothing can be written to the folder of {path}: {error.strerror}") from None
        if Path(path).exists() and not Path(path).is_file():
            raise ValueError(f"{path} is no regular file")
    if any(pictures):
        if importlib.util.find_spec("matplotlib") is None:
            raise ImportError("pictures need matplotlib; pip install 'fastnn[plot]'")
        formats = picture_formats()
        for path in filter(None, pictures):
            if Path(path).suffix[1:].lower() not in formats:
                raise ValueError(f"{path} wants the ending of a picture: .{', .'.join(formats)}")


def announce(recipe: Recipe, trainer: Trainer, training: int, validation: int, test: int) -> None:
    """Say what is about to happen."""
    parameters = sum(p.numel() for p in trainer.model.parameters())
    print(f"{recipe.dataset}: {training:,} samples to train on, {validation:,} to validate on, {test:,} to test on")
    print(f"network {title(trainer.model)}, {parameters:,} parameters, {recipe.optimizer}, seed {recipe.seed}")


def announce_compilation() -> None:
    """Let it be said once if numba compiles a kernel: that takes so long that silence would look like a hang."""
    if backend() == "numba":
        from .._backends.numba.lift import on_compilation

        words = "fastnn: numba compiles its kernels at their first use, which may take a minute, and keeps them"
        on_compilation(lambda: print(words, file=sys.stderr, flush=True))


def title(model: Any) -> str:
    """A network for images by its name, another by the widths of its linear layers, the inputs first."""
    if isinstance(model, ImageClassifier):
        return f"{type(model).__name__} of width {model.width}"
    layers = [m for m in model.modules() if isinstance(m, nn.Linear)]
    return "-".join(map(str, [layers[0].in_features, *(m.out_features for m in layers)]))


def keep(recipe: Recipe, model: Any, scaler: StandardScaler, output: str) -> None:
    """Save all that a prediction needs: weights, the network's configuration, the scaler's statistics, the split."""
    save(
        model.state_dict(),
        output,
        {
            "model": json.dumps(model.config()),
            "scaler": json.dumps(scaler.state_dict()),
            "dataset": recipe.dataset,
            "seed": str(recipe.seed),
        },
    )


def predict(
    path: str,
    count: int,
    folder: str | None,
    plot: str | None = None,
    filters: str | None = None,
    quiet: bool = False,
) -> int:
    """Show predictions of a saved network for samples of its test part, in pictures too; returns the exit code."""
    require_files(pictures=[plot, filters])
    if plot and count > MOST:
        raise ValueError(f"--plot shows {MOST} samples at most; got --count {count}")
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no file {path}; 'fastnn train digits' makes digits-mlp.safetensors")
    text = load_metadata(path)
    missing = [key for key in ("model", "scaler", "dataset", "seed") if key not in text]
    if missing:
        raise ValueError(f"{path} was not saved by 'fastnn train': its metadata lacks {', '.join(missing)}")
    announce_compilation()
    model = models.build(json.loads(text["model"]))
    model.load_state_dict(load(path))
    scaler = StandardScaler()
    scaler.load_state_dict(json.loads(text["scaler"]))
    recipe = Recipe(text["dataset"], seed=int(text["seed"]))
    if folder is not None and recipe.dataset != "mnist":
        raise ValueError(f"--data is for networks trained on mnist; {path} was trained on {recipe.dataset}")
    *_, (x_test, y_test) = recipe.parts(folder)
    x, y = inputs(model, scaler, x_test[:count]), y_test[:count]
    logits = Trainer(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters())).predict(x).astype(np.float64)
    scores = np.exp(logits - logits.max(1, keepdims=True))
    scores /= scores.sum(1, keepdims=True)
    if not quiet:
        print(f"{path}: network {title(model)}; samples that it was not trained on")
        print("sample  digit  predicted  probability")
        for i, (digit, row) in enumerate(zip(y, scores, strict=True)):
            best = int(row.argmax())
            print(f"{i:6}  {digit:5}  {best:9}  {row[best]:10.2%}{'' if best == digit else '  wrong'}")
    result = f"{int((scores.argmax(1) == y).sum())} of {len(y)} right"
    print(result)
    if plot:
        images = x_test[:count].reshape(-1, *(side(x_test.shape[1]),) * 2)
        draw_predictions(plot, f"{title(model)}, {recipe.dataset}: {result}", images, y, scores)
    if filters:
        draw_filters(filters, f"{title(model)}: weights of the first layer", first_weights(model))
    if (plot or filters) and not quiet:
        print(f"saved {' and '.join(name for name in (plot, filters) if name)}")
    return 0


def first_weights(model: Any) -> Array:
    """What each output of the first layer weighs in an image, (outputs, height, width)."""
    first = next(m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear)))
    w: Array = first.weight.detach().numpy()
    return w[:, 0] if w.ndim == 4 else w.reshape(-1, *(side(w.shape[1]),) * 2)
