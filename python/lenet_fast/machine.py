"""What the package runs on."""

from __future__ import annotations

from typing import Any

from . import _core


def info() -> dict[str, Any]:
    """Return version, compiler, the chosen and the available instruction sets, and the number of threads.

    LENET_FAST_ISA forces an instruction set, LENET_FAST_NUM_THREADS or `set_num_threads` the number of threads.

    Raises
    ------
    ValueError
        If one of these variables asks for what is not there.
    """
    return {
        "version": _core.__version__,
        "compiler": _core.compiler(),
        "isa": _core.chosen_isa(),
        "available_isas": tuple(_core.available_isas()),
        "threads": _core.num_threads(),
    }
