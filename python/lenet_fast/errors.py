"""The package's exceptions, which carry their parts; elsewhere ValueError stands for shapes and values.

Whoever has to tell errors apart asks for their class or for a part, never for the words of the sentence.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any, NoReturn

#: Characters of one part of a sentence.
_LONGEST = 400


class WeightsError(ValueError):
    """A file or mapping of weights is not a model; the sentence says what was wanted, what was found and the way out.

    Parameters
    ----------
    what
        The tensor, layer, operator or keyword that it is about; "" for the whole.
    wanted, found
        The two that do not go together.
    way_out
        What to do; "" where nothing helps.
    file
        Which file, module or mapping; "" until whoever knows it says so with `inside`.
    """

    def __init__(self, what: str, wanted: str, found: str, way_out: str = "", file: str = "") -> None:
        super().__init__(what, wanted, found, way_out, file)
        self.what, self.wanted, self.found, self.way_out, self.file = what, wanted, found, way_out, file

    def __str__(self) -> str:
        what, wanted, found, way_out = map(told, (self.what, self.wanted, self.found, self.way_out))
        place = "".join(f"{part}: " for part in (printable(self.file), what) if part)
        return f"{place}wanted {wanted}, found {found}" + (f"; {way_out}" if way_out else "")

    def inside(self, file: str) -> WeightsError:
        """The same error, of this file; of the one that it names already, if it does."""
        if self.file:
            return self
        error = copy(self)
        error.args = (*self.args[:4], file, *self.args[5:])
        error.file = file
        return error


class OpenQuestionError(WeightsError):
    """What fits in more than one way: the keyword that settles it, and what it may be."""

    def __init__(
        self,
        what: str,
        wanted: str,
        found: str,
        way_out: str = "",
        file: str = "",
        keyword: str = "",
        choices: tuple[Any, ...] = (),
    ) -> None:
        super().__init__(what, wanted, found, way_out, file)
        self.args = (*self.args, keyword, choices)
        self.keyword, self.choices = keyword, choices


class OverBudgetError(WeightsError):
    """What asks for more than a load may spend: which field of `lenet_fast.Budget`, and how much of it."""

    def __init__(
        self,
        what: str,
        wanted: str,
        found: str,
        way_out: str = "",
        file: str = "",
        resource: str = "",
        count: int = 0,
    ) -> None:
        super().__init__(what, wanted, found, way_out, file)
        self.args = (*self.args, resource, count)
        self.resource, self.count = resource, count


class ArgumentError(ValueError):
    """An argument of the caller's, with the parts of its sentence."""

    def __init__(self, argument: str, wanted: str, found: str, way_out: str = "") -> None:
        super().__init__(argument, wanted, found, way_out)
        self.argument, self.wanted, self.found, self.way_out = argument, wanted, found, way_out

    def __str__(self) -> str:
        sentence = f"{self.argument}: wanted {self.wanted}, found {self.found}"
        return f"{sentence}; {self.way_out}" if self.way_out else sentence


def refuse(what: str, wanted: str, found: str, way_out: str = "") -> NoReturn:
    """Raise WeightsError."""
    raise WeightsError(what, wanted, found, way_out)


@contextmanager
def whole(wanted: str, way_out: str = "", what: str = "") -> Iterator[None]:
    """Whatever taking a damaged file apart raises becomes a WeightsError, about `what`, that wanted `wanted`.

    What is no damage passes: a package that is missing, with its install line, and a machine without memory.
    """
    try:
        yield
    except (WeightsError, ImportError, MemoryError):
        raise
    except Exception as error:
        raise WeightsError(what, wanted, f"a damaged one ({brief(error)})", way_out) from error


@contextmanager
def inside(file: str, wanted: str = "a whole file of its format") -> Iterator[None]:
    """The door of whatever reads: nothing but a WeightsError goes out, with the name of the file."""
    try:
        with whole(wanted):
            yield
    except WeightsError as error:
        raise error.inside(file) from error.__cause__


def shown(value: object) -> str:
    """What was found, on one line and short enough for a sentence, whatever it is."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a repr of the caller's; an int of more digits than Python likes to write
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def brief(error: BaseException) -> str:
    """The first line of what a library says, short enough for one sentence."""
    try:
        line = next(iter(str(error).strip().splitlines()), "")
    except Exception:  # a library's error may not be able to say what it is
        line = ""
    line = line or type(error).__name__
    return line if len(line) <= 160 else line[:157] + "..."


def told(part: object) -> str:
    """What may come out of a file, as a sentence can have it: one line, short, and of what can be written."""
    text = str(part)
    return printable(text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "...")


def printable(text: str) -> str:
    """The text with an escape for whatever a terminal or a log could not have."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def warn(sentence: str) -> None:
    """Warn at the first line outside this package: the user's."""
    level, frame = 1, sys._getframe(0)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
        level, frame = level + 1, frame.f_back  # type: ignore[assignment]
    warnings.warn(sentence, UserWarning, stacklevel=level)
