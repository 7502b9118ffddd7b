"""The package's one exception; elsewhere ValueError stands for shapes and values, TypeError for types."""

from __future__ import annotations


class WeightsError(ValueError):
    """A file or mapping of weights is not a model; the message says what was wanted, what was found and the way out."""


def brief(error: BaseException) -> str:
    """The first line of what a library says, short enough for one sentence."""
    line = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return line if len(line) <= 160 else line[:157] + "..."
