"""Coverage-guided fuzzing of each reader: `python tests/hostile/fuzz.py TARGET [--seconds 60]`, or `all`.

Needs atheris (pip install atheris). Each target runs in a process of its own under libFuzzer's limits. What is neither
a model, nor WeightsError, nor the install line of a package is a find: its input goes into finds/TARGET/, once for
each exception and place, and `test_hostile.py` loads it from then on. Where the input hangs, ends the process or takes
too much memory, libFuzzer writes it there itself, and fuzzing goes on in a new process.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
FINDS = Path(__file__).parent / "finds"
IMAGES = "images"
SLOWEST, LARGEST = 10, 2048  # seconds, and MiB, of one input
_LONGEST = 1 << 16  # bytes of an input
_MOST_STARTS = 20
sys.path[:0] = [str(TESTS), *(str(TESTS / "weights" / room) for room in ("arrays", "graphs"))]


# --- one input ---


def behind_the_door(path: Path, reader: str, options: dict[str, Any]) -> object:
    """Read and build a file as `load` does, by the reader that is meant, whatever the file begins with."""
    from hostile import limited
    from lenet_fast.budget import spending
    from lenet_fast.errors import inside
    from lenet_fast.weights import build, sniff
    from lenet_fast.weights.files import File
    from lenet_fast.weights.mapping.answers import Answers

    options = limited.wished(options)
    wishes = build.Wishes(
        options.get("network"), answers=Answers(options.get("flatten"), fraction_bits=options.get("fraction_bits"))
    )
    form = next((form for form in sniff.FORMATS if form.name == reader), None)
    with spending():
        with inside(str(path)):
            source = form.read(File.open(path)) if form else sniff.read(path)
        return build.build(source, wishes, str(path))


def _read(name: str, folder: Path) -> Callable[[bytes], object]:
    """What one target does with an input."""
    if name == IMAGES:
        from hostile import pictures

        return pictures.predicted
    from hostile.targets import TARGETS

    target = TARGETS[name]

    def read(data: bytes) -> object:
        return behind_the_door(target.made(folder, data), target.reader, dict(target.options))

    return read


def _is_fine(error: BaseException) -> bool:
    from lenet_fast import WeightsError

    return isinstance(error, WeightsError) or (isinstance(error, ImportError) and "pip install" in str(error))


def _place(error: BaseException) -> str:
    """The exception and the last line of ours that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "lenet_fast" in frame.filename] or list(frames)
    return f"{type(error).__name__}-{Path(own[-1].filename).stem}-{own[-1].lineno}" if own else type(error).__name__


class _Finds:
    """Inputs that ended otherwise than they may, one of each place."""

    def __init__(self, folder: Path, read: Callable[[bytes], object]) -> None:
        self._folder, self._read = folder, read
        self._seen = {path.name.rpartition("-")[0] for path in folder.glob("*")}

    def __call__(self, data: bytes) -> None:
        try:
            self._read(data)
        except Exception as error:
            if not _is_fine(error):
                self._keep(data, error)

    def _keep(self, data: bytes, error: Exception) -> None:
        place = _place(error)
        if place not in self._seen:
            self._seen.add(place)
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / f"{place}-{hashlib.sha256(data).hexdigest()[:8]}").write_bytes(data)
            print(f"find: {place}: {error!r:.200}", flush=True)


# --- one process ---


def run(name: str, finds: Path, arguments: list[str]) -> None:
    """Fuzz one target in this process; libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=["lenet_fast"], enable_loader_override=False):
        from hostile import limited

        limited.imported()
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as folder:
        atheris.Setup([sys.argv[0], *arguments], _Finds(finds, _read(name, Path(folder))))
        atheris.Fuzz()


def seeds(name: str, folder: Path) -> None:
    """Write the inputs to begin with: files of the real trainers, and crafted ones that only look strange."""
    if name == IMAGES:
        (folder / "seed").write_bytes(bytes(range(64)))
        return
    from hostile.targets import TARGETS

    target = TARGETS[name]
    for number, file in enumerate(target.seeds or ("",)):
        with contextlib.suppress(ImportError), tempfile.TemporaryDirectory() as room:
            path = Path(room) / file
            if not file or _written(file, path):
                (folder / f"seed{number}").write_bytes(target.begun(path))


def _written(name: str, path: Path) -> bool:
    """Whether one of the files of `test_hostile.py` could be written."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    sys.path.append(str(TESTS / "weights"))
    import numpy as np
    import pytest
    import reference
    import test_hostile
    from attack import SMALL
    from trainers import Variant

    variant = Variant(SMALL, weights=reference.random_weights(SMALL, np.random.default_rng(1)))
    with contextlib.suppress(pytest.skip.Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        test_hostile.FILES[name](variant, path)
        return True
    return False


# --- many processes ---


@dataclass
class Sum:
    """What came of one target."""

    executions: int = 0
    edges: int = 0
    finds: int = 0
    starts: int = 0


def fuzzed(name: str, seconds: float) -> Sum:
    """Fuzz a target for so long, in as many processes as that takes."""
    total, until, finds = Sum(), time.monotonic() + seconds, FINDS / name
    before = set(finds.glob("*"))
    with tempfile.TemporaryDirectory() as room:
        corpus = Path(room) / "corpus"
        corpus.mkdir()
        _in_a_process("seeds", name, str(corpus))
        until = max(until, time.monotonic() + seconds)
        while (left := int(until - time.monotonic())) >= 1 and total.starts < _MOST_STARTS:
            _add(total, _in_a_process("run", name, *_limits(name, left, Path(room), finds), str(corpus)))
    total.finds = len(set(finds.glob("*")) - before)
    return total


def _in_a_process(*arguments: str) -> str:
    command = [sys.executable, "-W", "ignore", __file__, "--inside", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    text = done.stdout + done.stderr
    sys.stdout.write("".join(f"  {line}\n" for line in text.splitlines() if line.startswith(("find:", "Traceback"))))
    return text


def _limits(name: str, seconds: int, room: Path, finds: Path) -> list[str]:
    """Arguments of libFuzzer."""
    finds.mkdir(parents=True, exist_ok=True)
    words = room / "words"
    words.write_text("".join(f'"{_escaped(token)}"\n' for token in _tokens(name)))
    dictionary = [f"-dict={words}"] * bool(words.stat().st_size)  # libFuzzer refuses an empty one
    return [
        *dictionary,
        f"-timeout={SLOWEST}", f"-rss_limit_mb={LARGEST}", f"-max_total_time={seconds}", f"-max_len={_LONGEST}",
        f"-artifact_prefix={finds}/", "-print_final_stats=1", "-len_control=0", "-verbosity=1",
    ]  # fmt: skip


def _tokens(name: str) -> Iterator[bytes]:
    if name == IMAGES:
        return
    from hostile.targets import TARGETS

    for token in TARGETS[name].tokens:
        yield token if isinstance(token, bytes) else token.encode()


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


def _add(total: Sum, text: str) -> None:
    """What libFuzzer says of one process."""
    counts = [int(n) for n in re.findall(r"^#(\d+)\s", text, re.M)]
    counts += [int(n) for n in re.findall(r"number_of_executed_units: (\d+)", text)]
    total.executions += max(counts, default=0)
    total.edges = max([total.edges, *(int(n) for n in re.findall(r"\bcov: (\d+)", text))])
    total.starts += 1
    if not total.executions:
        raise RuntimeError(f"nothing was executed: {text[-2000:]}")


def main() -> None:
    """Fuzz what is named, and print a row for each target."""
    if sys.argv[1:2] == ["--inside"]:
        kind, name, *rest = sys.argv[2:]
        if kind == "seeds":
            seeds(name, Path(rest[0]))
        else:
            run(name, FINDS / name, rest)
        return
    from hostile.targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=["all", *TARGETS, IMAGES])
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    names = [*TARGETS, IMAGES] if given.target == "all" else [given.target]
    print(f"{'target':14}  {'executions':>10}  {'edges':>6}  {'finds':>5}  {'starts':>6}")
    for name in names:
        total = fuzzed(name, given.seconds)
        print(f"{name:14}  {total.executions:>10,}  {total.edges:>6,}  {total.finds:>5}  {total.starts:>6}", flush=True)


if __name__ == "__main__":
    main()
