"""mnist.py: no byte is used that is not MNIST's."""

from __future__ import annotations

import mnist
import pytest


def test_altered_files_are_refused(files, tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"altered")
    with pytest.raises(
        ValueError, match="its content is not MNIST's train-images-idx3-ubyte; remove it, and it is downloaded again"
    ):
        mnist.load("train", tmp_path, ())
