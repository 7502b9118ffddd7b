"""The `lenet-fast` command: one file per subcommand."""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Sequence

from .. import __version__
from . import bench, convert, info, inspect, predict, verify


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 1 (130: interrupted) with one sentence on stderr."""
    parser = argparse.ArgumentParser(
        prog="lenet-fast", description="LeNet-5 and its family on a CPU: fast, exact and careful."
    )
    parser.add_argument("--version", action="version", version=f"lenet-fast {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (predict, bench, inspect, convert, verify, info):
        command.add_to(commands)
    options = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show is no reason to stop
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = lambda message, *_: print(f"lenet-fast: warning: {message}", file=sys.stderr)
            options.run(options)
        if sys.stdout:
            sys.stdout.flush()
    except KeyboardInterrupt:
        print("lenet-fast: interrupted", file=sys.stderr)
        return 130  # what a shell says of SIGINT
    except BrokenPipeError:  # the reader, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, TypeError, ValueError, ImportError) as error:
        print(f"lenet-fast: {error}", file=sys.stderr)
        return 1
    return 0
