"""The command ``fastnn``: train, predict, info, bench.

Results go to standard output, progress and complaints to standard error. Exit codes: 0 for success, 1 for failure,
2 for wrong usage, 130 for Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import _config, _dispatch, _env
from .train import recipes

FAILURES = (OSError, ValueError, LookupError, RuntimeError, ArithmeticError, ImportError, MemoryError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default.

    Examples
    --------
    >>> from fastnn import cli
    >>> cli.main(["predict", "no-such-file.safetensors"])
    1
    """
    parser = arguments()
    args, rest = parser.parse_known_args(argv)
    if rest and args.run is not bench:
        args.parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if args.run is train:
        if (args.dataset == "mnist") != (args.data is not None):
            args.parser.error("--data FOLDER, the folder of its files, is for mnist, which wants it")
        if args.width if args.model == "mlp" else args.hidden:
            args.parser.error("--hidden is for mlp, --width for the other models")
    args.rest = rest
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("fastnn: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output has left; what is still to be flushed at exit goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except FAILURES as error:
        print(f"fastnn: {error}", file=sys.stderr)
        return 1


def whole(text: str) -> int:
    """A whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"wants a whole number of at least 1; got {text}")
    return number


def seed(text: str) -> int:
    """A whole number from 0 to 2**64 - 1."""
    number = int(text)
    if not 0 <= number < 1 << 64:
        raise argparse.ArgumentTypeError(f"wants 0 <= seed < 2**64; got {text}")
    return number


def positive(text: str) -> float:
    """A number above 0."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"wants a number above 0; got {text}")
    return number


def arguments() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        "fastnn", description="Neural networks on the CPU: train one, use it, look inside."
    )
    parser.add_argument("--version", action="version", version=f"fastnn {_config.version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    sub = commands.add_parser("train", help="train a network on a data set", description=train.__doc__)
    sub.set_defaults(run=train, parser=sub)
    sub.add_argument("dataset", metavar="DATASET", choices=recipes.DATASETS, help=" or ".join(recipes.DATASETS))
    sub.add_argument("--model", choices=recipes.MODELS, default="mlp", help="the kind of network (default: mlp)")
    sub.add_argument(
        "--hidden", type=whole, nargs="+", metavar="N", help="sizes of the hidden layers of mlp (default: 128 64)"
    )
    sub.add_argument("--width", type=whole, metavar="N", help="channels of the first convolution of other models")
    sub.add_argument("--epochs", type=whole, metavar="N", help="how often to go through the data")
    sub.add_argument("--batch-size", type=whole, metavar="N", help="samples in a step")
    sub.add_argument("--lr", type=positive, metavar="X", help="learning rate at the start")
    sub.add_argument("--optimizer", choices=recipes.OPTIMIZERS, default="adam", help="default: adam")
    sub.add_argument("--backend", choices=_env.BACKEND_CHOICES, help="default: FASTNN_BACKEND, or the fastest")
    sub.add_argument(
        "--threads", type=whole, metavar="N", help="default: FASTNN_NUM_THREADS, or one for each processor"
    )
    sub.add_argument("--seed", type=seed, default=0, metavar="N", help="of split, weights and order (default: 0)")
    sub.add_argument("--output", metavar="FILE", help="where to save the network (default: DATASET-MODEL.safetensors)")
    sub.add_argument("--plot", metavar="FILE", help="write the learning curves as a picture (.png)")
    sub.add_argument("--quiet", action="store_true", help="print the result alone")
    sub.add_argument("--data", metavar="FOLDER", help="where the files of mnist are")

    sub = commands.add_parser("predict", help="use a trained network", description=predict.__doc__)
    sub.set_defaults(run=predict, parser=sub)
    sub.add_argument("file", metavar="FILE", nargs="?", default="digits-mlp.safetensors", help="default: %(default)s")
    sub.add_argument("--quiet", action="store_true", help="print the result alone")
    sub.add_argument("--count", type=whole, default=10, metavar="N", help="how many samples (default: 10)")
    sub.add_argument("--backend", choices=_env.BACKEND_CHOICES, help="default: FASTNN_BACKEND, or the fastest")
    sub.add_argument("--data", metavar="FOLDER", help="where the files of mnist are")
    sub.add_argument(
        "--plot",
        metavar="FILE",
        help="write the samples with what is predicted, wrong ones in red, as a picture (.png)",
    )
    sub.add_argument(
        "--plot-filters",
        metavar="FILE",
        help="write what the first layer weighs, the filters of a convolution, as a picture (.png)",
    )

    sub = commands.add_parser("info", help="show versions, backends and settings", description=info.__doc__)
    sub.set_defaults(run=info, parser=sub)
    sub.add_argument("--ops", action="store_true", help="name the kernels that run in NumPy, too")

    sub = commands.add_parser("bench", help="run the benchmarks of a source checkout", description=bench.__doc__)
    sub.set_defaults(run=bench, parser=sub)
    sub.add_argument("--root", type=Path, default=Path(), metavar="FOLDER", help="the checkout (default: this folder)")
    sub.add_argument("--figures", action="store_true", help="print what is asked of the speed beside what is measured")
    return parser


def train(args: argparse.Namespace) -> int:
    """Train a network, say how good it is on data that it did not see, and save it."""
    if args.backend:
        _dispatch.set_backend(args.backend)
    if args.threads:
        _config.set_num_threads(args.threads)
    recipe = recipes.Recipe.of(
        args.dataset,
        model=args.model,
        hidden=args.hidden,
        width=args.width,
        epochs=args.epochs,
        batch_size=args.batch_size,
        lr=args.lr,
        optimizer=args.optimizer,
        seed=args.seed,
    )
    return recipes.train(
        recipe, args.output or f"{args.dataset}-{args.model}.safetensors", args.plot, args.data, args.quiet
    )


def predict(args: argparse.Namespace) -> int:
    """Show what a network that 'fastnn train' saved makes of samples that it was not trained on."""
    if args.backend:
        _dispatch.set_backend(args.backend)
    return recipes.predict(args.file, args.count, args.data, args.plot, args.plot_filters, args.quiet)


def info(args: argparse.Namespace) -> int:
    """Show versions, backends, instruction sets, threads, NumPy's BLAS and caches."""
    _config.show_config(ops=args.ops)
    return 0


def bench(args: argparse.Namespace) -> int:
    """Run the benchmarks of a source checkout. More options: --list, --quick, --json FILE, --html FILE and others."""
    script = args.root / "bench" / ("figures.py" if args.figures else "runner.py")
    if not script.is_file():
        raise FileNotFoundError(
            f"no {script}: benchmarks come with fastnn's source code; clone its repository and run there, or name the "
            "folder by --root"
        )
    return subprocess.run([sys.executable, str(script), *args.rest], check=False).returncode
