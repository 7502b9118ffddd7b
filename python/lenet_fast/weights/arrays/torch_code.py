"""The code of a TorchScript archive, `code/__torch__*.py`: which operators its functions call.

The text is looked through, and neither compiled nor run: wherever a call begins, its arguments are cut at their commas,
within a length and a depth. Calls of torch and those of torch.nn.functional under another name (`_0 = ...leaky_relu`)
are known; the order in which they compute is not asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...budget import charge
from ...errors import refuse
from ..files import Archive
from ..said import WINDOWS, Said

_LONGEST = 1 << 20  # bytes; a LeNet's code has ten thousand
_LONGEST_CALL, _DEEPEST = 1 << 11, 32
_CALL = re.compile(
    r"\b(?P<alias>\w{1,40}) = __torch__\.torch\.nn\.functional\.(?P<function>\w{1,60})\n"
    r"|(?<![\w.])torch\.(?P<name>\w{1,60})\("
    r"|(?<![\w.])__torch__\.torch\.nn\.functional\.(?P<functional>\w{1,60})\("
    r"|(?<![\w.])(?P<short>_\d{1,9})\("
)
_NUMBER = re.compile(r"\d{1,20}(\.\d{0,40})?(e-?\d{1,3})?")
_PAIR = re.compile(r"\[(\d{1,4}), (\d{1,4})\]")
_CONVOLUTIONS = ("conv2d", "convolution")


def said_in(archive: Archive) -> Said:
    """What the code of an archive says."""
    said = Said("in its TorchScript code")
    left = _LONGEST
    for name in archive.names:
        if "/code/" in name and name.endswith(".py"):
            text = archive.read(name)
            left -= len(text)
            if left < 0:
                refuse("", f"TorchScript code of at most {_LONGEST:,} bytes", "more", "it is another network")
            for function, arguments in calls(text.decode("utf-8", "replace")):
                _note(said, function, arguments)
    return said


def calls(text: str) -> Iterator[tuple[str, list[str]]]:
    """Every call of an operator, with its arguments as they are written."""
    short: dict[str, str] = {}
    for match in _CALL.finditer(text):
        charge("visits")
        if match["alias"]:
            short[match["alias"]] = match["function"]
            continue
        function = match["name"] or match["functional"] or short.get(match["short"], "")
        if function:
            yield function.strip("_"), _arguments(text, match.end())


def _arguments(text: str, begin: int) -> list[str]:
    """What stands between the commas of a call, as far as that is looked at."""
    found, depth, at, place = [], 0, begin, begin
    for place in range(begin, min(len(text), begin + _LONGEST_CALL)):
        letter = text[place]
        if letter in "([":
            depth += 1
        elif letter in ")]":
            depth -= 1
        if depth < 0 or (letter == "," and not depth):
            found.append(text[at:place].strip())
            at = place + 1
        if depth < 0 or depth > _DEEPEST:
            break
    charge("visits", 2 + (place - begin) // 8)
    return found


def _note(said: Said, function: str, arguments: list[str]) -> None:
    if function in _CONVOLUTIONS:
        _check_pair(function, "stride", arguments[3:4], "1")
        padding = _padding(arguments[4:5])
        said.paddings |= set() if padding is None else {padding}
        return
    if function in ("max_pool2d", "max_pool2d_with_indices", "avg_pool2d"):
        _check_pair(function, "kernel_size", arguments[1:2], "2")
        _check_pair(function, "stride", arguments[2:3], "2")
        _check_pair(function, "padding", arguments[3:4], "0")
    slope = None
    if function == "leaky_relu" and len(arguments) > 1 and _NUMBER.fullmatch(arguments[1]):
        slope = float(arguments[1])
    said.note(function, slope)


def _check_pair(function: str, what: str, written: list[str], wanted: str) -> None:
    """Refuse two numbers that are no such ones; what is no two numbers says nothing."""
    pair = _PAIR.fullmatch(written[0]) if written else None
    if pair and set(pair.groups()) != {wanted}:
        refuse(function, f"{what} {wanted}", pair[0], WINDOWS)


def _padding(written: list[str]) -> int | None:
    """How a convolution pads on all sides, where that is written down."""
    if not written:
        return 0
    if written[0].strip("\"'") in ("same", "valid"):
        return 2 if "same" in written[0] else 0
    pair = _PAIR.fullmatch(written[0])
    return int(pair[1]) if pair and pair[1] == pair[2] else None
