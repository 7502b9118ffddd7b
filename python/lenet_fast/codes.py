"""The RBF codes of the 1998 paper: one 7x12 bitmap per character, the fixed weights of LeNet-5's output layer."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray


@cache
def _bitmaps() -> dict[str, NDArray[np.float32]]:
    """Character -> its 84 values, read once from the package's own file."""
    from pathlib import Path  # here: the package's import loads no more than it needs

    bitmaps = {}
    text = Path(__file__).with_name("rbf_codes.txt").read_text(encoding="ascii")
    for paragraph in text.rstrip().split("\n\n")[1:]:
        title, *rows = paragraph.split("\n")
        pixels = "".join(rows)
        bitmaps[chr(int(title[2:6], 16))] = np.array([1 if p == "#" else -1 for p in pixels], np.float32)
    return bitmaps


def rbf_codes(characters: str = "0123456789") -> NDArray[np.float32]:
    """Return the paper's target codes for some characters (Fig. 3 of LeCun et al. 1998).

    Parameters
    ----------
    characters
        ASCII characters from U+0020 to U+007F, one class each, in class order. The codes of the first and the last, a
        space and what does not print, are both all white.

    Returns
    -------
    codes : (len(characters), 84) float32
        +1 for black and -1 for white, the 7x12 bitmap row by row, top row first; a fresh array.

    Raises
    ------
    TypeError, ValueError
        If these are not characters, or one has no code.

    Examples
    --------
    >>> lenet_fast.rbf_codes("08").shape
    (2, 84)
    """
    if not isinstance(characters, str):
        raise TypeError(f"characters: wanted text such as '0123456789', found {characters!r}")
    unknown = sorted(set(characters) - set(_bitmaps()))
    if unknown:
        raise ValueError(f"characters: wanted printable ASCII, found {unknown[0]!r}; only U+0020 to U+007F have codes")
    return np.array([_bitmaps()[character] for character in characters], np.float32).reshape(-1, 84)
