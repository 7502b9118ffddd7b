"""JSON out of files, within limits: a text that is all brackets would take thirty times its size."""

from __future__ import annotations

import json
from typing import Any

from ..errors import refuse, whole

_LONGEST = 1 << 20  # a LeNet's description has some thousand characters
_LONGEST_NUMBER = 20


def parsed(text: str | bytes, wanted: str) -> dict[str, Any]:
    """The object that a text holds, in which no name comes twice; WeightsError wants `wanted` if it is none."""
    if len(text) > _LONGEST:
        refuse("", f"{wanted}, at most {_LONGEST:,} characters", f"{len(text):,}")
    with whole(wanted):
        found = json.loads(
            text if isinstance(text, str) else text.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_int=_whole
        )
        if not isinstance(found, dict):
            raise ValueError("no JSON object")
    return found


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("the same name twice")
    return result


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits)
