"""What loading each crafted file takes: `python tests/hostile/measure.py [--csv FILE] [--seconds 15] [NAME ...]`.

Every file is written into a folder of its own and loaded in a fork under limits; `seconds` and `MiB` are of the load
alone. A NAME may be the beginning of several.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from hostile import limited
from hostile.crafted import CASES
from hostile.limited import Outcome

COLUMNS = ("name", "attacks", "bytes", "seconds", "MiB", "outcome")


def size_of(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def told(outcome: Outcome, folder: str) -> str:
    """How it ended, in one short line without the temporary folder's name."""
    said = outcome.said.replace(folder, "").encode("ascii", "backslashreplace").decode().replace("\n", " ")
    return {
        "model": f"model {said}",
        "refused": f"WeightsError{f' ({outcome.resource})' if outcome.resource else ''}: {said}",
        "foreign": f"foreign {outcome.kind}: {said}",
        "killed": f"killed by {said}",
    }[outcome.ended][:100]


def row(name: str, seconds: float) -> tuple[str, ...]:
    """Write one file, load it, and say what that took."""
    case = CASES[name]
    if missing := case.missing():
        return name, case.attacks, "", "", "", f"{missing[0]} is not installed"
    with tempfile.TemporaryDirectory() as folder:
        path = case.made(Path(folder))
        outcome = limited.limited(limited.loading(str(path), case.options), seconds=seconds)
        size = size_of(Path(folder))
        return name, case.attacks, f"{size:,}", f"{outcome.seconds:.2f}", f"{outcome.grown:.0f}", told(outcome, folder)


def main() -> None:
    """Measure, and print a line after each file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--seconds", type=float, default=limited.SECONDS)
    given = parser.parse_args()
    names = [name for name in CASES if not given.names or name.startswith(tuple(given.names))]
    limited.imported()
    width = max(map(len, names))
    rows = [COLUMNS]
    print(f"{'name':{width}}  {'attacks':9}  {'bytes':>10}  {'seconds':>7}  {'MiB':>6}  outcome")
    for name in names:
        rows.append(row(name, given.seconds))
        _, attacks, size, seconds, grown, outcome = rows[-1]
        print(f"{name:{width}}  {attacks:9}  {size:>10}  {seconds:>7}  {grown:>6}  {outcome}", flush=True)
    if given.csv:
        with given.csv.open("w", newline="") as stream:
            csv.writer(stream).writerows(rows)


if __name__ == "__main__":
    main()
