"""weights/source.py: what a reader hands over, and the habits of the frameworks."""

from __future__ import annotations

import numpy as np
from lenet_fast.weights.graph.trace import Trace
from lenet_fast.weights.source import KERAS, PADDLE, TORCH, UNKNOWN, Layout, Source


def test_frameworks_differ_in_their_orders():
    """PyTorch's kernels and Keras's full connections: Paddle has one of each."""
    assert Layout("OIHW", "OI", "CHW") == TORCH
    assert Layout("HWIO", "IO", "HWC") == KERAS
    assert Layout(TORCH.kernels, KERAS.dense, TORCH.flatten) == PADDLE
    assert Layout(None, None, None) == UNKNOWN == Source("format").layout


def test_sources_share_nothing():
    """Arrays of one file would else turn up in the next."""
    one, other = Source("format"), Source("format")
    one.tensors["w"] = np.ones(2)
    assert not other.tensors
    assert one.said == other.said == ()


def test_a_source_has_arrays_or_a_graph():
    assert Source("format").trace is None and Source("format", trace=Trace()).tensors == {}
