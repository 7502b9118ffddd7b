"""Packages that only some of the work needs: imported when used, and named with their install line where missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def needs(module: str, package: str, purpose: str) -> Any:
    """Import a module of a package that is an extra; ImportError with the line that installs it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"{purpose} needs {package}, which is not installed: pip install {package}") from error
