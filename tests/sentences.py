"""Every sentence of the package that tells somebody what is wrong, in one list: `python tests/sentences.py`.

To be read as a stranger would: what, wanted, found, way out. What is put in when it is said stands in braces; where a
sentence has several forms, they stand in parentheses.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: What says a sentence, beside `raise`, and the words between its parts.
_PARTS = {
    "refuse": ("", ": wanted ", ", found ", "; "),
    "WeightsError": ("", ": wanted ", ", found ", "; "),
    "OpenQuestionError": ("", ": wanted ", ", found ", "; "),
    "OverBudgetError": ("", ": wanted ", ", found ", "; "),
    "ArgumentError": ("", ": wanted ", ", found ", "; "),
    "whole": ("wanted ", ", found a damaged one; "),
    "warn": ("warning: ",),
    "_warn": ("warning: ",),
}
_THROWN = re.compile(r"\bthrow Error\(|\bcheck\w*\(|\brequire\(")
Found = tuple[str, int, str]


def of_python(path: Path) -> Iterator[Found]:
    """The sentences of a module, each with its place."""
    name, tree = str(path.relative_to(ROOT)), ast.parse(path.read_text())
    for scope in [tree, *(node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.Lambda)))]:
        values = _assigned(scope)
        for call in _own(scope):
            called = _name(call.func)
            parts = _PARTS.get(called) if isinstance(call.func, ast.Name) or called == "warn" else None
            is_error = parts is None and called.endswith("Error")
            if call.args and (parts or is_error):
                said = [_text(argument, values) for argument in call.args[: len(parts or (1,))]]
                text = "".join(p + t for p, t in zip(parts or ("",), said, strict=False) if t)
                yield name, call.lineno, text.removeprefix(": ").replace("found ; ", "")
    for node in ast.walk(tree):  # tables of what people hand over by mistake: (pattern, what it is, the way out)
        if isinstance(node, ast.Tuple) and len(node.elts) == 3 and all(map(_is_text, node.elts[1:])):
            yield name, node.lineno, f"found {_text(node.elts[1], {})}; {_text(node.elts[2], {})}"


def of_cpp(path: Path) -> Iterator[Found]:
    """The sentences that the core throws: what stands in quotes up to the end of the statement."""
    text = path.read_text()
    for match in _THROWN.finditer(text):
        statement = text[match.start() : text.find(";\n", match.start())]
        pieces = re.findall(r'"((?:[^"\\]|\\.)*)"', statement)
        if any(re.search(r"\w \w", piece) for piece in pieces):
            yield str(path.relative_to(ROOT)), text.count("\n", 0, match.start()) + 1, " .. ".join(pieces)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value


def _own(scope: ast.AST) -> Iterator[ast.Call]:
    """The calls of a scope, without those of the functions in it."""
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, (ast.FunctionDef, ast.Lambda)):
            yield from _own(node)


def _assigned(scope: ast.AST) -> dict[str, list[ast.expr]]:
    """What the names of a scope may be."""
    values: dict[str, list[ast.expr]] = {}
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = [(target, node.value)]
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = list(zip(target.elts, node.value.elts, strict=False))
                for one, value in pairs:
                    if isinstance(one, ast.Name):
                        values.setdefault(one.id, []).append(value)
    return values


def _name(function: ast.expr) -> str:
    return getattr(function, "id", getattr(function, "attr", ""))


def _text(node: ast.expr, values: dict[str, list[ast.expr]]) -> str:
    """An expression as it would be read."""
    match node:
        case ast.Constant(str(text)):
            return text
        case ast.JoinedStr(pieces):
            return "".join(_text(piece, values) for piece in pieces)
        case ast.FormattedValue(ast.Name(name)) if name not in values:
            return "{" + name + "}"
        case ast.FormattedValue(value):
            return _text(value, values)
        case ast.IfExp(_, first, second):
            return f"({_text(first, values)} | {_text(second, values)})"
        case ast.BinOp(left, ast.Add(), right):
            return _text(left, values) + _text(right, values)
        case ast.Name(name) if name in values:
            rest = {key: value for key, value in values.items() if key != name}
            texts = dict.fromkeys(_text(value, rest) for value in values[name])
            return next(iter(texts)) if len(texts) == 1 else f"({' | '.join(texts)})"
        case _:
            return "{" + ast.unparse(node) + "}"


def sentences() -> list[Found]:
    """All of them, by file and line."""
    found: list[Found] = []
    for path in sorted((ROOT / "python" / "lenet_fast").rglob("*.py")):
        found += of_python(path)
    for path in sorted((ROOT / "csrc").rglob("*.[ch]pp")):
        found += of_cpp(path)
    return sorted(set(found))


if __name__ == "__main__":
    for file, line, sentence in sentences():
        print(f"{file}:{line}: {sentence}")
