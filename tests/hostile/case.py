"""A hostile file: what it is called, how it is written, and what it is after."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Case:
    """One row of the tables.

    Parameters
    ----------
    file
        The name under which it is loaded; "" for the folder itself.
    write
        Writes it to a path, and whatever belongs to it beside it, or returns its bytes.
    attacks
        "time", "memory", "crash", "exception", "sentence", "elsewhere", or "nothing": then it must load.
    resource
        The field of `lenet_fast.Budget` that should stop it; "" where something else does.
    options
        Keyword arguments of `lenet_fast.load`.
    needs
        Packages that writing or reading it takes.
    ends
        "model" or "refused", where only one of them is right.
    """

    file: str
    write: Callable[[Path], bytes | None]
    attacks: str
    resource: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    ends: str = ""

    def missing(self) -> list[str]:
        """The packages it takes that are not installed."""
        return [name for name in self.needs if not _is_installed(name)]

    def made(self, folder: Path) -> Path:
        """The path of the file, written into an empty folder."""
        path = folder / self.file if self.file else folder
        content = self.write(path)
        if content is not None:
            path.write_bytes(content)
        return path


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False
