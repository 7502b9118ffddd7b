"""What the package runs on."""

from __future__ import annotations

from operator import index
from typing import Any

from ._core import (
    __version__,
    available_isas,
    chosen_isa,
    commit,
    compiler,
    num_threads,
)
from ._core import set_num_threads as set_threads_of_core


def info() -> dict[str, Any]:
    """Return version, commit, compiler, the chosen and the available instruction sets, and the number of threads.

    The commit is that of the checkout that was built, "unknown" where there was none.
    LENET_FAST_ISA forces an instruction set, LENET_FAST_NUM_THREADS or `set_num_threads` the number of threads.

    Raises
    ------
    ValueError
        If one of these variables asks for what is not there.
    """
    return {
        "version": __version__,
        "commit": commit(),
        "compiler": compiler(),
        "isa": chosen_isa(),
        "available_isas": tuple(available_isas()),
        "threads": num_threads(),
    }


def set_num_threads(threads: int) -> None:
    """Set how many threads a call may use from now on, in this process: 1 or more, also more than there are processors.

    Small batches stay on the calling thread whatever the number. Idle threads sleep.

    Raises
    ------
    TypeError, ValueError
        If it is not a whole number from 1 to 65,536.
    """
    try:
        count = index(threads)
    except TypeError:
        raise TypeError(f"threads: wanted a whole number, found {threads!r}") from None
    if not 1 <= count <= 65_536:
        raise ValueError(f"threads: wanted a whole number from 1 to 65536, found {count}")
    set_threads_of_core(count)
