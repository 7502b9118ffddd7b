"""`lenet-fast verify`: which network, layout and scaling gives the trainer's outputs."""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..idx import looks_like_idx, parse_idx
from ..weights.checking.verify import SHOWN, Verdict
from ..weights.files import File
from ..weights.loading import verify_file
from ..weights.saving import checked_path
from .source import add_options, wishes_of


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this subcommand."""
    parser = commands.add_parser(
        "verify",
        help="find the network, layout and scaling that give a trainer's outputs",
        description="Try every network, order of axes and scaling that fits the file, and name the one that reproduces the trainer's outputs or labels for some images. What the options say is not varied; a network's name leaves its activation and pooling open.",
    )
    parser.add_argument("file", metavar="FILE", help="a model file")
    parser.add_argument("--images", metavar="X", required=True, help="images, .npy or IDX")
    parser.add_argument("--expected", metavar="Y", required=True, help="the trainer's outputs or labels, .npy or IDX")
    parser.add_argument("--save", metavar="OUT", help="write the model found: .safetensors, .npz or .onnx")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print the readings, best first; ValueError if none reproduces the outputs."""
    if options.save:
        checked_path(options.save)  # before minutes of work
    images, expected = _array(options.images), _array(options.expected)
    verdict = verify_file(
        options.file, wishes_of(options), images, expected, _progress if sys.stderr.isatty() else None
    )
    print(_table(verdict))
    found = verdict.best(options.file)
    print(f"\n{options.file} is {found.model!r}: {found.model.card['checked']}")
    if options.save:
        found.model.save(options.save)
        print(f"written to {options.save}")


def _progress(done: int, of: int) -> None:
    """A line that is gone at the end."""
    ending = "\r\033[K" if done + 1 == of else "\r"
    print(f"reading {done + 1} of {of}", end=ending, file=sys.stderr, flush=True)


def _table(verdict: Verdict) -> str:
    """The readings that reproduce the outputs, or come nearest."""
    shown = verdict.findings[:SHOWN]
    lines = [f"{one.error:9.1e}  {'yes' if one.reproduces else 'no':10}  {one}" for one in shown]
    rest = [f"and {verdict.tried - len(shown)} more"] if verdict.tried > len(shown) else []
    return "\n".join([f"{'error':>9}  {'reproduces':10}  reading", *lines, *rest])


def _array(name: str) -> NDArray[Any]:
    data = File.open(Path(name)).data
    if looks_like_idx(data[:4]):
        return parse_idx(data, name)
    try:
        array: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, MemoryError, OSError) as error:
        way_out = "write it with numpy.save"
        raise ValueError(
            f"{name}: wanted a .npy array of numbers or an IDX file, found something else; {way_out}"
        ) from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name}: wanted a .npy array, found an archive of several; pass one of them")
    return array
