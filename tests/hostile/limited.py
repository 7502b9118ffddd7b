"""Load files, each in a process of its own under limits: `python limited.py` reads {"path", "options"} line by line.

With "images" a file's bytes become images instead; "seconds" is the limit.
Everything that reading needs is imported once, then every file gets a fork, so that what is counted is the load alone.
Prints an `Outcome` as JSON for each line.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
SECONDS, MEMORY = 15, 4 << 30
_LONGEST = 1 << 20  # characters of a sentence that are told
#: Packages that the readers import when a file wants them, and modules of theirs that they use.
_PACKAGES = (
    "numpy.ma h5py onnx onnx.checker onnx.inliner onnx.numpy_helper tflite msgpack PIL.Image zipfile lzma bz2".split()
)
_PROTOBUF = "text_format message_factory descriptor_pb2 descriptor_pool".split()


@dataclass(frozen=True)
class Outcome:
    """How a load ended: "model", "refused" (WeightsError), "foreign" (another exception) or "killed"."""

    ended: str
    said: str = ""
    kind: str = ""
    resource: str = ""
    seconds: float = 0.0
    grown: float = 0.0  # MiB of the peak


def imported() -> None:
    """Import the package and whatever its readers import, as far as it is installed."""
    import lenet_fast.weights as readers

    root = Path(readers.__file__).parent
    modules = [path.relative_to(root).with_suffix("") for path in root.rglob("*.py") if path.stem != "__init__"]
    own = [f"lenet_fast.weights.{'.'.join(module.parts)}" for module in modules]
    for name in [*own, "attack", *_PACKAGES, *(f"google.protobuf.{name}" for name in _PROTOBUF)]:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def loading(path: str, options: Mapping[str, Any]) -> Callable[[], str]:
    """What loads a file."""
    import lenet_fast

    return lambda: repr(lenet_fast.load(path, **wished(options)))


def looking(path: str) -> Callable[[], str]:
    """What takes a file's bytes as images (`pictures`)."""
    from hostile import pictures

    return lambda: pictures.predicted(Path(path).read_bytes())


def attempt(work: Callable[[], str], *, strict: bool = True) -> Outcome:
    """Do something in this process; `strict` makes warnings errors."""
    import lenet_fast

    before, started = _peak(), time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error" if strict else "ignore")
            said, error = work(), None
    except BaseException as failure:  # whatever it is, it is told
        error = failure
    seconds, grown = time.perf_counter() - started, (_peak() - before) / 1024
    if error is None:
        return Outcome("model", said, seconds=seconds, grown=grown)
    ended = "refused" if isinstance(error, lenet_fast.WeightsError) else "foreign"
    name = str(getattr(error, "resource", ""))
    return Outcome(ended, str(error)[:_LONGEST], type(error).__name__, name, seconds, grown)


def wished(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options with the network that the seeds have, where they call it "small"."""
    from attack import SMALL

    return {key: SMALL if value == "small" else value for key, value in options.items()}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def limited(work: Callable[[], str], *, seconds: float = SECONDS, strict: bool = True) -> Outcome:
    """Do something in a fork that may take so many seconds of its own, twice as many by the clock, and `MEMORY` of address space."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _told(writing, work, seconds, strict)
    os.close(writing)
    started = time.perf_counter()
    text, is_late = _received(reading, 2 * seconds)
    if is_late:
        os.kill(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    if text:
        return Outcome(**json.loads(text))
    by = "the clock" if is_late else signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "exit"
    by = f"{seconds:g} s of processor time" if by == "SIGXCPU" else by
    grown = (used.ru_maxrss - _peak()) / 1024
    return Outcome("killed", by, seconds=time.perf_counter() - started, grown=max(0.0, grown))


def _told(writing: int, work: Callable[[], str], seconds: float, strict: bool) -> None:
    """What the fork does: it never returns."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 1))
        os.write(writing, json.dumps(asdict(attempt(work, strict=strict))).encode())
    finally:
        os._exit(0)


def _received(reading: int, seconds: float) -> tuple[str, bool]:
    """All that comes out of a pipe, and whether that took longer than so many seconds."""
    until, parts = time.perf_counter() + seconds, []
    with os.fdopen(reading, "rb") as stream:
        while (left := until - time.perf_counter()) > 0:
            if select.select([stream], [], [], left)[0]:
                parts.append(os.read(stream.fileno(), 1 << 16))
                if not parts[-1]:
                    return b"".join(parts).decode(), False
    return "", True


def main() -> None:
    """Answer every line of standard input."""
    imported()
    for line in sys.stdin:
        asked = json.loads(line)
        work = looking(asked["path"]) if asked.get("images") else loading(asked["path"], asked["options"])
        print(json.dumps(asdict(limited(work, seconds=asked.get("seconds", SECONDS)))), flush=True)


if __name__ == "__main__":
    main()
