"""What the tests of the commands share."""

from __future__ import annotations

import pytest
from lenet_fast.cli import main


@pytest.fixture
def run(capsys):
    """Call the command line; returns exit status, standard output and standard error."""

    def call(*arguments):
        status = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call
