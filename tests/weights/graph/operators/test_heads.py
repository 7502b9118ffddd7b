"""weights/graph/operators/heads.py: probabilities are over all classes, and nothing follows a label."""

from __future__ import annotations

import pytest
import reference
from canonical import Row, close, outputs, refused


def test_softmax_is_over_all_classes():
    row = Row().conv().dense(6)
    flow = row.trace.softmax(row.flow, -1, "softmax")
    assert flow.shape == (1, 6)
    close(outputs(row.trace, row.x), reference.softmax(row.values))
    row = Row().conv()
    refused(lambda: row.trace.softmax(row.flow, 1, "softmax"), "softmax: wanted a softmax over the classes")
    refused(lambda: Row().trace.softmax(Row().flow, -1, "softmax"), "softmax: ", "pixels")


@pytest.mark.parametrize("kind", ["argmax", "argmin"])
def test_a_label_ends_the_graph(kind):
    row = Row().conv().dense(6)
    row.flow = row.trace.decide(row.flow, kind, "label")
    assert row.trace.decision == kind and row.flow.index.size == 1
    refused(
        lambda: row.trace.affine(row.flow, 2.0, 0.0, "more"),
        f"more: wanted labels as the end of the graph, found a layer behind {kind}",
    )


def test_axes_of_classes_may_be_counted_without_the_batch():
    for axis in (0, 1, -1):
        row = Row().conv().dense(6)
        assert row.trace.apply("softmax", row.flow, where="s", axis=axis, has_batch=False).shape == (1, 6)
    row = Row((1, 1, 5, 5)).conv(6)
    assert row.trace.apply("softmax", row.flow, where="s", axis=0, has_batch=False).shape == (1, 6, 1, 1)


@pytest.mark.parametrize("op", ["best", "label"])
def test_only_the_first_label_is_a_label(op):
    row = Row().conv().dense(6)
    several = {"best": ([2], {}), "label": (None, {"best": False})}[op]
    refused(
        lambda: row.trace.apply(op, row.flow, several[0], where="top", kind="argmax", **several[1]),
        "top: ",
        "several labels",
    )
    row = Row().conv().dense(6)
    row.trace.apply(op, row.flow, [1] if op == "best" else None, where="top", kind="argmin")
    assert row.trace.decision == "argmin"
