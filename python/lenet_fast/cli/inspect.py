"""`lenet-fast inspect`: layers, preprocessing and source names of a model in any file."""

from __future__ import annotations

import argparse

from ..pretrained import pretrained
from ..weights import read_model
from .source import add_options, wishes_of


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this subcommand."""
    parser = commands.add_parser(
        "inspect",
        help="show the layers of a model, its preprocessing, and where each tensor came from",
        description="Show the layers of a model with parameter and connection counts, what it does to pixels, the "
        "source "
        "name of every tensor, and its card.",
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="a model file (default: the bundled digits model)")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print the table, the source names, then the model's card."""
    if not options.file:
        model, origin = pretrained("digits"), {}
    else:
        imported = read_model(options.file, wishes_of(options))
        model, origin = imported.model, dict(imported.sources)
        print(f"{options.file}: {imported.format}\n")
    print(model.summary())
    for facts in (origin, dict(model.card)):
        if facts:
            print()
            width = max(map(len, facts))
            for name, text in facts.items():
                print(f"{name:<{width}}  {text}")
