"""A convolutional network for handwritten digits, with the loop written out as in PyTorch. Run it, on any backend:

    python examples/digits_cnn.py
    FASTNN_BACKEND=numpy python examples/digits_cnn.py

It prints the loss and, in the end, how many digits of the test part it tells right.
"""

from __future__ import annotations

import fastnn
from fastnn import nn, optim
from fastnn.data import DataLoader, TensorDataset, train_test_split


def main() -> None:
    fastnn.manual_seed(0)
    x, y = fastnn.datasets.digits()
    images = (x.reshape(-1, 1, 8, 8) - 5) / 6  # about mean 0 and variance 1, for all pixels alike
    x_train, x_test, y_train, y_test = train_test_split(images, y, test_size=0.2, seed=0, stratify=y)
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True)

    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 2 * 2, 10),
    )
    loss_fn = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=2e-3)

    @fastnn.compile  # without this line all is the same, only slower
    def step(x: fastnn.Tensor, y: fastnn.Tensor) -> fastnn.Tensor:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    for epoch in range(1, 11):
        total = sum(step(x, y).item() * len(y) for x, y in loader)
        if epoch % 2 == 0:
            print(f"epoch {epoch:2}  loss {total / len(x_train):.4f}")

    model.eval()  # batch norm by the statistics that it has kept
    with fastnn.no_grad():
        predicted = model(fastnn.tensor(x_test)).argmax(1).numpy()
    right = int((predicted == y_test).sum())
    print(f"test accuracy {right / len(y_test):.2%} ({right} of {len(y_test)}), backend {fastnn.backend()}")


if __name__ == "__main__":
    main()
