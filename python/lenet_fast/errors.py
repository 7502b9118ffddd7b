"""The package's one exception; everything else is ValueError (shapes and values), TypeError (types) or OSError (files)."""

from __future__ import annotations


class WeightsError(ValueError):
    """A file or mapping of weights is not a model; the message says what was wanted, what was found and the way out."""
