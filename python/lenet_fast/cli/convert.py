"""`lenet-fast convert`: a model of any trainer into our own file, .npz or ONNX."""

from __future__ import annotations

import argparse

from ..weights.saving import checked_path
from .source import add_options, read, wishes_of


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this subcommand."""
    parser = commands.add_parser(
        "convert",
        help="write a model of any trainer as safetensors, .npz or ONNX",
        description="Read a model of any trainer and write it by the ending of OUT: .safetensors, .npz or .onnx. The result says everything, so that lenet_fast.load needs nothing but its name.",
    )
    parser.add_argument("file", metavar="IN", help="a model file, or the name of a bundled model")
    parser.add_argument("out", metavar="OUT", help="where to write")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Read, write, and say what was read."""
    checked_path(options.out)
    imported = read(options.file, wishes_of(options))
    imported.model.save(options.out)
    print(f"{options.file} ({imported.format}) -> {options.out}: {imported.model!r}")
