"""extras.py: an extra is imported when it is needed, and named with its install line where it is missing."""

from __future__ import annotations

import json
import sys

import pytest
from lenet_fast.extras import needs


def test_what_is_there_is_imported():
    assert needs("json", "json", "reading") is json
    assert needs("xml.etree.ElementTree", "xml", "reading").__name__ == "xml.etree.ElementTree"


def test_what_is_missing_is_named_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError) as caught:
        needs("h5py", "h5py", "reading HDF5 files")
    assert str(caught.value) == "reading HDF5 files needs h5py, which is not installed: pip install h5py"
    assert isinstance(caught.value.__cause__, ImportError)
