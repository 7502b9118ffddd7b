"""weights/graph/operators: one table of canonical operators, and readers that name only what stands in it."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
from lenet_fast.weights.graph.node import Entry, Node
from lenet_fast.weights.graph.operators import OPERATORS

READERS = ("caffe", "coreml_layers", "keras", "ncnn", "onnx", "openvino_ir", "tflite", "torch_module")


def functions(op):
    """What an operator does to images and to constants; behind `moving`, what rearranges both."""
    for function in (OPERATORS[op].flow, OPERATORS[op].fold):
        if function is not None:
            yield inspect.getclosurevars(function).nonlocals.get("rearrange", function)


def check(op, names, is_all=True):
    """That each of an operator's functions takes these attributes, and has all that it must have if they are all."""
    assert op in OPERATORS, op
    for function in functions(op):
        settings = {p.name: p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY}
        unknown = set(names) - set(settings)
        assert not unknown, f"{op}: {function.__qualname__} has no {', '.join(unknown)}"
        missing = {name for name, p in settings.items() if p.default is p.empty} - set(names)
        assert not (is_all and missing), f"{op}: {function.__qualname__} wants {', '.join(missing)}"


def calls(tree, *names):
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    return [call for call in found if call.func.id in names and call.args]


def keywords(call):
    """Names of the attributes, and whether they are all that there are."""
    names = [keyword.arg for keyword in call.keywords]
    return [name for name in names if name], None not in names


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_is_of_images_or_of_constants_or_both(name):
    operator = OPERATORS[name]
    assert operator.flow or operator.fold
    assert operator.fold or not (operator.size or operator.keeps_name)


@pytest.mark.parametrize("reader", READERS)
def test_readers_name_operators_and_attributes_that_there_are(reader):
    """As the source spells them: one that is not there would be an error in the rare file alone that has it."""
    tree = ast.parse(inspect.getsource(import_module(f"lenet_fast.weights.graphs.{reader}")))
    found = 0
    for call in calls(tree, "Node", "always"):
        if isinstance(call.args[0], ast.Constant):
            check(call.args[0].value, *keywords(call))
            found += 1
    for maker in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        inside = [c for c in calls(maker, "Node") if isinstance(c.args[0], ast.Name) and c.args[0].id == "op"]
        for call in inside:  # an operator that is made for several
            for use in calls(tree, maker.name):
                check(use.args[0].value, keywords(call)[0], is_all=False)
                found += 1
    assert found > 10


class Some(tuple):
    """A setting that is there, whatever it is."""

    def load(self):
        return np.zeros(1)


def onnx_settings():
    return SimpleNamespace(opset=13, get=lambda name, default=None: Some() if default is None else default)


class Options:
    """The options of one of TFLite's operators: every method says 1."""

    def __getattr__(self, name):
        return lambda: 1


class TFLiteSettings:
    def options(self, name):
        return Options()

    def __iter__(self):
        return iter((1.0, 0.0))


@pytest.mark.parametrize(("reader", "settings"), [("onnx", onnx_settings()), ("tflite", TFLiteSettings())])
def test_every_entry_of_a_table_is_nodes_with_attributes_that_there_are(reader, settings):
    """With every setting given: those that the tables rename, too."""
    for kind, translate in import_module(f"lenet_fast.weights.graphs.{reader}").TABLE.items():
        nodes = translate(Entry(kind, "here", ("x", "y"), "z", settings))
        for node in [nodes] if isinstance(nodes, Node) else nodes:
            check(node.op, node.attributes)
