"""Names in the order in which people count: w2 before w10."""

from __future__ import annotations

import re

from ..budget import charge


def natural(name: str) -> list[tuple[int, str]]:
    """A key to sort names by: runs of digits, however long, go by the number that they are."""
    charge("visits", 1 + len(name) // 8)
    parts = re.split(r"([0-9]+)", name)
    return [_number(part) if place % 2 else (0, part) for place, part in enumerate(parts)]


def _number(digits: str) -> tuple[int, str]:
    digits = digits.lstrip("0")
    return len(digits), digits
