"""All hostile files in one table: name -> `case.Case`."""

from __future__ import annotations

from . import archives, arrays, beside, described, flatbuffer, graphs, messages, pickles, special, texts
from .case import Case

TABLES = (pickles, archives, described, arrays, graphs, flatbuffer, messages, texts, special, beside)
CASES: dict[str, Case] = {name: case for table in TABLES for name, case in table.CASES.items()}
