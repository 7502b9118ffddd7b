"""weights/graph/walker.py: one walk, on which constants are computed, images followed and all else refused by name."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from canonical import refused
from lenet_fast import Budget, OverBudgetError, WeightsError
from lenet_fast.budget import spending
from lenet_fast.operations import Conv, Curve, Dense
from lenet_fast.weights.graph import walker
from lenet_fast.weights.graph.node import Constant, Entry, Graph, Image, Node, always
from lenet_fast.weights.graph.walker import follow

WEIGHTS = {
    "w": np.random.default_rng(1).normal(size=(3, 1, 5, 5)),
    "b": np.arange(3.0),
    "f": np.random.default_rng(2).normal(size=(4, 48)),
    "s": np.array([4, 48]),
}
TABLE = {
    "Conv": always("conv"),
    "Full": always("dense"),
    "Rows": always("rows"),
    "Tanh": always("curve", kind="tanh"),
    "Reshape": always("reshape"),
    "Negate": always("negate"),
    "Sqrt": always("sqrt"),
    "Add": always("add"),
    "Pool": always("pool", kind="max"),
    "Fill": always("fill", value=1.0),
    "Softmax": always("softmax"),
    "ConvTanh": lambda entry: [Node("conv"), Node("curve", kind="tanh")],
    "Own": lambda entry: Node("conv", Constant.of("own", WEIGHTS["w"]), None),
}
LENET = [("Conv", "x w b", "c"), ("Tanh", "c", "t"), ("Rows", "t", "r"), ("Full", "r f", "y")]


def graph(*rows, outputs=("y",), shapes=((1, 1, 8, 8),), constants=WEIGHTS, table=TABLE, **settings):
    entries = [Entry(kind, f"{kind} {out}", tuple(inputs.split()), out) for kind, inputs, out in rows]
    found = {name: Constant.of(name, array) for name, array in constants.items()}
    return Graph("Format", Image("x", "x", shapes), entries, table, found, outputs, **settings)


def kinds(trace):
    return [type(step.operation) for step in trace.steps]


def test_a_row_of_layers_is_a_row_of_operations():
    trace = follow(graph(*LENET))
    assert kinds(trace) == [Conv, Curve, Dense]
    assert [(step.where, step.tensors) for step in trace.steps] == [
        ("Conv c", ("w", "b")),
        ("Tanh t", ()),
        ("Full y", ("f",)),
    ]
    np.testing.assert_array_equal(trace.steps[0].operation.weight, WEIGHTS["w"])


def test_an_entry_may_be_several_operators_with_constants_of_its_own():
    assert kinds(follow(graph(("ConvTanh", "x w b", "c"), outputs=("c",)))) == [Conv, Curve]
    (step,) = follow(graph(("Own", "x", "c"), outputs=("c",))).steps
    assert step.tensors == ("own",) and (step.operation.bias == 0).all()


def test_what_no_output_depends_on_is_not_looked_at():
    """Operators that nobody knows, arrays that cannot be read, a second branch: what training left behind."""
    dead = [("Strange", "x w", "d1"), ("Tanh", "nothing", "d2"), ("Conv", "x damaged", "d3"), ("Strange", "t", "d4")]
    whole = graph(*LENET[:2], *dead, *LENET[2:])
    whole.constants["damaged"] = Constant("damaged", lambda: 1 / 0)
    assert kinds(follow(whole)) == kinds(follow(graph(*LENET)))
    for row in dead:
        with pytest.raises(WeightsError):
            follow(graph(*LENET[:2], row, *LENET[2:], outputs=("y", row[2])))


def test_no_output_of_the_image_is_damage():
    refused(lambda: follow(graph(*LENET, ("Negate", "b", "n"), outputs=("n",))), "an output that depends on the image")


# --- constants ---


def test_constants_are_computed_and_keep_their_tensors_name_while_they_are_that_tensor():
    """A reshaped tensor is the file's still; one that was computed goes by the operator's name."""
    flat = WEIGHTS | {"f": WEIGHTS["f"].ravel()}
    rows = [*LENET[:3], ("Reshape", "f s", "m"), ("Full", "r m", "y")]
    step = follow(graph(*rows, constants=flat)).steps[-1]
    assert step.tensors == ("f",)
    np.testing.assert_array_equal(step.operation.weight, WEIGHTS["f"])
    rows = [*LENET[:3], ("Negate", "f", "m"), ("Full", "r m", "y")]
    step = follow(graph(*rows)).steps[-1]
    assert step.tensors == ("Negate m",)
    np.testing.assert_array_equal(step.operation.weight, -WEIGHTS["f"])


def test_constants_are_computed_within_a_budget():
    """A few bytes could else ask for all memory, at once or little by little."""
    fill = [("Fill", "many", f"z{i}") for i in range(9)]
    rows = [*fill, *LENET[:3], ("Full", "r f", "y")]
    outputs = ("y", *(f"z{i}" for i in range(9)))
    for many, is_within in ((1 << 10, True), (1 << 20, False), (1 << 23, False), (1 << 40, False)):
        whole = graph(*rows, outputs=outputs, constants=WEIGHTS | {"many": np.array([many])})
        with spending() as spent:
            if is_within:
                follow(whole)
                assert 9 * many <= spent.spent["values"] < 9 * many + 1000
                continue
            with pytest.raises(OverBudgetError) as caught:
                follow(whole)
            assert caught.value.resource == "values"


def test_what_is_tried_for_another_size_is_counted_too():
    whole = graph(*LENET, shapes=[(1, 1, 40, 40), (1, 1, 8, 8)])
    with spending() as once:
        follow(graph(*LENET))
    with spending() as twice:
        follow(whole)
    assert twice.spent["visits"] > once.spent["visits"]
    with spending(Budget(visits=1)), pytest.raises(OverBudgetError, match="at most 1 steps"):
        follow(whole)


def test_what_is_infinite_or_no_number_is_no_warning():
    rows = [("Sqrt", "minus", "b2"), ("Conv", "x w b2", "c")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace = follow(graph(*rows, outputs=("c",), constants=WEIGHTS | {"minus": -np.ones(3)}))
    assert np.isnan(trace.steps[0].operation.bias).all()


# --- what is refused ---


def test_an_unknown_operator_is_named():
    refused(
        lambda: follow(graph(("Strange", "x", "y"))),
        "Strange y: wanted an operation of the LeNet family, found Strange",
        "general runtime",
    )
    refused(lambda: follow(graph(("Strange", "w", "v"), ("Conv", "x v", "y"))), "constants computed by Strange")
    refused(lambda: follow(graph(("Sqrt", "x", "y"))), "Sqrt y: wanted an operation of the LeNet family")
    refused(lambda: follow(graph(("Tanh", "w", "v"), ("Conv", "x v", "y"))), "constants computed by Tanh")


def test_two_branches_that_meet_are_refused():
    rows = [("Conv", "x w", "c"), ("Tanh", "c", "t")]
    refused(lambda: follow(graph(*rows, ("Add", "c t", "y"))), "Add y: wanted layers in one row", "branch")
    refused(lambda: follow(graph(*rows, ("Strange", "c t", "y"))), "Strange, which joins branches")
    refused(lambda: follow(graph(*rows, ("Negate", "c", "n"), outputs=("t", "n"))), "Negate n: ", "'Tanh t' reads")


@pytest.mark.parametrize(
    "error",
    [
        KeyError("key"),
        IndexError(),
        TypeError("type"),
        ZeroDivisionError(),
        RecursionError(),
        OSError("x"),
        ValueError("x"),
    ],
)
def test_whatever_a_damaged_graph_raises_is_one_sentence(error):
    def raising(entry):
        raise error

    with pytest.raises(WeightsError, match="wanted a valid Format graph, found a contradiction in it") as caught:
        follow(graph(("Bad", "x", "y"), table=TABLE | {"Bad": raising}))
    assert caught.value.__cause__ is error


def test_a_machine_without_memory_is_no_damage():
    def raising(entry):
        raise MemoryError

    with pytest.raises(MemoryError):
        follow(graph(("Bad", "x", "y"), table=TABLE | {"Bad": raising}))


def test_an_input_that_nothing_computes_is_damage():
    refused(lambda: follow(graph(("Tanh", "q", "y"))), "Tanh y: wanted inputs computed before, found 'q'")


def test_another_network_is_told_by_its_size(monkeypatch):
    monkeypatch.setattr(walker, "MOST_ENTRIES", 4)
    follow(graph(*LENET))
    refused(lambda: follow(graph(*LENET, ("Tanh", "y", "z"))), "a LeNet of some dozen layers, found 5 operators")


# --- sizes that the file leaves open ---


def test_the_first_size_that_all_of_the_graph_fits_is_taken():
    shapes = [(1, 1, 12, 12), (1, 1, 8, 8), (1, 1, 7, 9)]
    assert follow(graph(*LENET, shapes=shapes)).image_maps == (1, 8, 8)
    pooled = [("Conv", "x w", "c"), ("Pool", "c", "y")]
    for order in (shapes, shapes[::-1]):
        assert follow(graph(*pooled, shapes=order)).image_maps == order[0][1:]


def test_the_sentence_is_that_of_the_size_that_came_furthest():
    """Whichever is tried first: the others say nothing of what is wrong with the network."""
    shapes = [(1, 2, 8, 8), (1, 1, 8, 8), (1, 1, 3, 3)]
    for order in (shapes, shapes[::-1]):
        refused(lambda order=order: follow(graph(*LENET[:3], ("Strange", "r", "y"), shapes=order)), "Strange y: ")
    equally_far = {(1, 2, 8, 8): "as kernels have (1), found 2", (1, 3, 8, 8): "as kernels have (1), found 3"}
    for order in (list(equally_far), list(equally_far)[::-1]):
        refused(lambda order=order: follow(graph(*LENET, shapes=order)), equally_far[order[0]])
    refused(lambda: follow(graph(*LENET, shapes=[])), "an image of some size, found none to try")


# --- the end ---


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("Conv", "x w", "y")], "Conv y: wanted scores as the end of the graph, found maps of 4x4"),
        ([("Negate", "x", "y")], "graph: wanted a convolution as the first layer, found none"),
    ],
)
def test_a_graph_that_must_end_in_scores_does(rows, words):
    """Where files are known to be cut, maps at the end mean that layers are missing."""
    follow(graph(*rows))
    refused(lambda: follow(graph(*rows, must_end_in_scores=True)), words)
    follow(graph(*LENET, must_end_in_scores=True))
