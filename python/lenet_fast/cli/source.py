"""Which model a command means: the name of a bundled one, or a file and what the file itself may not say."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..networks import TEMPLATES
from ..pretrained import pretrained
from ..weights.build import Imported, Wishes
from ..weights.loading import read_model
from ..weights.mapping.answers import DENSE, FRACTION_BITS, KERNELS, Answers

SCALINGS = "unit, mnist, symmetric, lecun, raw, zscore, as-is"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --network and its like."""
    group = parser.add_argument_group("what weights without a graph do not say")
    group.add_argument("--network", metavar="NAME", help=", ".join(TEMPLATES))
    group.add_argument("--preprocess", metavar="NAME", help=f"how training scaled pixels: {SCALINGS}")
    group.add_argument("--activation", metavar="NAME", help="relu, leaky_relu, tanh, scaled_tanh, sigmoid")
    group.add_argument("--pooling", metavar="NAME", help="max, average, trainable")
    group.add_argument("--padding", metavar="N[,N]", type=_padding, help="of the first, or of both convolutions")
    group.add_argument("--slope", metavar="S", type=float, help="of leaky_relu below zero")
    group.add_argument("--flatten", metavar="ORDER", choices=("CHW", "HWC"), help="CHW (PyTorch) or HWC (Keras)")
    group.add_argument("--coefficients", metavar="OF", choices=("sum", "mean"), help="of trainable subsampling")
    group.add_argument(
        "--compact", metavar="ORDER", choices=("ascending", "wrapped"), help="of C3's kernels without gaps"
    )
    group.add_argument(
        "--fraction-bits", metavar="N", type=int, choices=FRACTION_BITS, help="0 to 15, of words of 16 bits"
    )
    group.add_argument("--kernels", metavar="ORDER", choices=KERNELS, help=f"of their axes: {', '.join(KERNELS)}")
    group.add_argument("--dense", metavar="ORDER", choices=DENSE, help="of full connections: OI or IO")


def wishes_of(options: argparse.Namespace) -> Wishes:
    """The options as `lenet_fast.load` takes them."""
    given: dict[str, Any] = {key: getattr(options, key) for key in ("activation", "pooling", "padding", "slope")}
    variations = {key: value for key, value in given.items() if value is not None}
    answers = Answers(**{one.name: getattr(options, one.name) for one in fields(Answers)})
    return Wishes(options.network, options.preprocess, variations, answers)


def read(name: str, wishes: Wishes | None = None) -> Imported:
    """The model in a file, or the bundled one of this name where there is no such file."""
    if Path(name).exists():
        return read_model(name, wishes)
    if name not in pretrained():
        raise ValueError(f"{name}: wanted a model file, or one of {', '.join(pretrained())}, found neither")
    if wishes not in (None, Wishes()):
        raise ValueError(f"{name}: wanted a bundled model as it is, found options that say what it is; leave them out")
    return Imported(pretrained(name), "bundled", {})


def _padding(text: str) -> tuple[int, int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"wanted N or N,N, found {text!r}") from None
    if len(numbers) > 2:
        raise argparse.ArgumentTypeError(f"wanted N or N,N, found {text!r}")
    return (numbers[0], numbers[1] if len(numbers) > 1 else 0)
