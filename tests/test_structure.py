"""The house rules: what knows what, what is exported, what an import does."""

from __future__ import annotations

import ast
import graphlib
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import lenet_fast
import pytest
from lenet_fast import _core

ROOT = Path(__file__).parent.parent
CSRC = ROOT / "csrc"
PACKAGE = ROOT / "python" / "lenet_fast"


def includes(path):
    return re.findall(r'#include ["<]([^">]+)[">]', path.read_text())


def compile_kernels(compiler, simd, output, *flags):
    definitions = [f'-DLENET_FAST_SIMD="simd/{simd}.hpp"', f"-DLENET_FAST_TABLE={simd}_table"]
    strict = [
        "-std=c++20",
        "-O1",
        "-Wall",
        "-Wextra",
        "-ffp-contract=off",
        "-fno-exceptions",
        "-fno-rtti",
        "-fno-math-errno",
    ]
    return subprocess.run(
        [compiler, *strict, *definitions, *flags, "-c", CSRC / "kernels" / "kernels.cpp", "-o", output],
        capture_output=True,
        text=True,
        check=True,
    )


SETS = {
    "scalar": ("g++", []),
    "avx2": ("g++", ["-mavx2", "-mfma"]),
    "avx512": ("g++", ["-mavx512f", "-w"]),
    "neon": ("aarch64-linux-gnu-g++", []),
}


@pytest.mark.parametrize("simd", SETS)
def test_each_instruction_set_exports_its_table_and_nothing_else(tmp_path, simd):
    compiler, flags = SETS[simd]
    if not shutil.which(compiler):
        pytest.skip(
            f"{compiler} is not installed (Debian: apt-get install {'g++-aarch64-linux-gnu' if simd == 'neon' else 'g++'})"
        )
    if simd != "neon" and not set(_core.available_isas()) & {"avx2", "avx512", "baseline"} - (
        {"baseline"} if flags else set()
    ):
        pytest.skip("the compiler of this machine is not for x86-64")
    compile_kernels(compiler, simd, tmp_path / "kernels.o", *flags)
    symbols = subprocess.run(
        ["nm", "--extern-only", "--defined-only", tmp_path / "kernels.o"], capture_output=True, text=True, check=True
    )
    assert [line.split()[-1] for line in symbols.stdout.splitlines()] == [
        f"_ZN10lenet_fast7kernels{len(simd) + 6}{simd}_tableE"
    ]


def test_kernels_include_only_intrinsics_and_plain_types():
    allowed = {"cstddef", "cstdint", "immintrin.h", "arm_neon.h", "table.hpp"}
    for path in (CSRC / "kernels").rglob("*"):
        if path.suffix in (".hpp", ".cpp"):
            assert all(name in allowed or name.endswith("-inl.hpp") for name in includes(path)), path.name


def test_every_simd_header_offers_the_same_names_in_the_same_order():
    shapes = {
        path.name: re.findall(
            r"^(?:inline|constexpr|using) (?:const char\* |int )?(?:\w+\* ?)?(\w+)(?: =|\()|^inline Vec (\w+)\(",
            path.read_text(),
            re.M,
        )
        for path in (CSRC / "kernels" / "simd").glob("*.hpp")
    }
    names = {name: [a or b for a, b in found if (a or b) != "rounded_to_odd"] for name, found in shapes.items()}
    assert len(names) == 4
    assert len({tuple(found) for found in names.values()}) == 1, names
    assert {"Vec", "kLanes", "kRegisters", "fma", "low_bits_to_exponent"} <= set(names["scalar.hpp"])


def test_only_cpu_knows_instruction_sets_by_name():
    for path in CSRC.rglob("*.[ch]pp"):
        if path.name != "cpu.cpp" and path.parent.name != "simd":
            assert not re.search(
                r'"(avx2|avx512|neon|baseline)"|k(Avx2|Avx512|Neon|Baseline)Table', path.read_text()
            ), path.name


def test_only_bindings_know_python():
    for path in CSRC.rglob("*.[ch]pp"):
        if path.parent.name != "bindings":
            assert not re.search(r"pybind11|Python\.h", path.read_text()), path.name


def test_the_core_neither_prints_nor_aborts():
    for path in CSRC.rglob("*.[ch]pp"):
        assert not re.search(r"\b(printf|std::cout|std::cerr|abort|exit|assert)\s*[(<]", path.read_text()), path.name


def test_layers_of_the_core():
    """Kernels <- network <- plan <- engine <- bindings; threads and cpu beside them."""
    order = [
        "error",
        "arithmetic",
        "interrupt",
        "workspace",
        "tensor",
        "network",
        "weights",
        "cpu",
        "threads",
        "single",
        "plan",
        "engine",
    ]
    for name in order:
        for suffix in (".hpp", ".cpp"):
            path = CSRC / f"{name}{suffix}"
            if path.exists():
                known = {Path(i).stem for i in includes(path) if i.endswith(".hpp")} - {"table", name}
                assert known <= set(order[: order.index(name)]), path.name


def test_readers_do_not_know_the_extension():
    for path in (PACKAGE / "weights").rglob("*.py"):
        assert path.stem == "build" or "_core" not in path.read_text(), path
    assert "_core" not in (PACKAGE / "idx.py").read_text()


def test_stubs_say_what_the_extension_has():
    tree = ast.parse((PACKAGE / "_core.pyi").read_text())
    stubs = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert set(stubs) | {"__version__"} == {n for n in dir(_core) if not n.startswith("__")} | {"__version__"}
    for name, node in stubs.items():
        if isinstance(node, ast.ClassDef):
            members = {m.name for m in node.body if isinstance(m, ast.FunctionDef)}
            assert members == {
                n
                for n in vars(getattr(_core, name))
                if not n.startswith("__") or n in ("__init__", "__enter__", "__exit__")
            } - {"_pybind11_conduit_v1_"}, name
        else:
            arguments = re.findall(r"(\w+): ", getattr(_core, name).__doc__.splitlines()[0].partition(" ->")[0])
            assert [a.arg for a in node.args.args] == arguments, name


def test_everything_public_is_documented():
    for name in lenet_fast.__all__:
        if name not in ("__version__", "kernels"):
            assert len(getattr(lenet_fast, name).__doc__.strip()) > 40, name
    for name in dir(lenet_fast.Model):
        if not name.startswith("_"):
            assert getattr(lenet_fast.Model, name).__doc__, name


def test_the_version_stands_in_one_place():
    assert f'\nversion = "{lenet_fast.__version__}"\n' in (ROOT / "pyproject.toml").read_text()
    assert not [p for p in PACKAGE.rglob("*.py") if lenet_fast.__version__ in p.read_text()]


def test_the_mirror_of_the_c3_table():
    """The recipe's PyTorch network is independent of the package, its connection table included: they must agree."""
    text = (ROOT / "training" / "lenet5_1998.py").read_text()
    literal = re.search(r"^C3_TABLE = (\(.*?^\))", text, re.M | re.S).group(1)
    assert ast.literal_eval(literal) == lenet_fast.networks()["lenet5-1998"].layers[2].connections


READERS = sorted(str(path.relative_to(PACKAGE / "weights")) for path in (PACKAGE / "weights").rglob("*.py"))


@pytest.mark.parametrize("name", READERS)
def test_readers_import_no_framework(name):
    """No file of the readers names a trainer's framework in an import, but those that read live modules."""
    tree = ast.parse((PACKAGE / "weights" / name).read_text())
    imported = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    roots = {module.partition(".")[0] for module in imported}
    assert not roots & {"tensorflow", "keras", "paddle", "jax", "flax", "mxnet", "pickle", "joblib"}
    assert "torch" not in roots or name in ("graphs/torch_module.py", "live.py")


def module_of(path):
    """The dotted name of a file of the package."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in PACKAGE.rglob("*.py")}


def executed(node):
    """A tree's nodes, without what only a type checker reads."""
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        for child in node.orelse:
            yield from executed(child)
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from executed(child)


def imported_by(module, modules):
    """The package's modules that importing one, or calling its functions, imports; the root is there already."""
    path, packages = modules[module], module.split(".")
    packages = packages if path.name == "__init__.py" else packages[:-1]
    named = set()
    for node in executed(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = packages[: len(packages) + 1 - node.level] if node.level else []
            origin = ".".join([*above, *[node.module] * bool(node.module)])
            inside = {alias.name: f"{origin}.{alias.name}" for alias in node.names}
            named |= {whole if whole in modules else origin for whole in inside.values()}
    parents = {name[: end.start()] for name in named for end in re.finditer(r"\.", name)}
    loaded = {parent for parent in parents if module.startswith(f"{parent}.")}  # before the module itself
    return ((named | (parents - loaded)) & set(modules)) - {module, PACKAGE.name}


def circle_of(modules):
    """Modules that import each other, the first one again at the end; none is what should be."""
    try:
        graphlib.TopologicalSorter({module: imported_by(module, modules) for module in modules}).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_no_module_imports_itself_through_others():
    """Not inside functions either: then files can be read, moved and tested one after the other."""
    assert circle_of(MODULES) == []


@pytest.mark.parametrize(
    "text", ["from .two import x", "def late():\n    from . import two", "import lenet_fast.part.two"]
)
def test_a_circle_is_found_wherever_the_import_stands(tmp_path, text):
    guarded = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import two\n"
    texts = {"__init__": "", "one": text, "two": "from lenet_fast.part import one", "three": guarded}
    for name, lines in texts.items():
        (tmp_path / f"{name}.py").write_text(lines)
    modules = {f"lenet_fast.part.{n}".removesuffix(".__init__"): tmp_path / f"{n}.py" for n in texts}
    assert set(circle_of(modules)) == {"lenet_fast.part.one", "lenet_fast.part.two"}
    assert imported_by("lenet_fast.part.three", modules) == set()


@pytest.mark.parametrize("path", sorted(MODULES.values()), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_is_longer_than_350_lines(path):
    """What is longer does more than one thing."""
    assert len(path.read_text().splitlines()) <= 350


def test_files_are_read_without_their_frameworks(tmp_path):
    """Files of the real exporters, in a process where importing a framework fails."""
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")
    pytest.importorskip("keras", reason="keras is not installed (pip install '.[frameworks]')")
    from trainers import VARIANTS, keras_model, torch_module

    variant = VARIANTS["relu max 28 padded"].filled()
    module = torch_module(variant)
    torch.save(module, tmp_path / "whole.pth")
    torch.save(module.state_dict(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.zeros(1, 1, 28, 28),), tmp_path / "m.onnx", dynamo=False)
        for name in ("m.keras", "m.h5", "m.weights.h5"):
            model = keras_model(variant)
            (model.save_weights if "weights" in name else model.save)(tmp_path / name)
    code = f"""
import sys, pathlib
for name in ("torch", "tensorflow", "keras", "paddle", "jax", "flax", "mxnet", "caffe"):
    sys.modules[name] = None
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" and type(args[0]) is not int else None)
import lenet_fast
for path in sorted(pathlib.Path({str(tmp_path)!r}).iterdir()):
    network = None if path.suffix in (".onnx", ".keras") or path.name == "m.h5" else "lenet5-relu-max"
    lenet_fast.load(path, network=network, padding=2 if network else None)
    opened.clear()
    lenet_fast.load(path, network=network, padding=2 if network else None)
    assert set(opened) <= {{str(path)}}, opened
    print(path.name)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == 6


def test_a_missing_package_is_named_with_its_line(tmp_path):
    (tmp_path / "m.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    code = f"import sys; sys.modules['h5py'] = None; import lenet_fast; lenet_fast.load({str(tmp_path / 'm.h5')!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (
        "ImportError: reading Keras and HDF5 files needs h5py, which is not installed: pip install h5py" in done.stderr
    )


#: Sources that promise nothing of their own: they name, declare or gather what others compute.
WITHOUT_TESTS = {
    "csrc/bindings/bindings.hpp", "csrc/bindings/module.cpp", "csrc/error.hpp", "csrc/weights.hpp",
    "csrc/kernels/kernels.cpp", "csrc/kernels/table.hpp", "csrc/kernels/simd/avx2.hpp", "csrc/kernels/simd/avx512.hpp",
    "csrc/kernels/simd/neon.hpp", "csrc/kernels/simd/scalar.hpp",
}  # fmt: skip


def holds_code(path):
    """Whether a file has more than a docstring."""
    return any(not isinstance(node, ast.Expr) for node in ast.parse(path.read_text()).body)


def sources():
    """Every source, and the tests that may be its own."""
    tests = ROOT / "tests"
    for path in sorted(PACKAGE.rglob("*.py")):
        folder = tests / path.parent.relative_to(PACKAGE)
        if path.name != "__init__.py":
            yield path, [folder / f"test_{path.stem}.py"]
        elif holds_code(path):
            name = f"test_{path.parent.name}.py"
            yield path, [tests / name] if path.parent == PACKAGE else [folder / name, folder.parent / name]
    for path in sorted(CSRC.rglob("*.[ch]pp")):
        folder = tests / path.parent.relative_to(ROOT)
        yield path, [folder / f"test_{path.stem.removesuffix('-inl')}.py"]
    for path in sorted((ROOT / "training").glob("*.py")):
        yield path, [tests / "training" / f"test_{path.stem}.py"]


SOURCES = {str(path.relative_to(ROOT)): tests for path, tests in sources()}


@pytest.mark.parametrize("source", sorted(set(SOURCES) - WITHOUT_TESTS))
def test_every_source_has_a_test_of_its_folder_and_stem(source):
    """So that whoever changes a file knows where its promises are kept."""
    assert [test for test in SOURCES[source] if test.exists()], f"{source}: no {SOURCES[source][0].relative_to(ROOT)}"


def test_what_needs_no_test_is_there():
    assert set(SOURCES) >= WITHOUT_TESTS
