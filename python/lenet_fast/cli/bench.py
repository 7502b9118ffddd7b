"""`lenet-fast bench`: speed on this machine, against its own peak and against other runtimes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from ..bench.contest import BATCHES, IMAGES, Row, compete
from ..bench.peak import multiply_adds_per_second
from ..bench.peers import PEERS
from ..bench.plot import require_matplotlib, write_plot
from ..bench.report import heading, line, missing, write_json
from ..bench.subjects import REFERENCES, subject
from ..model import Model
from ..pretrained import pretrained


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this subcommand."""
    parser = commands.add_parser(
        "bench",
        help="measure speed, alone or beside other runtimes",
        description="Measure images per second, the share of this machine's multiply-add peak and, with --vs, the ratio to the best of other runtimes: same weights, same threads, answers compared first, rounds interleaved, each runtime at its best setting. Start with: lenet-fast bench --batches 1,256 --threads 1",
    )
    parser.add_argument(
        "model",
        nargs="*",
        default=list(REFERENCES),
        help=f"one of {', '.join(REFERENCES)} (default: all of these), a model file, or a bundled model: {', '.join(pretrained())}",
    )
    parser.add_argument(
        "--vs",
        metavar="PEERS",
        type=_peers,
        default=[],
        help=f"other runtimes, with commas between them: {', '.join(PEERS)}, or all (pip install 'lenet-fast[bench]')",
    )
    parser.add_argument(
        "--batches",
        metavar="N,N",
        type=_counts(IMAGES),
        default=list(BATCHES),
        help=f"images per call, 1 to {IMAGES} (default: {','.join(map(str, BATCHES))})",
    )
    parser.add_argument("--threads", metavar="N,N", type=_counts(65_536), default=[1, 2], help="default: 1,2")
    parser.add_argument("--rounds", metavar="N", type=_count, default=7, help="counted rounds (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", type=_file, help="write every figure there")
    parser.add_argument("--plot", metavar="FILE", type=_picture, help="draw the speeds there (.png, .svg, .pdf)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print the tables as they are measured, then write what was asked for, also of a run that is interrupted."""
    if options.plot:
        require_matplotlib()
    subjects = {name: subject(name) for name in options.model}
    here = [name for name in options.vs if PEERS[name].version()]
    if note := missing(options.vs):
        print(note)
    peak = multiply_adds_per_second(rounds=31)
    tables: dict[str, tuple[Model, list[Row]]] = {}
    try:
        for name, model in subjects.items():
            for row in compete(model, here, options.batches, options.threads, options.rounds):
                rows = tables.setdefault(name, (model, []))[1]
                if not rows or rows[-1].threads != row.threads:
                    print(heading(name, model, row, peak, bool(here)))
                print(line(row), flush=True)
                rows.append(row)
    finally:
        if options.json and tables:
            write_json(options.json, tables, here)
        if options.plot and tables:
            write_plot(options.plot, tables, peak)


def _count(text: str) -> int:
    return _whole(text, 1000, "a whole number")


def _counts(most: int) -> Callable[[str], list[int]]:
    return lambda text: list(dict.fromkeys(_whole(part, most, "whole numbers") for part in text.split(",")))


def _whole(text: str, most: int, what: str) -> int:
    if not text.strip().isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"wanted {what} from 1 to {most}, found {text!r}")
    return int(text)


def _file(text: str) -> Path:
    path = Path(text)
    if not path.parent.is_dir() or path.is_dir():
        raise argparse.ArgumentTypeError(f"wanted a file in a folder that exists, found {text!r}")
    return path


def _picture(text: str) -> Path:
    if Path(text).suffix not in (".png", ".svg", ".pdf"):
        raise argparse.ArgumentTypeError(f"wanted a name that ends in .png, .svg or .pdf, found {text!r}")
    return _file(text)


def _peers(text: str) -> list[str]:
    names = list(PEERS) if text == "all" else [name.strip() for name in text.split(",")]
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"wanted {', '.join(PEERS)} or all, found {name!r}")
    return names
