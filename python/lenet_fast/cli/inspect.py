"""`lenet-fast inspect`: the summary table of a model."""

from __future__ import annotations

import argparse

from ..pretrained import pretrained
from ..weights import load


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this subcommand."""
    parser = commands.add_parser("inspect", help="show the layers of a model, with parameter and connection counts")
    parser.add_argument("file", nargs="?", metavar="FILE", help="a model file (default: the bundled digits model)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print the table, then the model's card."""
    model = load(options.file) if options.file else pretrained("digits")
    print(model.summary())
    if model.card:
        print()
        width = max(map(len, model.card))
        for name, text in model.card.items():
            print(f"{name:<{width}}  {text}")
