"""bench/peers/litert.py: whatever way LiteRT runs a model, it gives the model's outputs."""

from __future__ import annotations


def test_every_way_gives_the_models_outputs(check_peer):
    check_peer("litert")
