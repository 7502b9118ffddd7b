"""`lenet-fast inspect`: layers, preprocessing and source names of a model in any file."""

from __future__ import annotations

import argparse

from ..pretrained import pretrained
from .source import add_options, read, wishes_of


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this subcommand."""
    parser = commands.add_parser(
        "inspect",
        help="show the layers of a model, its preprocessing, and where each tensor came from",
        description="Show the layers of a model with parameter and connection counts, what it does to pixels, the source name of every tensor, its calibration and its card.",
    )
    parser.add_argument(
        "file",
        nargs="?",
        default="digits",
        metavar="FILE",
        help=f"a model file, or a bundled model: {', '.join(pretrained())} (default: %(default)s)",
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print the table, the source names, then the model's card."""
    imported = read(options.file, wishes_of(options))
    model = imported.model
    print(f"{options.file}: {imported.format}\n\n{model.summary()}")
    if model.calibration:
        print(f"\n{model.calibration}")
    for facts in (imported.sources, model.card):
        if facts:
            print()
            width = max(map(len, facts))
            for name, text in facts.items():
                print(f"{name:<{width}}  {text}")
