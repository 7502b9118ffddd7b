"""C text with arrays of weights (.h, .c), as embedded projects keep them: `const float conv1_w[6][1][5][5] = {...};`.

Taken are the arrays of float and double at the top of the file, in the shapes that they are declared with (`c_values`).
A size is a number, a constant or a name that #define gave one, or a product of these. Scalars, functions, buffers,
tables of texts and of pointers are no weights. Whole numbers are: quantised ones, whose scale no array says, so they
are refused and not read as floats; and so is whatever else could hide a tensor, such as types, initialisers and
conditions that only a compiler can follow. Nothing is evaluated or executed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NoReturn

from ...budget import charge
from ...errors import refuse
from ..files import File
from ..source import UNKNOWN, Source, Tensors
from .c_values import array_in

_FLOATS = frozenset("float double float32_t float64_t".split())
_INTEGERS = frozenset(
    "char short int long signed unsigned bool _Bool size_t q7_t q15_t q31_t "
    "int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t".split()
)
_TEXT = r"""\"[^"\\\n]*(?:\\.[^"\\\n]*){0,999}\"?|'[^'\\\n]*(?:\\.[^'\\\n]*){0,999}'?"""
#: Texts, in which remarks are none, and remarks; what does not end matches too, so that no end is looked for twice.
_REMARK = re.compile(rf"({_TEXT})|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_TOKEN = re.compile(rf"\s*(\#[^\n]*|[A-Za-z_]\w*|\.?\d[\w.]{{0,80}}|{_TEXT}|\S)", re.ASCII | re.DOTALL)
_SIZE = re.compile(r"(0[xX][0-9a-fA-F]{1,9}|0|[1-9]\d{0,9})[uUlL]{0,3}", re.ASCII)
_DEFINE = re.compile(r"define\s+(\w+)(?![\w(])(.*)", re.ASCII)
_GUARD = re.compile(r"(?:ifndef\s+|if\s+!\s*defined\s*\(?\s*)(\w+)", re.ASCII)
_ONLY_ZERO = re.compile(r"\s*(?:0(?:\.0*)?[fF]?\s*,?\s*)?\}")
_LARGEST, _LONGEST_SIZE, _MOST_FACTORS, _MOST_WORDS = 1 << 40, 200, 40, 1000
_WAY_OUT = "keep the weights alone in a header, as arrays of float with their values in braces"
_COMPILED = "pass what the compiler sees: cc -E -P prints it"


def read(file: File) -> Source:
    """Read the arrays of a file."""
    tensors = _Parser(_without_remarks(file.data)).tensors()
    if not tensors:
        refuse("", "a model", "text, a program perhaps", "run it and save the trained model")
    return Source("C", tensors, UNKNOWN)


def _without_remarks(data: bytes) -> str:
    """The text, its lines joined where they go on, and a space instead of each remark."""
    charge("visits", sum(map(data.count, (b'"', b"'", b"//", b"/*"))))
    text = data.decode("latin-1").replace("\r\n", "\n").replace("\\\n", "")
    return _REMARK.sub(_instead, text)


def _instead(match: re.Match[str]) -> str:
    """A text as it is, and a space for a remark."""
    if match[0].startswith("/*") and (len(match[0]) < 4 or not match[0].endswith("*/")):
        refuse("", "a whole text of C", "a remark that does not close", "the file was cut off")
    return match[1] or " "


class _Parser:
    """A place in the text, which moves on, and what was declared before it."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._names = _Names()
        self._tensors: Tensors = {}
        self._defined: set[str] = set()  # buffers too
        self._elsewhere: set[str] = set()
        self._open = 0  # braces of extern "C" and of namespaces

    def tensors(self) -> Tensors:
        """Name -> array."""
        statement: list[str] = []
        for token in self._tokens():
            if token == "{":
                statement = self._brace(statement)
            elif token == "=":
                statement = self._definition(statement)
            elif token in ";}":
                self._open -= token == "}"
                self._declaration(statement)
                statement = []
            else:
                statement.append(token)
            if len(statement) > _MOST_WORDS:
                refuse("", "statements of C", f"one of more than {_MOST_WORDS:,} words", _WAY_OUT)
        if self._open or self._names.conditions:
            refuse("", "a whole text of C", "one whose braces or conditions do not close", "the file was cut off")
        for name in sorted(self._elsewhere - self._defined):
            refuse(name, "its values", "a declaration alone", "put all arrays into one file")
        return self._tensors

    def _tokens(self) -> Iterator[str]:
        """What comes, until the end; directives are done on the way."""
        while match := _TOKEN.match(self._text, self._at):
            charge("visits")
            self._at = match.end()
            if match[1].startswith("#"):
                self._names.directive(match[1][1:].strip())
            else:
                yield match[1]

    # --- statements ---

    def _brace(self, statement: list[str]) -> list[str]:
        """What is left of a statement behind a brace that opens."""
        if statement[:1] in (["extern"], ["namespace"]) and len(statement) <= 2:
            self._open += 1
            return []
        if "[" in statement and "(" not in statement:
            return self._values(statement)  # C++ may leave = out
        self._skip_body()
        return [] if "(" in statement else [*statement, "{}"]

    def _skip_body(self) -> None:
        """Skip to the brace that closes; an array of floats inside a function is refused, but for zeros."""
        depth, before = 1, ""
        words: set[str] = set()
        for token in self._tokens():
            is_array = token == "{" and before == "=" and "[" in words and bool(words & self._names.floats)
            if is_array and not _ONLY_ZERO.match(self._text, self._at):
                refuse("", "arrays at the top of the file", "one inside a function", _WAY_OUT)
            depth += (token == "{") - (token == "}")
            if not depth:
                return
            if token in ";{}":
                words = set()
            words.add(token)
            before = token
        refuse("", "a whole text of C", "a brace that does not close", "the file was cut off")

    def _declaration(self, statement: Sequence[str]) -> None:
        """Note types, and arrays whose values are elsewhere."""
        if statement[:1] == ["typedef"] and len(statement) == 3:
            self._names.same_type(statement[2], statement[1])
        if statement[:1] == ["extern"] and "[" in statement and set(statement) & self._names.floats:
            name, kinds = _name_and_kinds(statement)
            if "(" not in kinds:
                self._elsewhere.add(name)

    def _definition(self, statement: list[str]) -> list[str]:
        """Take an array's values, or skip a scalar's; what is left of the statement."""
        first = next(self._tokens(), "")
        if first == "{":
            return self._values(statement)
        name, kinds = _name_and_kinds(statement)
        if "[" in statement and "char" not in kinds and not _are_pointers(kinds):
            refuse(name, "values in braces", repr(first[:40]), _WAY_OUT)
        value = [first]
        for token in self._tokens() if first != ";" else ():
            if token == "{":
                refuse(name, "a statement for each array", "several, or a function inside one", _WAY_OUT)
            if token == ";":
                break
            if len(value) < _MOST_FACTORS:
                value.append(token)
        if "[" not in statement and self._names.are_whole(kinds):
            self._names.constant(name, value)
        return []

    def _values(self, statement: list[str]) -> list[str]:
        """Take the array whose braces have just opened, or skip a table of texts or pointers."""
        match = _TOKEN.match(self._text, self._at)
        first = match[1] if match else ""
        name, kinds = _name_and_kinds(statement)
        if first.startswith('"') or _are_pointers(kinds):
            self._skip_body()
            return [kind for kind in kinds if kind != "*"]
        if "[" not in statement or not name.isidentifier() or not self._names.are_floats(kinds):
            self._refuse_kind(name, kinds, first)
        if name in self._defined or not all(self._names.conditions):
            found = "two" if name in self._defined else "one under a condition (#if)"
            refuse(name, "one array of each name, whatever the compiler is told", found, _COMPILED)
        array, self._at = array_in(self._text, self._at, name, self._names.sizes(statement))
        self._defined.add(name)
        if array is not None:
            self._tensors[name] = array
        return list(kinds)  # another may follow behind a comma

    def _refuse_kind(self, name: str, kinds: Sequence[str], first: str) -> NoReturn:
        wanted, found, way_out = "an array of float or double", " ".join(kinds[-3:])[:80] or "another", _WAY_OUT
        if self._names.are_bytes(kinds) and first.startswith("0x"):
            found, way_out = f"bytes ({found})", "if they are a file, such as a .tflite, write them to one: xxd -r -p"
        elif self._names.are_whole(kinds):
            way_out = "whole numbers are quantised, and no array says by what scale: multiply them by it and pass the arrays to lenet_fast.from_state_dict; take out what is no weight"  # noqa: E501
        refuse(name, wanted, found, way_out)


def _name_and_kinds(statement: Sequence[str]) -> tuple[str, Sequence[str]]:
    """What stands before the first bracket, or last; and all before it."""
    end = statement.index("[") if "[" in statement else len(statement)
    return (statement[end - 1], statement[: end - 1]) if end else ("", ())


def _are_pointers(kinds: Sequence[str]) -> bool:
    """Whether a * stands before the name, but for words that qualify it; one in an attribute is none."""
    return next((kind for kind in reversed(kinds) if kind not in ("const", "volatile", "restrict")), "") == "*"


class _Names:
    """What typedef and #define say, and the conditions (#if) around the place: whether each only guards the file."""

    def __init__(self) -> None:
        self.floats = set(_FLOATS)
        self.conditions: list[bool] = []
        self._whole = set(_INTEGERS)
        self._sizes: dict[str, int | None] = {}
        self._guard = ""

    def are_floats(self, kinds: Sequence[str]) -> bool:
        """Whether a type is one of floats, and of nothing else."""
        return bool(self.floats & set(kinds)) and not (self._whole - {"long"}) & set(kinds)

    def are_whole(self, kinds: Sequence[str]) -> bool:
        """Whether it is one of whole numbers."""
        return bool(self._whole & set(kinds))

    def are_bytes(self, kinds: Sequence[str]) -> bool:
        """Whether it is one of bytes, as they are in a file."""
        return bool({"char", "uint8_t"} & set(kinds)) and "signed" not in kinds

    def same_type(self, name: str, kind: str) -> None:
        """Note another name of a type."""
        for kinds in (self.floats, self._whole):
            if kind in kinds:
                kinds.add(name)

    def directive(self, line: str) -> None:
        """Do what a line that begins with # says."""
        guard, self._guard = self._guard, ""
        if define := _DEFINE.match(line):
            if define[1] == guard:
                self.conditions[-1] = True
            self._define(define[1], define[2].strip())
        elif line.startswith("if"):
            self.conditions.append(False)
            found = _GUARD.match(line[:_LONGEST_SIZE])
            self._guard = found[1] if found and not line[found.end() :].strip(" \t)") else ""
        elif line.startswith("el") and self.conditions:
            self.conditions[-1] = False
        elif line.startswith("endif") and self.conditions:
            self.conditions.pop()
        elif line.startswith("undef"):
            self._sizes[line[5:].strip()] = None
        elif line.startswith("include") and '"' in line:
            refuse("", "one file", f"#{line[:80]}", _COMPILED)

    def _define(self, name: str, text: str) -> None:
        """A size, or None for one that cannot be told; or another name of a type."""
        self.same_type(name, text)
        self.constant(name, re.findall(r"\w+|\S", text) if len(text) < _LONGEST_SIZE else ())

    def constant(self, name: str, words: Sequence[str]) -> None:
        """Note a size; one that cannot be told, or that is another each time, is none."""
        value = self._product(words) if len(words) < _MOST_FACTORS and all(self.conditions) else None
        self._sizes[name] = value if self._sizes.get(name, value) == value else None

    def sizes(self, statement: Sequence[str]) -> list[int | None]:
        """What stands in the brackets of a declaration; None for those that are empty."""
        sizes: list[int | None] = []
        words: list[str] = []
        last = ""
        for token in statement[statement.index("[") :]:
            if token in "[]":
                if token == last:
                    self._size(["[", *words])  # one in the other
                if token == "]":
                    sizes.append(self._size(words) if words else None)
                words, last = [], token
            else:
                words.append(token)
        return sizes if last == "]" else [self._size(["[", *words])]

    def _size(self, words: Sequence[str]) -> int:
        size = self._product(words)
        if not size:
            way_out = "write the shape in numbers"
            refuse("", "sizes that are numbers, or that #define says before", repr(" ".join(words)[:80]), way_out)
        return size

    def _product(self, words: Sequence[str]) -> int | None:
        """The value of numbers and names with * between them; parentheses change nothing."""
        factors = [word for word in words if word not in "()"]
        if len(factors) % 2 == 0 or set(factors[1::2]) - {"*"}:
            return None
        product = 1
        for word in factors[::2]:
            number = _SIZE.fullmatch(word)
            value = int(number[1], 0) if number else self._sizes.get(word)
            if value is None or (product := product * value) > _LARGEST:
                return None
        return product
