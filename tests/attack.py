"""Load every prefix and every altered byte of one file, in a process of its own: `python attack.py FILE OPTIONS`.

Prints JSON: how many loads, how much the memory grew at most (MiB), and every outcome that is neither a model, nor
WeightsError, nor the install line of a package that the altered file seems to want. A crash of the process is for its
caller to see, and so is a file that keeps a reader busy for ever: the system ends the process then.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import warnings
from pathlib import Path

import lenet_fast
from lenet_fast import Conv5x5, Dense, Network, Subsample2x2

#: A network small enough that its files have few bytes.
SMALL = Network((1, 8, 8), (Conv5x5(1, "tanh"), Subsample2x2("average"), Dense(2)), "scores")
FIRST = 4096  # bytes whose bits are flipped
ENOUGH = 60  # seconds of this process's own time for one load, which takes milliseconds; others' work does not count


def altered(data, every):
    """Every prefix, and every single-bit flip of the first bytes; one of `every` of each."""
    yield from ((f"prefix {n}", data[:n]) for n in range(0, len(data), every))
    for n, bit in ((n, bit) for n in range(min(FIRST, len(data))) for bit in range(8)):
        if (8 * n + bit * (n + 1)) % every == 0:
            yield f"bit {bit} of byte {n}", data[:n] + bytes([data[n] ^ 1 << bit]) + data[n + 1 :]


def attack(path, options, every):
    data = path.read_bytes()
    if options.get("network") == "small":
        options["network"] = SMALL
    lenet_fast.load(path, **options)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count, models, wrong = 0, 0, []
    for what, content in altered(data, every):
        path.write_bytes(content)
        signal.setitimer(signal.ITIMER_PROF, ENOUGH)
        try:
            lenet_fast.load(path, **options)
            models += 1
        except lenet_fast.WeightsError as error:
            if not str(error).startswith(str(path)) or len(str(error)) > 2000:
                wrong.append(f"{what}: {str(error)[:200]}")
        except BaseException as error:
            if not (isinstance(error, ImportError) and "pip install" in str(error)):
                wrong.append(f"{what}: {error!r:.200}")
        count += 1
    signal.setitimer(signal.ITIMER_PROF, 0)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"loads": count, "models": models, "grown": grown, "wrong": wrong[:5]}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    attack(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]))
