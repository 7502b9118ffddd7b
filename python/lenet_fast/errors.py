"""The package's exceptions, which carry their parts; elsewhere ValueError stands for shapes and values.

Whoever has to tell errors apart asks for their class or for a part, never for the words of the sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import NoReturn


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
        place = "".join(f"{part}: " for part in (self.file, self.what) if part)
        return f"{place}wanted {self.wanted}, found {self.found}" + (f"; {self.way_out}" if self.way_out else "")

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
        choices: tuple[str, ...] = (),
    ) -> None:
        super().__init__(what, wanted, found, way_out, file)
        self.args = (*self.args, keyword, choices)
        self.keyword, self.choices = keyword, choices


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


#: What taking a damaged file apart may raise; a warning where the interpreter makes warnings errors.
DAMAGE: tuple[type[Exception], ...] = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, RecursionError, TypeError,
    ValueError, Warning,
)  # fmt: skip


@contextmanager
def whole(wanted: str, way_out: str = "", *others: type[Exception]) -> Iterator[None]:
    """Whatever taking a damaged file apart raises, `others` too, becomes a WeightsError that wanted `wanted`."""
    try:
        yield
    except WeightsError:
        raise
    except (*DAMAGE, *others) as error:
        raise WeightsError("", wanted, f"a damaged one ({brief(error)})", way_out) from error


def shown(value: object) -> str:
    """What was found, on one line and short enough for a sentence, whatever it is."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a repr of the caller's; an int of more digits than Python likes to write
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def brief(error: BaseException) -> str:
    """The first line of what a library says, short enough for one sentence."""
    line = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return line if len(line) <= 160 else line[:157] + "..."
