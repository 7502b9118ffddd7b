"""weights/arrays/pickled.py: pickles are taken apart and never executed."""

from __future__ import annotations

import io
import pickle

import pytest
from lenet_fast import Budget, OverBudgetError
from lenet_fast.budget import spending
from lenet_fast.weights.arrays import pickled


def parse(data):
    return pickled.parse(io.BytesIO(data))


def test_every_operation_is_a_visit():
    """Whatever its length: each operation costs time."""
    with spending(Budget(visits=150)) as spent:
        assert parse(b"\x80\x02" + b"N0" * 49 + b"N.") is None  # a hundred, and the end; half of them do something
        assert spent.spent["visits"] == 150
        with pytest.raises(OverBudgetError, match="at most 150 steps of reading, found 151"):
            parse(b"N.")


# --- the machine ---


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_objects_are_themselves(protocol):
    """In every protocol's own operations."""
    content = {
        "a": [1, -2, 3.5, True, False, None, 1 << 70, 255, 65535, 1 << 20],
        b"b": ("x", "é", b"bytes", ()),
        3: [[], {}, [{}]],
        "long": "x" * 300,
        "many": list(range(300)),
        "three": [(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    }
    found = parse(pickle.dumps(content, protocol))
    if protocol < 3:  # bytes are a call of a codec there
        found[b"b"] = content[b"b"]
        assert found.pop("a") == content.pop("a")
    assert {k: v for k, v in found.items() if k != b"b"} == {k: v for k, v in content.items() if k != b"b"}


def test_what_is_shared_is_shared():
    inner = [1]
    found = parse(pickle.dumps([inner, inner, {"again": inner}], 4))
    assert found[0] is found[1] is found[2]["again"]


class Thing:
    def __reduce__(self):
        return print, ("executed",), {"state": 1}, iter([2, 3]), iter([("key", "value")])


def test_a_call_is_remembered_and_not_made(capsys):
    call = parse(pickle.dumps(Thing(), 2))
    assert call.path in ("builtins.print", "__builtin__.print")
    assert call.arguments == ("executed",)
    assert (call.state, call.elements, call.items) == ({"state": 1}, [2, 3], {"key": "value"})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("data", "path", "arguments"),
    [
        (b"cos\nsystem\n(Vls\ntR.", "os.system", ("ls",)),
        (b"(Vls\nios\nsystem\n.", "os.system", ("ls",)),
        (b"(cos\nsystem\nVls\no.", "os.system", ("ls",)),
        (b"\x80\x02cos\nsystem\nVls\n\x85\x81.", "os.system", ("ls",)),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R.", "os.system", ("ls",)),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85}\x92.", "os.system", ("ls",)),
    ],
)
def test_every_way_to_call_something_is_a_call(data, path, arguments):
    call = parse(data)
    assert (call.path, call.arguments) == (path, arguments)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"N", b".", b"0.", b"1.", b"2.", b"t.", b"l.", b"(d0.", b"a.", b"Na.", b"NNa.", b"(Na.", b"(e.", b"N(Ne.",
        b"Ns.", b"NNs.", b"NNNs.", b"(Nd.", b"N(NNu.", b"}(Nu.", b"g0\n.", b"h\x00.", b"j\x00\x00\x00\x00.", b"p0\n.",
        b"R.", b"NR.", b"b.", b"Nb.", b"Q.", b"\x80\x04NN\x93.", b"\x80\x04\x94.", b"(.", b"(b.", b"\x82\x01.",
        b"\x8c\xff.", b"X\xff\xff\xff\x7f.", b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", b"Ifoo\n.", b"\xff.",
    ],
)  # fmt: skip
def test_damaged_pickles_are_a_value_error(data):
    with pytest.raises(ValueError):
        parse(data)


def test_references_to_what_lies_outside():
    assert parse(b"Pkey\n.").key == "key"
    assert parse(b"Vkey\nQ.").key == "key"
