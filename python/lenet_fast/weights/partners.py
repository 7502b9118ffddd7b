"""Files that are only a part of a model: what each one is, and which other file it belongs to, by its name.

What a file is, its content says; the name is asked only where that has failed, so that the sentence can say more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import OpenQuestionError, OverBudgetError, WeightsError, refuse
from ..network import Conv5x5, Dense, Network
from ..networks import TEMPLATES

#: The names of files that say nothing by themselves, what they are, and the way out with the groups of the name.
_PARTS: tuple[tuple[str, str, str], ...] = (
    (r"(.+)\.data-\d{5}-of-\d{5}", "the values of a TensorFlow checkpoint",
     "load {0}.index, with this file beside it"),
    (r"(.+)\.meta", "the graph of a TensorFlow checkpoint without its values",
     "load {0}.index, with {0}.data-00000-of-00001 beside it"),
    (r"checkpoint", "the list of a folder's TensorFlow checkpoints", "load the .index file of one of them"),
    (r"group\d+-shard\d+of\d+\.bin", "a part of a TensorFlow.js model", "convert the original to ONNX or Keras"),
    (r"(.+\.(?:safetensors|bin))\.index\.json", "the list of the parts of a model that was saved in several",
     "save it in one file"),
    (r"(.+)-symbol\.json", "the graph of an MXNet model without its weights",
     "load {0}-0000.params, or the .params of another epoch, with network="),
    (r"(.+\.onnx)(?:\.|_)data", "weights that an ONNX file keeps outside", "load {0}, with this file beside it"),
    (r"(.+)\.bin", "numbers without names, as OpenVINO and ncnn keep weights",
     "load {0}.xml (OpenVINO) or {0}.param (ncnn), with this file beside it"),
)  # fmt: skip
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.(safetensors|bin)")


def refuse_part(name: str) -> None:
    """Refuse a file of no format whose name says which other file has to be loaded."""
    for pattern, found, way_out in _PARTS:
        if match := re.fullmatch(pattern, name):
            refuse("", "a model", found, way_out.format(*match.groups()))


def refuse_shorter(name: str, network: Network) -> None:
    """Refuse one of several parts, by its name, whose arrays make a network of their own, of no paper's sizes."""
    match = _SHARD.fullmatch(name)
    convolved = [layer.maps for layer in network.layers if isinstance(layer, Conv5x5)]
    units = [layer.units for layer in network.layers if isinstance(layer, Dense)][:-1]
    sizes = tuple(convolved[:2]), (*convolved[2:], *units)
    if match and int(match[3]) > 1 and sizes not in {(one.maps, one.units) for one in TEMPLATES.values()}:
        refuse("", "a whole model", "a part of one")


@contextmanager
def shard(name: str) -> Iterator[None]:
    """Whatever is missing from one of several parts of a model is said to lie in the others."""
    try:
        yield
    except (OpenQuestionError, OverBudgetError):
        raise
    except WeightsError as error:
        match = _SHARD.fullmatch(name)
        if match is None or int(match[3]) < 2:
            raise
        stem, number, count, ending = match.groups()
        other = f"{stem}-{1 if int(number) > 1 else 2:05}-of-{count}.{ending}"
        found = f"part {int(number)} of {int(count)}, the rest is in {other}" + " and others" * (int(count) > 2)
        way_out = f"save it in one file, or join the arrays of all parts, which {stem}.{ending}.index.json lists, for lenet_fast.from_state_dict"  # noqa: E501
        raise WeightsError("", "a whole model", found, way_out, error.file) from error
