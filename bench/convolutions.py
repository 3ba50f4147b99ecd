"""How fast are convolutions? Layers of ResNet-50 and MobileNet: forward and both gradients, float32, one thread.

Each row: the fraction of the processor's peak that fastnn reaches, and how many times as long the NumPy definition and,
where it is installed, PyTorch take for the same, in channels-last memory and in its default order. Turns are taken in
one process, and PyTorch's results are compared before anything is timed. fastnn gets channels-last images.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

import fastnn
from fastnn import ops
from measure import machine, medians, pin
from roofline import measure
from work import Column

Array = np.ndarray[Any, Any]
Calls = dict[str, Callable[[], Any]]


class Layer(NamedTuple):
    """A convolution of square images; padding keeps the size but for the stride."""

    channels: int
    out: int
    kernel: int
    stride: int
    size: int
    groups: int = 1

    def __str__(self) -> str:
        kind = "depthwise" if self.groups > 1 else f"-> {self.out}"
        return f"{self.channels} {kind}, {self.kernel}x{self.kernel}, stride {self.stride}, {self.size}x{self.size}"


RESNET_50 = [
    Layer(3, 64, 7, 2, 224),
    *(Layer(64, 64, 1, 1, 56), Layer(64, 64, 3, 1, 56), Layer(64, 256, 1, 1, 56), Layer(256, 64, 1, 1, 56)),
    *(Layer(256, 128, 1, 1, 56), Layer(128, 128, 3, 2, 56), Layer(128, 512, 1, 1, 28), Layer(256, 512, 1, 2, 56)),
    *(Layer(512, 128, 1, 1, 28), Layer(128, 128, 3, 1, 28), Layer(512, 256, 1, 1, 28), Layer(256, 256, 3, 2, 28)),
    *(Layer(256, 1024, 1, 1, 14), Layer(512, 1024, 1, 2, 28), Layer(1024, 256, 1, 1, 14), Layer(256, 256, 3, 1, 14)),
    *(Layer(1024, 512, 1, 1, 14), Layer(512, 512, 3, 2, 14), Layer(512, 2048, 1, 1, 7), Layer(1024, 2048, 1, 2, 14)),
    *(Layer(2048, 512, 1, 1, 7), Layer(512, 512, 3, 1, 7)),
]
DEPTHWISE = [
    *(Layer(32, 32, 3, 1, 112, 32), Layer(64, 64, 3, 2, 112, 64), Layer(128, 128, 3, 1, 56, 128)),
    *(Layer(128, 128, 3, 2, 56, 128), Layer(256, 256, 3, 1, 28, 256), Layer(256, 256, 3, 2, 28, 256)),
    *(Layer(512, 512, 3, 1, 14, 512), Layer(512, 512, 3, 2, 14, 512), Layer(1024, 1024, 3, 1, 7, 1024)),
]
NETWORKS = {"resnet50": (RESNET_50, 16), "depthwise": (DEPTHWISE, 8)}  # layers, and images in a batch


def images(shape: tuple[int, ...], seed: int) -> Array:
    """Random images (N, C, H, W) in channels-last memory."""
    n, c, h, w = shape
    return np.random.default_rng(seed).standard_normal((n, h, w, c)).astype(np.float32).transpose(0, 3, 1, 2)


def passes(layer: Layer, batch: int, baseline: bool) -> Iterator[tuple[str, float, Calls]]:
    """For each pass: its name, its operations, and who can do it."""
    x = images((batch, layer.channels, layer.size, layer.size), 0)
    shape = (layer.out, layer.channels // layer.groups, layer.kernel, layer.kernel)
    w = np.random.default_rng(1).standard_normal(shape).astype(np.float32) / np.float32(np.prod(shape[1:]) ** 0.5)
    how: dict[str, Any] = {"stride": layer.stride, "padding": layer.kernel // 2, "groups": layer.groups}
    leaf = fastnn.tensor(x, requires_grad=True)
    y = ops.conv(leaf, fastnn.tensor(w, requires_grad=True), None, **how)
    saved, dy = y.node.saved, images(y.shape, 2)
    columns = {"fastnn": ops.conv.op.backward_kernels[2]}
    if baseline:
        columns["NumPy"] = ops.conv.op.backward_kernels[0]
    flops = 2.0 * y.array.size * np.prod(shape[1:])
    torch = torch_calls(x, w, dy, how) if importlib.util.find_spec("torch") else {}
    forward: Calls = {"fastnn": lambda: ops.conv(x, w, None, **how)}
    if baseline:
        forward["NumPy"] = lambda: ops.conv.op.forward_kernels[0](x, w, None, *saved[2:])
    yield "forward", flops, forward | torch.get("forward", {})
    for i, name in enumerate(("data gradient", "weight gradient")):
        calls: Calls = {
            who: lambda kernel=kernel, needs=1 << i: kernel(dy, *saved, needs) for who, kernel in columns.items()
        }
        yield name, flops, calls | torch.get(name, {})


def torch_calls(x: Array, w: Array, dy: Array, how: dict[str, Any]) -> dict[str, Calls]:
    """PyTorch's passes in both memory formats."""
    import torch

    torch.set_num_threads(1)
    names = ("forward", "data gradient", "weight gradient")
    found: dict[str, Calls] = {name: {} for name in names}
    stride, padding = [how["stride"]] * 2, [how["padding"]] * 2
    for column, order in (("PyTorch", torch.channels_last), ("contiguous", torch.contiguous_format)):
        a, b, d = (torch.from_numpy(np.ascontiguousarray(v)).contiguous(memory_format=order) for v in (x, w, dy))
        forward = (a, b, None, stride, padding, [1, 1], how["groups"])
        backward = (d, a, b, None, stride, padding, [1, 1], False, [0, 0], how["groups"])
        found["forward"][column] = lambda f=forward: torch.conv2d(*f)
        for i, name in enumerate(names[1:]):
            mask = [i == 0, i == 1, False]
            found[name][column] = lambda b=backward, m=mask, i=i: torch.ops.aten.convolution_backward(*b, m)[i]
    return found


def check(calls: Calls) -> None:
    """Refuse to time what gives other results."""
    results = {who: call() for who, call in calls.items()}
    results = {
        who: next(r for r in out if r is not None) if type(out) is tuple else out for who, out in results.items()
    }
    ours = np.asarray(results["fastnn"])
    for who, theirs in results.items():
        error = float(np.abs(np.asarray(theirs) - ours).max() / np.abs(ours).max())
        if not error < 1e-4:
            raise ArithmeticError(f"{who} differs from fastnn by {error:.2g} of the largest value")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; the last lines are geometric means."""
    parser = argparse.ArgumentParser("convolutions", description=__doc__)
    parser.add_argument("--network", choices=NETWORKS, nargs="+", default=list(NETWORKS))
    parser.add_argument("--batch", type=int, metavar="N", help="images (default: 16 for ResNet-50, 8 for MobileNet)")
    parser.add_argument("--seconds", type=float, default=0.2, metavar="S", help="for each measurement (default: 0.2)")
    parser.add_argument("--no-numpy", action="store_true", help="leave the NumPy definition out, which takes longest")
    args = parser.parse_args(argv)
    if fastnn.backend() != "cpp":
        print("convolutions: wants the cpp backend", file=sys.stderr)
        return 1
    pin(1)
    about, peak = machine(1), (measure(1).float32 or np.nan) * 1e9
    print(f"{about['processor']}, ISA {about['ISA']}, one thread, peak {peak / 1e9:.0f} GFLOP/s")
    for network in args.network:
        layers, batch = NETWORKS[network]
        ratios: dict[tuple[str, str], list[float]] = {}
        for layer in layers:
            for name, flops, calls in passes(layer, args.batch or batch, not args.no_numpy):
                check(calls)
                times = medians([Column(who, call) for who, call in calls.items()], args.seconds, 3)
                ours = times.pop("fastnn")
                for who, theirs in times.items():
                    ratios.setdefault((name, who), []).append(theirs / ours)
                beside = "  ".join(f"{who} {t / ours:5.2f}x" for who, t in times.items())
                print(f"{layer!s:44} {name:15} {ours * 1e3:8.2f} ms {flops / ours / peak:5.2f}  {beside}", flush=True)
        for (name, who), values in ratios.items():
            mean = statistics.geometric_mean(values)
            print(f"{network}, {name}: {who} takes {mean:.2f} times as long, at least {min(values):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
