"""A convolutional network for MNIST, trained by `Trainer`. DIR is any folder with MNIST's files, packed or not:

    python examples/mnist_cnn.py --data DIR

With the 10,000 test images alone it trains on the first 8,000 of them and tests on the other 2,000. It prints a line
for each epoch and, in the end, how many images of the test part it tells right.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

import fastnn
from fastnn import nn, optim
from fastnn.train import LearningRateScheduler


def parts(folder: str) -> tuple[Any, Any, Any, Any]:
    """Images (n, 1, 28, 28) and digits to train on, and the same to test on."""
    x_test, y_test = fastnn.datasets.mnist(folder, train=False)
    try:
        x_train, y_train = fastnn.datasets.mnist(folder)
    except FileNotFoundError:
        n = len(x_test) * 4 // 5
        print(f"only the test images are there: {n:,} to train on, {len(x_test) - n:,} to test on")
        x_train, y_train, x_test, y_test = x_test[:n], y_test[:n], x_test[n:], y_test[n:]
    mean, spread = x_train.mean(), x_train.std()
    x_train, x_test = (((x - mean) / spread).reshape(-1, 1, 28, 28) for x in (x_train, x_test))
    return x_train, y_train, x_test, y_test


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train a convolutional network on MNIST.")
    parser.add_argument("--data", required=True, metavar="DIR", help="the folder of MNIST's files")
    parser.add_argument("--epochs", type=int, default=8, metavar="N", help="default: %(default)s")
    args = parser.parse_args(argv)
    fastnn.manual_seed(0)
    x_train, y_train, x_test, y_test = parts(args.data)

    batch_size = 64
    model = fastnn.models.CNN(1, (28, 28), 10)
    optimizer = optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.05)
    steps = args.epochs * -(-len(x_train) // batch_size)
    falling = LearningRateScheduler(optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps), each="step")
    trainer = fastnn.Trainer(model, nn.CrossEntropyLoss(label_smoothing=0.1), optimizer, metrics=["accuracy"])
    history = trainer.fit((x_train, y_train), epochs=args.epochs, batch_size=batch_size, callbacks=[falling])
    for epoch, values in enumerate(zip(history["loss"], history["accuracy"], history["seconds"], strict=True), 1):
        print("epoch {}  loss {:.4f}  accuracy {:.2%}  {:.2f} s".format(epoch, *values))

    right = int(np.sum(trainer.predict(x_test).argmax(axis=1) == y_test))
    print(f"test accuracy {right / len(y_test):.2%} ({right} of {len(y_test)}), backend {fastnn.backend()}")


if __name__ == "__main__":
    main()
