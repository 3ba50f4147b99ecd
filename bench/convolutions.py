"""How fast are convolutions? Layers of well-known networks: forward and both gradients, float32, one thread.

Each row: the fraction of the processor's peak that fastnn reaches, by the operations of the direct way, and how many
times as long others take for the same: fastnn without Winograd's way where it has that, the NumPy definition and, where
it is installed, PyTorch in channels-last memory and in its default order. Turns are taken in one process, and all
results are compared before anything is timed. fastnn gets channels-last images.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
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
    """A convolution of sequences (space 1) or square images; padding keeps the size of images but for the stride."""

    channels: int
    out: int
    kernel: int
    stride: int
    size: int
    groups: int = 1
    dilation: int = 1
    space: int = 2
    transposed: bool = False

    def __str__(self) -> str:
        kind = "depthwise" if self.groups > 1 else f"-> {self.out}"
        by = f"{self.kernel}x{self.kernel}" if self.space == 2 else f"width {self.kernel}"
        step = f"dilation {self.dilation}" if self.dilation > 1 else f"stride {self.stride}"
        turned = ", transposed" if self.transposed else ""
        return f"{self.channels} {kind}, {by}{turned}, {step}, {'x'.join([str(self.size)] * self.space)}"

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """As PyTorch's."""
        first = (self.channels, self.out) if self.transposed else (self.out, self.channels // self.groups)
        return *first, *(self.kernel,) * self.space

    @property
    def how(self) -> dict[str, int]:
        """Attributes, the same for each axis of space."""
        padded = self.space == 2 and not self.transposed
        padding = self.kernel // 2 if padded else 0
        return {"stride": self.stride, "padding": padding, "dilation": self.dilation, "groups": self.groups}


RESNET_50 = [
    Layer(3, 64, 7, 2, 224),
    *(Layer(64, 64, 1, 1, 56), Layer(64, 64, 3, 1, 56), Layer(64, 256, 1, 1, 56), Layer(256, 64, 1, 1, 56)),
    *(Layer(256, 128, 1, 1, 56), Layer(128, 128, 3, 2, 56), Layer(128, 512, 1, 1, 28), Layer(256, 512, 1, 2, 56)),
    *(Layer(512, 128, 1, 1, 28), Layer(128, 128, 3, 1, 28), Layer(512, 256, 1, 1, 28), Layer(256, 256, 3, 2, 28)),
    *(Layer(256, 1024, 1, 1, 14), Layer(512, 1024, 1, 2, 28), Layer(1024, 256, 1, 1, 14), Layer(256, 256, 3, 1, 14)),
    *(Layer(1024, 512, 1, 1, 14), Layer(512, 512, 3, 2, 14), Layer(512, 2048, 1, 1, 7), Layer(1024, 2048, 1, 2, 14)),
    *(Layer(2048, 512, 1, 1, 7), Layer(512, 512, 3, 1, 7)),
]
VGG_19 = [  # each once: the network has 128 to 512 channels several times
    *(Layer(3, 64, 3, 1, 224), Layer(64, 64, 3, 1, 224), Layer(64, 128, 3, 1, 112), Layer(128, 128, 3, 1, 112)),
    *(Layer(128, 256, 3, 1, 56), Layer(256, 256, 3, 1, 56), Layer(256, 512, 3, 1, 28), Layer(512, 512, 3, 1, 28)),
    Layer(512, 512, 3, 1, 14),
]
DEPTHWISE = [
    *(Layer(32, 32, 3, 1, 112, 32), Layer(64, 64, 3, 2, 112, 64), Layer(128, 128, 3, 1, 56, 128)),
    *(Layer(128, 128, 3, 2, 56, 128), Layer(256, 256, 3, 1, 28, 256), Layer(256, 256, 3, 2, 28, 256)),
    *(Layer(512, 512, 3, 1, 14, 512), Layer(512, 512, 3, 2, 14, 512), Layer(1024, 1024, 3, 1, 7, 1024)),
]
POINTWISE = [
    *(Layer(32, 64, 1, 1, 112), Layer(64, 128, 1, 1, 56), Layer(128, 128, 1, 1, 56), Layer(128, 256, 1, 1, 28)),
    *(Layer(256, 256, 1, 1, 28), Layer(256, 512, 1, 1, 14), Layer(512, 512, 1, 1, 14), Layer(512, 1024, 1, 1, 7)),
    Layer(1024, 1024, 1, 1, 7),
]
VGG_19 = [
    *(Layer(3, 64, 3, 1, 224), Layer(64, 64, 3, 1, 224), Layer(64, 128, 3, 1, 112), Layer(128, 128, 3, 1, 112)),
    *(Layer(128, 256, 3, 1, 56), Layer(256, 256, 3, 1, 56), Layer(256, 512, 3, 1, 28), Layer(512, 512, 3, 1, 28)),
    Layer(512, 512, 3, 1, 14),
]
U_NET = [
    *(Layer(1, 64, 3, 1, 256), Layer(64, 64, 3, 1, 256), Layer(64, 128, 3, 1, 128), Layer(128, 128, 3, 1, 128)),
    *(Layer(128, 256, 3, 1, 64), Layer(256, 256, 3, 1, 64), Layer(256, 512, 3, 1, 32), Layer(512, 512, 3, 1, 32)),
    *(Layer(512, 1024, 3, 1, 16), Layer(1024, 1024, 3, 1, 16)),
    *(Layer(2 * n, n, 2, 2, 8192 // n, transposed=True) for n in (512, 256, 128, 64)),
    *(Layer(2 * n, n, 3, 1, 16384 // n) for n in (512, 256, 128, 64)),
    Layer(64, 2, 1, 1, 256),
]
FIRST = [  # of LeNet, U-Net, ResNet-8, a small network for CIFAR, MobileNet, VGG, ResNet-50, AlexNet
    *(Layer(1, 32, 3, 1, 28), Layer(1, 64, 3, 1, 256), Layer(3, 16, 3, 1, 32), Layer(3, 32, 3, 1, 32)),
    *(Layer(3, 32, 3, 2, 224), Layer(3, 64, 3, 1, 224), Layer(3, 64, 7, 2, 224), Layer(3, 64, 11, 4, 224)),
]
WAVENET = [
    Layer(1, 64, 2, 1, 16000, space=1),
    *(Layer(64, 128, 2, 1, 16000, dilation=d, space=1) for d in (1, 2, 8, 64, 512)),
    *(Layer(64, n, 1, 1, 16000, space=1) for n in (64, 256)),
    Layer(256, 256, 1, 1, 16000, space=1),
]
NETWORKS = {  # what the layers are of, the layers, and images in a batch
    "resnet50": ("ResNet-50", RESNET_50, 16),
    "depthwise": ("MobileNet, depthwise", DEPTHWISE, 8),
    "pointwise": ("MobileNet, pointwise", POINTWISE, 8),
    "vgg19": ("VGG-19", VGG_19, 4),
    "unet": ("U-Net", U_NET, 1),
    "first": ("first layers", FIRST, 16),
    "wavenet": ("WaveNet", WAVENET, 2),
}
COLUMNS = {
    "fastnn": "fastnn",
    "direct": "fastnn direct",
    "NumPy": "NumPy by hand",
    "PyTorch": "torch",
    "contiguous": "torch contiguous",
}


def images(shape: tuple[int, ...], seed: int) -> Array:
    """Random images (N, C, *space) in channels-last memory."""
    n, c, *space = shape
    return np.moveaxis(np.random.default_rng(seed).standard_normal((n, *space, c), dtype=np.float32), -1, 1)


def directly(call: Callable[[], Any]) -> Callable[[], Any]:
    """The same without Winograd's way."""

    def run() -> Any:
        fastnn.set_winograd(False)
        try:
            return call()
        finally:
            fastnn.set_winograd(True)

    return run


def passes(layer: Layer, batch: int, baseline: bool) -> Iterator[tuple[str, float, Calls]]:
    """For each pass: its name, its operations, and who can do it."""
    x = images((batch, layer.channels, *(layer.size,) * layer.space), 0)
    shape = layer.weight_shape
    w = np.random.default_rng(1).standard_normal(shape).astype(np.float32) / np.float32(np.prod(shape[1:]) ** 0.5)
    conv: Any = ops.conv_transpose if layer.transposed else ops.conv
    y = conv(fastnn.tensor(x, requires_grad=True), fastnn.tensor(w, requires_grad=True), None, **layer.how)
    saved, dy = y.node.saved, images(y.shape, 2)
    columns = {"fastnn": conv.op.backward_kernels[2]}
    if baseline:
        columns["NumPy"] = conv.op.backward_kernels[0]
    flops = 2.0 * np.prod(shape[1:]) * (x if layer.transposed else y.array).size
    torch = torch_calls(layer, x, w, dy) if importlib.util.find_spec("torch") else {}
    both_ways = layer.kernel == 3 and layer.stride == 1 and layer.groups == 1 and min(layer.channels, layer.out) >= 16
    forward: Calls = {"fastnn": lambda: conv(x, w, None, **layer.how)}
    if both_ways:
        forward["direct"] = directly(forward["fastnn"])
    if baseline:
        forward["NumPy"] = lambda: conv.op.forward_kernels[0](x, w, None, *saved[2:])
    yield "forward", flops, forward | torch.get("forward", {})
    for i, name in enumerate(("data gradient", "weight gradient")):
        calls: Calls = {
            who: lambda kernel=kernel, needs=1 << i: kernel(dy, *saved, needs) for who, kernel in columns.items()
        }
        if both_ways:
            calls["direct"] = directly(calls["fastnn"])
        yield name, flops, calls | torch.get(name, {})


def torch_calls(layer: Layer, x: Array, w: Array, dy: Array) -> dict[str, Calls]:
    """PyTorch's passes in both memory formats; sequences are images of one row, as it treats them itself."""
    import torch

    torch.set_num_threads(1)
    names = ("forward", "data gradient", "weight gradient")
    found: dict[str, Calls] = {name: {} for name in names}
    rows = 2 - layer.space
    how = {name: [1] * rows + [n] * layer.space for name, n in layer.how.items() if name != "groups"}
    how["padding"][:rows] = [0] * rows
    for column, order in (("PyTorch", torch.channels_last), ("contiguous", torch.contiguous_format)):
        tensors = [torch.from_numpy(v.reshape(*v.shape[:2], *[1] * rows, *v.shape[2:])) for v in (x, w, dy)]
        a, b, d = (t.contiguous(memory_format=order) for t in tensors)
        attributes = (how["stride"], how["padding"], how["dilation"], layer.transposed, [0, 0], layer.groups)
        forward, backward = (a, b, None, *attributes), (d, a, b, None, *attributes)
        found["forward"][column] = lambda f=forward: torch.convolution(*f)
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
        error = float(np.abs(np.reshape(np.asarray(theirs), ours.shape) - ours).max() / np.abs(ours).max())
        if not error < 1e-4:
            raise ArithmeticError(f"{who} differs from fastnn by {error:.2g} of the largest value")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; the last lines are geometric means."""
    parser = argparse.ArgumentParser("convolutions", description=__doc__)
    parser.add_argument("--network", choices=NETWORKS, nargs="+", default=list(NETWORKS))
    parser.add_argument("--batch", type=int, metavar="N", help="images; each network has its own default")
    parser.add_argument("--seconds", type=float, default=0.2, metavar="S", help="for each measurement (default: 0.2)")
    parser.add_argument("--no-numpy", action="store_true", help="leave the NumPy definition out, which takes longest")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there, too, for bench/page.py")
    args = parser.parse_args(argv)
    if fastnn.backend() != "cpp":
        print("convolutions: wants the cpp backend", file=sys.stderr)
        return 1
    pin(1)
    about, roof = machine(1), measure(1)
    peak = (roof.float32 or np.nan) * 1e9
    print(f"{about['processor']}, ISA {about['ISA']}, one thread, peak {peak / 1e9:.0f} GFLOP/s")
    rows: list[dict[str, Any]] = []
    for network in args.network:
        title, layers, batch = NETWORKS[network]
        ratios: dict[tuple[str, str], list[float]] = {}
        for layer in layers:
            for name, flops, calls in passes(layer, args.batch or batch, not args.no_numpy):
                check(calls)
                times = medians([Column(who, call) for who, call in calls.items()], args.seconds, 3)
                ours = times["fastnn"]
                share = flops / ours / peak
                row = {"kind": "layers", "network": title, "pass": name, "name": f"{layer}", "flops": flops}
                rows.append({**row, "seconds": {COLUMNS[who]: t for who, t in times.items()}, "share": share})
                beside = [(who, t / ours) for who, t in times.items() if who != "fastnn"]
                for who, ratio in beside:
                    ratios.setdefault((name, who), []).append(ratio)
                told = "  ".join(f"{who} {ratio:5.2f}x" for who, ratio in beside)
                print(f"{layer!s:46} {name:15} {ours * 1e3:8.2f} ms {share:5.2f}  {told}", flush=True)
        for (name, who), values in ratios.items():
            mean = statistics.geometric_mean(values)
            print(f"{title}, {name}: {who} takes {mean:.2f} times as long, at least {min(values):.2f}")
    if args.json:
        report = {"machine": about, "roof": roof.plain(), "rows": rows}
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
