"""The package itself: what it shows, what its import loads, and how it looks to a type checker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import lenet_fast
import pytest

USER = Path(__file__).parent / "typed" / "user.py"


def child(code):
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_tab_shows_what_is_public_and_nothing_else():
    shown = dir(lenet_fast)
    assert [name for name in shown if not name.startswith("__")] == sorted(set(lenet_fast.__all__) - {"__version__"})
    assert {"__all__", "__doc__", "__file__", "__name__", "__version__"} <= set(shown)
    assert len(shown) == len(set(shown))


def test_every_public_name_is_there_before_and_after_its_first_use():
    """Some are imported when they are first used: in a new process none has been, whatever the other tests did."""
    lines = child(
        "import lenet_fast; before = dir(lenet_fast)\n"
        "for name in lenet_fast.__all__: print(name, getattr(lenet_fast, name) is getattr(lenet_fast, name))\n"
        "assert dir(lenet_fast) == before"
    )
    assert lines == [f"{name} True" for name in lenet_fast.__all__]
    assert child("from lenet_fast import *; print(load.__module__)") == ["lenet_fast.weights.loading"]
    with pytest.raises(AttributeError, match=r"module 'lenet_fast' has no attribute 'lenet'"):
        lenet_fast.lenet  # noqa: B018


def test_no_module_hides_the_function_of_its_name():
    """`pretrained` and `networks` are functions and modules: the function is what users see, whatever came first."""
    code = "import lenet_fast.pretrained, lenet_fast.networks, lenet_fast.cli; import lenet_fast as m"
    assert child(f"{code}; print(callable(m.pretrained), callable(m.networks))") == ["True True"]


#: What `import lenet_fast` loads of its own: neither a reader of files nor what draws.
MODULES = [
    "lenet_fast",
    "lenet_fast._core",
    "lenet_fast.errors",
    "lenet_fast.network",
    "lenet_fast.networks",
    "lenet_fast.pretrained",
]


def test_the_import_loads_numpy_dataclasses_and_its_own_few_modules_and_prints_nothing():
    """A program that only predicts pays for no archive, no JSON, no URL and no pickle that NumPy has not loaded."""
    lines = child(
        "import __future__, dataclasses, sys, numpy, numpy.typing; before = set(sys.modules)\n"
        "import lenet_fast; print(*sorted(set(sys.modules) - before), sep='\\n')"
    )
    assert lines == MODULES


HINTS = """
import sys, typing
for missing in sys.argv[1:]: sys.modules[missing] = None
import lenet_fast
for name in lenet_fast.__all__:
    thing = getattr(lenet_fast, name)
    of_a_class = [getattr(v, "fget", getattr(v, "__func__", v)) for v in vars(thing).values()] if isinstance(thing, type) else []
    of_a_module = [getattr(thing, inner) for inner in thing.__all__] if name == "kernels" else []
    for f in [*([thing] if callable(thing) else []), *filter(callable, of_a_class), *of_a_module]:
        typing.get_type_hints(f)
assert typing.get_type_hints(lenet_fast.predict)["images"] == lenet_fast.images.Images
assert lenet_fast.Model in typing.get_args(typing.get_type_hints(lenet_fast.pretrained)["return"])
"""


def test_annotations_say_at_run_time_too_what_they_stand_for():
    """What documents or checks programs asks for them, Matplotlib or not; in a process that has used nothing yet."""
    assert child(HINTS) == child("import sys; sys.argv.append('matplotlib')" + HINTS) == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="typing.assert_type came with Python 3.11")
def test_the_users_program_runs():
    """The same file that `mypy --strict` reads: what it says of types is what happens."""
    done = subprocess.run([sys.executable, "-W", "error", USER], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_package_says_that_it_is_typed():
    """Without this file beside the modules a type checker takes everything in the package for Any."""
    assert (Path(lenet_fast.__file__).parent / "py.typed").is_file()


def test_the_users_program_has_every_public_name():
    text = USER.read_text()
    assert [name for name in lenet_fast.__all__ if name not in text] == []
