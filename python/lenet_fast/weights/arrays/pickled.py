"""Pickles as data: parsed opcode by opcode, never executed.

A pickle is a program for a small stack machine that may call anything. Here nothing is called: a global becomes its
name, a call becomes a `Call` that remembers what would have been called with what, and whoever wants arrays looks for
the few calls that make them (`pickled_arrays`). So a hostile pickle is a strange tree and nothing else.
`pickletools.genops` takes the opcodes apart and checks every length against the bytes that are there.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...budget import charge

#: Of the bits of a number that is a key: larger ones can be made so that all of them meet in one place of a dictionary.
_KEY_BITS = 60
_LONGEST_NAME = 1 << 10
_CALL = 4  # visits, for what stands for one
_MARK = object()


@dataclass(frozen=True)
class Name:
    """A global: module and name, joined by a dot."""

    path: str


@dataclass(eq=False, repr=False)
class Call:
    """A call that was not made, and what would have been done to its result."""

    function: Any
    arguments: Any
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)
    elements: list[Any] = field(default_factory=list)

    @property
    def path(self) -> str:
        """What would have been called; old PyTorch files wrap a module's class with its source text."""
        function = self.function
        if isinstance(function, Persistent) and isinstance(function.key, tuple) and function.key[:1] == ("module",):
            function = function.key[1]
        return function.path if isinstance(function, Name) else ""


@dataclass(eq=False, repr=False)
class Persistent:
    """A reference to something that lies outside the pickle."""

    key: Any


def parse(stream: io.BytesIO, references: list[Persistent] | None = None) -> Any:
    """The object tree of the next pickle in a stream; ValueError if it is damaged.

    What it refers to outside is added to `references`. Parts may be shared: whoever walks the tree charges each visit.
    """
    machine = _Machine(references if references is not None else [])
    for opcode, argument, _ in pickletools.genops(stream):
        charge("visits")
        if opcode.name == "STOP":
            return machine.pop()
        machine.step(opcode.name, argument)
    raise ValueError("a pickle without an end")


class _Machine:
    """The stack machine of the pickle format, with calls left out."""

    def __init__(self, references: list[Persistent]) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.references = references

    def pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise ValueError("a pickle that takes from an empty stack")
        return self.stack.pop()

    def top(self) -> Any:
        value = self.pop()
        self.stack.append(value)
        return value

    def pop_to_mark(self) -> list[Any]:
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is _MARK:
                values = self.stack[i + 1 :]
                del self.stack[i:]
                return values
        raise ValueError("a pickle with a mark missing")

    def step(self, name: str, argument: Any) -> None:
        if name in _PUSHES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name not in ("PROTO", "FRAME"):
            charge("visits")  # what is made out of others takes longer
            method: Callable[[Any], None] | None = getattr(self, f"_{name.lower()}", None)
            if method is None:
                raise ValueError(f"a pickle with opcode {name}")
            method(argument)

    def _mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def _pop(self, _: Any) -> None:
        if not self.stack:
            raise ValueError("a pickle that takes from an empty stack")
        self.stack.pop()

    def _pop_mark(self, _: Any) -> None:
        self.pop_to_mark()

    def _dup(self, _: Any) -> None:
        self.stack.append(self.top())

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self.pop_to_mark()))

    def _few(self, count: int) -> None:
        values = [self.pop() for _ in range(count)]
        self.stack.append(tuple(reversed(values)))

    def _tuple1(self, _: Any) -> None:
        self._few(1)

    def _tuple2(self, _: Any) -> None:
        self._few(2)

    def _tuple3(self, _: Any) -> None:
        self._few(3)

    def _list(self, _: Any) -> None:
        self.stack.append(self.pop_to_mark())

    def _dict(self, _: Any) -> None:
        self.stack.append(_as_dict(self.pop_to_mark()))

    def _frozenset(self, _: Any) -> None:
        self.stack.append(tuple(self.pop_to_mark()))

    def _append(self, _: Any) -> None:
        self._extend([self.pop()])

    def _appends(self, _: Any) -> None:
        self._extend(self.pop_to_mark())

    def _additems(self, _: Any) -> None:
        self._extend(self.pop_to_mark())

    def _extend(self, values: list[Any]) -> None:
        target = self.top()
        if isinstance(target, Call):
            target.elements += values
        elif isinstance(target, list):
            target += values
        else:
            raise ValueError("a pickle that appends to what is no list")

    def _setitem(self, _: Any) -> None:
        value, key = self.pop(), self.pop()
        self._update([key, value])

    def _setitems(self, _: Any) -> None:
        self._update(self.pop_to_mark())

    def _update(self, values: list[Any]) -> None:
        target = self.top()
        if isinstance(target, Call):
            target.items.update(_as_dict(values))
        elif isinstance(target, dict):
            target.update(_as_dict(values))
        else:
            raise ValueError("a pickle that sets items of what is no dictionary")

    def _put(self, key: Any) -> None:
        self.memo[int(key)] = self.top()

    _binput = _long_binput = _put

    def _memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.top()

    def _get(self, key: Any) -> None:
        if int(key) not in self.memo:
            raise ValueError("a pickle that refers to nothing")
        self.stack.append(self.memo[int(key)])

    _binget = _long_binget = _get

    def _global(self, argument: str) -> None:
        self.stack.append(_named(*argument.split(" ", 1)))

    def _stack_global(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a pickle with a global that is no name")
        self.stack.append(_named(module, name))

    def _reduce(self, _: Any) -> None:
        arguments, function = self.pop(), self.pop()
        self._call(function, arguments)

    def _call(self, function: Any, arguments: Any) -> None:
        charge("visits", _CALL)
        self.stack.append(Call(function, arguments))

    _newobj = _reduce

    def _newobj_ex(self, _: Any) -> None:
        self.pop()
        self._reduce(None)

    def _inst(self, argument: str) -> None:
        self._call(_named(*argument.split(" ", 1)), tuple(self.pop_to_mark()))

    def _obj(self, _: Any) -> None:
        function, *arguments = self.pop_to_mark() or [None]
        self._call(function, tuple(arguments))

    def _build(self, _: Any) -> None:
        state, target = self.pop(), self.top()
        if isinstance(target, Call):
            target.state = state

    def _persid(self, argument: Any) -> None:
        self.references.append(Persistent(argument))
        self.stack.append(self.references[-1])

    def _binpersid(self, _: Any) -> None:
        self._persid(self.pop())


_PUSHES = (
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8",
)  # fmt: skip
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,
}


def _named(module: str, name: str = "") -> Name:
    """A global; as a file may hold a name once and use it often, a long one is refused."""
    if len(module) + len(name) > _LONGEST_NAME:
        raise ValueError(f"a global with a name of {len(module) + len(name):,} characters")
    return Name(f"{module}.{name}")


def _as_dict(values: list[Any]) -> dict[Any, Any]:
    """Pairs whose key is plain: nobody looks for others, and hashing nested tuples takes for ever."""
    if len(values) % 2:
        raise ValueError("a pickle with a key without a value")
    return {key: value for key, value in zip(values[::2], values[1::2], strict=True) if _is_plain(key)}


def _is_plain(key: Any) -> bool:
    return isinstance(key, (str, bytes, Name)) or (isinstance(key, int) and key.bit_length() <= _KEY_BITS)
