"""bench/peers/openvino.py: whatever way OpenVINO runs a model, it gives the model's outputs."""

from __future__ import annotations


def test_every_way_gives_the_models_outputs(check_peer):
    check_peer("openvino")
