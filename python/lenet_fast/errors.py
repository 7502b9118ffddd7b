"""The package's one exception; elsewhere ValueError stands for shapes and values, TypeError for types."""

from __future__ import annotations


class WeightsError(ValueError):
    """A file or mapping of weights is not a model; the message says what was wanted, what was found and the way out."""
