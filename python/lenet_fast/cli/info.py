"""`lenet-fast info`: what the package runs on."""

from __future__ import annotations

import argparse

from ..machine import info


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this subcommand."""
    parser = commands.add_parser("info", help="show version, compiler, instruction sets and threads")
    parser.set_defaults(run=lambda options: run())


def run() -> None:
    """Print one line per fact."""
    for name, value in info().items():
        print(f"{name:<15} {', '.join(value) if isinstance(value, tuple) else value}")
