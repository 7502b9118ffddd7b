"""What one load may spend, whatever a file claims.

A small file can ask for much: pickles whose parts are shared a billion times over, constants that double with every
operator, a network of a few bytes that wants gigabytes. So everything that costs more than its bytes is counted where
it is done and before memory is taken for it, against one budget for the whole load. Readers are many and their
functions deep, so the budget is not handed from each to the next but stands around a load, as NumPy's errstate does:

    with spending(Budget()) as spent:
        charge("visits", 1)           # adds up
        need("parameters", 60_000)    # the largest counts

Where none stands around, every count is compared with the default budget by itself.

A visit is a step that takes Python about a microsecond, so half a million of them end within a second. A value is one
that does not lie in the file: eight bytes at most, so four million of them take 32 MiB.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from operator import index

from .errors import ArgumentError, OverBudgetError, shown

_UNITS = {
    "visits": "steps of reading",
    "values": "values of constants and maps",
    "parameters": "parameters",
    "multiply_adds": "multiply-adds an image",
    "memory": "bytes of packed weights and workspace",
    "check_images": "check images",
}
#: Bytes of a file, and out of compressed members, for each parameter: weights, and an optimiser's memory of them.
_FILE, _UNPACKED = 16, 8
#: What a compressed file may grow by beyond its own size: weights hardly shrink, zeros without an end do.
_GROWTH = 1 << 24


@dataclass(frozen=True)
class Budget:
    """The most that loading one file may take; beyond it the file is refused with `OverBudgetError`.

    The defaults hold the largest network that anyone would call a LeNet, with room, and refuse a hostile file within a
    second and 64 MiB beside its own size. For a file that you trust, raise what its error names.

    Parameters
    ----------
    visits
        Steps of reading: operators, objects, names, nodes; each takes about a microsecond.
    values
        Values that are computed from a file's constants, that it holds in fewer bytes than they take, or that are on
        their way between the layers of its graph.
    parameters
        Of the network. A file may take 16 bytes for each, and 8 when it is unpacked.
    multiply_adds
        Of the network, for one image.
    memory
        Bytes of weights packed for the kernels, and of one thread's workspace.
    check_images
        Images of a saved file whose scores are computed again.

    Examples
    --------
    >>> lenet_fast.Budget(parameters=100_000_000).parameters
    100000000
    """

    visits: int = 1 << 19
    values: int = 1 << 22
    parameters: int = 1 << 24
    multiply_adds: int = 2_000_000_000
    memory: int = 1 << 28
    check_images: int = 8

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            try:
                number = index(value)
            except TypeError:
                raise TypeError(f"{field.name}: wanted a whole number, found {shown(value)}") from None
            if number < 0:
                raise ArgumentError(field.name, "a whole number from 0", f"{number}")

    @property
    def file_bytes(self) -> int:
        """The largest file."""
        return _FILE * self.parameters

    def unpacked_bytes(self, packed: int) -> int:
        """What a file of `packed` bytes may unpack to, all of its parts together."""
        return min(_UNPACKED * self.parameters, packed + _GROWTH)


class Spending:
    """A budget, and what of it is spent."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.spent = dict.fromkeys(_UNITS, 0)

    def charge(self, resource: str, count: int) -> None:
        """Add to what is spent."""
        self._set(resource, self.spent[resource] + count)

    def need(self, resource: str, count: int) -> None:
        """Note that this much is needed at once."""
        self._set(resource, max(self.spent[resource], count))

    def _set(self, resource: str, count: int) -> None:
        self.spent[resource] = count
        most = getattr(self.budget, resource)
        if count > most:
            raise _over(resource, most, count)


def _over(resource: str, most: int, count: int) -> OverBudgetError:
    found = f"{count:,}" if count < 1 << 63 else "more than can be counted"
    way_out = f"if you trust the file, pass budget=lenet_fast.Budget({resource}=...) with more"
    return OverBudgetError("", f"at most {most:,} {_UNITS[resource]}", found, way_out, resource=resource, count=count)


_CURRENT: ContextVar[Spending | None] = ContextVar("lenet_fast.budget", default=None)


@contextmanager
def spending(budget: Budget | None = None) -> Iterator[Spending]:
    """Count what is done inside against a budget; None begins anew with the one that stands around, or the default."""
    if not isinstance(budget, Budget | None):
        raise TypeError(f"budget: wanted a lenet_fast.Budget, found {shown(budget)}")
    spent = Spending(budget or current())
    token = _CURRENT.set(spent)
    try:
        yield spent
    finally:
        _CURRENT.reset(token)


def current() -> Budget:
    """The budget that stands around, or the default one."""
    spent = _CURRENT.get()
    return Budget() if spent is None else spent.budget


def charge(resource: str, count: int = 1) -> None:
    """Spend some of a resource; OverBudgetError if that is more than is left."""
    (_CURRENT.get() or Spending(Budget())).charge(resource, count)


def need(resource: str, count: int) -> None:
    """Say how much of a resource is needed at once; OverBudgetError if there is less."""
    (_CURRENT.get() or Spending(Budget())).need(resource, count)
