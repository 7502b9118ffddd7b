"""Settings of a network that lie beside its weights: in a checkpoint's dictionary, in metadata, in a config.json.

Trainers keep them under a few names: {"state_dict": ..., "activation": "tanh"}, or one level further down, in "config",
"hyper_parameters" or "args". Words are told in many ways, as a text, as a class or function of PyTorch, as a dictionary
with a type: all of them go to the one table of `said`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..budget import charge
from ..errors import refuse, shown
from . import json_text
from .arrays import pickled_arrays
from .arrays.pickled import Call, Name
from .files import File
from .said import Said

_KEYS = {
    **dict.fromkeys(("activation", "activation_fn", "activation_function", "act_fn", "hidden_act"), "activation"),
    **dict.fromkeys(("nonlinearity", "non_linearity", "activation_name", "activation_type"), "activation"),
    **dict.fromkeys(("pooling", "pool", "pool_type", "pooling_type", "pool_mode", "pooling_mode"), "pooling"),
    **dict.fromkeys(("slope", "negative_slope", "leaky_slope", "leaky_relu_slope"), "slope"),
}
#: Where settings are kept, inside of a checkpoint and of each other.
_PLACES = (
    "config", "cfg", "hparams", "hyper_parameters", "hyperparameters", "args", "options", "opt", "model_args",
    "model_config", "model_kwargs", "init_args", "network_config", "settings",
)  # fmt: skip
_INSIDE = ("model", "network", "net", "arch")  # of these places
_DICTIONARIES = ("dict", "OrderedDict", "defaultdict", "Namespace", "SimpleNamespace", "AttributeDict", "EasyDict")
_DEEPEST, _LONGEST_WORD, _MOST_WORDS = 4, 200, 8
_NUMBER = re.compile(r"\d{0,20}\.?\d{1,20}(e-?\d{1,3})?")
#: Files that have their settings in a config.json beside them.
_HUGGING_FACE = ("model.safetensors", "pytorch_model.bin")


def said_in(tree: Any, where: str) -> Said:
    """What a dictionary, of a pickle or of JSON, says of a network."""
    said = Said(where, is_declared=True)
    slopes: set[float] = set()
    for what, value in _settings(tree, _PLACES, 0):
        if what == "slope":
            slopes |= _slope(value, where)
        else:
            for word, slope in _words(value):
                said.declare(what, word, slope)
    if len(slopes) > 1:
        refuse("slope", "one slope of leaky relu", f"{' and '.join(map(str, sorted(slopes)))} {where}")
    said.slope = next(iter(slopes), None)
    return said


def beside(file: File) -> list[Said]:
    """What the config.json in the folder of a Hugging Face file says; nothing where there is none."""
    config = file.beside("config.json") if file.path.name in _HUGGING_FACE else None
    return [] if config is None else [said_in(config_of(config), IN_CONFIG)]


IN_CONFIG = "in the config.json beside it"


def config_of(file: File) -> Mapping[str, Any]:
    """A config.json as data; what is damaged may say anything, so it is refused."""
    return json_text.parsed(file.data, f"JSON in {file.path.name!r} beside it, or no such file")


def _settings(tree: Any, places: tuple[str, ...], depth: int) -> Iterator[tuple[str, Any]]:
    """What is said of a network in a dictionary and in those inside it."""
    if depth > _DEEPEST:
        return
    for key, value in _items(tree):
        charge("visits")
        name = key.lower().lstrip("-").replace("-", "_") if isinstance(key, str) and len(key) < _LONGEST_WORD else ""
        if name in _KEYS:
            yield _KEYS[name], value
        elif name in places:
            yield from _settings(value, (*_PLACES, *_INSIDE), depth + 1)


def _items(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Keys and values of what is a dictionary."""
    is_dictionary = isinstance(tree, Call) and tree.path.rpartition(".")[2] in _DICTIONARIES
    return pickled_arrays.children(tree) if is_dictionary or isinstance(tree, dict) else iter(())


def _slope(value: Any, where: str) -> set[float]:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return set()
    if not 0 <= value <= 1:
        refuse("slope", "a number from 0 to 1", f"{shown(value)} {where}")
    return {float(value)}


def _words(value: Any) -> Iterator[tuple[str, float | None]]:
    """The words that a value stands for, each with the slope that goes with it."""
    if isinstance(value, str):
        word, _, behind = value[:_LONGEST_WORD].partition("(")
        number = _NUMBER.search(behind)
        yield word, _as_slope(number and float(number[0]))
    elif isinstance(value, Name):
        yield value.path, None
    elif isinstance(value, Call):
        yield from _of_call(value)
    elif isinstance(value, (list, tuple)):
        for one in value[:_MOST_WORDS]:
            yield from _words(one) if isinstance(one, (str, Name, Call)) else ()
    elif isinstance(value, dict):
        kind = next((value[key] for key in ("type", "name", "class_name") if isinstance(value.get(key), str)), None)
        if kind is not None:
            yield kind, _as_slope(value.get("negative_slope", value.get("slope")))


def _of_call(value: Call) -> Iterator[tuple[str, float | None]]:
    """A module of torch.nn, or a function that is an attribute of something."""
    if value.path.startswith("torch.nn."):
        state = value.state if isinstance(value.state, dict) else {}
        yield value.path, _as_slope(state.get("negative_slope"))
    elif value.path.endswith(".getattr") and isinstance(value.arguments, tuple):
        yield from ((name, None) for name in value.arguments[1:2] if isinstance(name, str))


def _as_slope(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 2 else None
