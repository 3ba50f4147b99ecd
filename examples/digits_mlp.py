"""A network for handwritten digits, with the loop written out as in PyTorch. Run it, on any backend:

    python examples/digits_mlp.py
    FASTNN_BACKEND=numpy python examples/digits_mlp.py

It prints the loss and, in the end, how many digits of the test part it tells right.
"""

from __future__ import annotations

import fastnn
from fastnn import nn, optim
from fastnn.data import DataLoader, StandardScaler, TensorDataset, train_test_split


def main() -> None:
    fastnn.manual_seed(0)
    x, y = fastnn.datasets.digits()
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, seed=0, stratify=y)
    scaler = StandardScaler().fit(x_train)
    loader = DataLoader(TensorDataset(scaler.transform(x_train), y_train), batch_size=32, shuffle=True)

    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=2e-3)

    @fastnn.compile  # without this line all is the same, only slower
    def step(x: fastnn.Tensor, y: fastnn.Tensor) -> fastnn.Tensor:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    for epoch in range(1, 21):
        total = sum(step(x, y).item() * len(y) for x, y in loader)
        if epoch % 5 == 0:
            print(f"epoch {epoch:2}  loss {total / len(x_train):.4f}")

    with fastnn.no_grad():
        predicted = model(fastnn.tensor(scaler.transform(x_test))).argmax(1).numpy()
    right = int((predicted == y_test).sum())
    print(f"test accuracy {right / len(y_test):.2%} ({right} of {len(y_test)}), backend {fastnn.backend()}")


if __name__ == "__main__":
    main()
