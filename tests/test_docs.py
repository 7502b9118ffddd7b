"""The pages: their examples run as they stand, and what they name (files, tests, commands, figures) is there."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import json
import math
import re
import statistics
from functools import cache
from importlib import import_module
from pathlib import Path

import lenet_fast
import numpy as np
import pytest
from lenet_fast.cli import main

ROOT = Path(__file__).parent.parent
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))}
README = PAGES["README.md"]
RECORDED = json.loads((ROOT / "benchmarks" / "results" / "epyc-avx2.json").read_text())["networks"]

NAMES = (
    "calibration",
    "codes",
    "digits",
    "kernels",
    "network",
    "networks",
    "preprocess",
    "pretrained",
    "rejection",
)
MODULES = [lenet_fast, *(import_module(f"lenet_fast.{name}") for name in NAMES)]

FENCED = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: "formats.md:12" -> what stands in the block that begins there.
EXAMPLES = {
    f"{page}:{text[: block.start()].count(chr(10)) + 1}": block[2]
    for page, text in PAGES.items()
    for block in FENCED.finditer(text)
    if block[1] == "python"
}


def prose(text):
    """A page without its blocks."""
    return FENCED.sub("", text)


def code(text):
    """What stands between backticks, and the lines of the blocks that a shell runs."""
    yield from (re.sub(r"\s+", " ", span) for span in re.findall(r"`([^`]+)`", prose(text)))
    for kind, block in FENCED.findall(text):
        yield from (line.partition("  #")[0] for line in block.splitlines() if kind == "sh")


def anchors(text):
    """The names by which headings are linked to."""
    for title in re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def links(page):
    """(file, anchor) of every link of a page that leads to a file here."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(PAGES[page])):
        if not target.startswith("https://"):
            path, _, anchor = target.partition("#")
            yield (ROOT / page).parent.joinpath(path).resolve() if path else (ROOT / page).resolve(), anchor


# ---- Examples ----


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_docstrings(module):
    failed, tried = doctest.testmod(module, extraglobs={"lenet_fast": lenet_fast, "np": np})
    assert failed == 0
    assert tried > 0


@pytest.mark.parametrize("place", EXAMPLES)
def test_examples_run_as_they_stand(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    compiled = compile(EXAMPLES[place], place, "exec")
    if "import torch" in EXAMPLES[place]:
        pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")
    exec(compiled, {})


@pytest.mark.parametrize("page", PAGES)
def test_no_example_escapes(page):
    """A block is Python that runs, lines for a shell, or text; one of another kind would never be tried."""
    assert {kind for kind, _ in FENCED.findall(PAGES[page])} <= {"python", "sh", "text"}
    assert prose(PAGES[page]).count("```") == 0


def test_the_readme_shows_five_lines_and_what_they_print(capsys):
    first = next(block for place, block in EXAMPLES.items() if place.startswith("README.md"))
    exec(compile(first, "README.md", "exec"), {})
    assert len([line for line in first.splitlines() if line]) == 5
    assert capsys.readouterr().out.splitlines() == re.findall(r"print\(.*\)  # (.*)", first)


# ---- Figures ----


@pytest.mark.parametrize("name", lenet_fast.pretrained())
def test_accuracies_are_those_of_the_cards(name):
    accuracy = " ".join(lenet_fast.pretrained(name).card["test accuracy"].split()[:2])
    row = next(line for line in PAGES["docs/networks.md"].splitlines() if line.startswith(f'| `"{name}"` |'))
    assert row.endswith(f"| {accuracy} |")
    if name == "digits":
        assert f"{accuracy} on MNIST's test images" in README


def test_the_first_number_is_the_recorded_one():
    rows = RECORDED["lenet5-1998"]["rows"]
    ratio = next(row["ratio"] for row in rows if (row["threads"], row["batch"]) == (1, 256))
    assert re.search(r"\*\*([\d.]+) times\*\*", README)[1] == f"{ratio:.1f}"


def test_figures_are_the_recorded_ones():
    """Time, ratio and share of the peak in the tables of docs/performance.md."""
    tables = re.split(r"\n(?=\| (?:one|two) threads?, )", PAGES["docs/performance.md"])[1:]
    assert len(tables) == 2
    for threads, table in enumerate(tables, start=1):
        for name, network in RECORDED.items():
            rows = {row["batch"]: row for row in network["rows"] if row["threads"] == threads}
            cells = [f"{microseconds(rows[n]):.1f} us, {rows[n]['ratio']:.1f}x" for n in (1, 16, 256, 4096)]
            row = next(line for line in table.splitlines() if line.startswith(f"| `{name}`"))
            assert row.split(" | ")[1:] == [*cells, f"{rows[4096]['share_of_peak']:.0%} |".replace("%", " %")]


def test_what_bounds_a_network_is_counted():
    table = PAGES["docs/performance.md"].partition("| network | multiply-adds per image |")[2]
    for name, recorded in RECORDED.items():
        row = next(row for row in recorded["rows"] if (row["threads"], row["batch"]) == (1, 4096))
        network = lenet_fast.networks()[name]
        layers = zip(network.layers, network.figures, strict=True)
        squashed = sum(
            math.prod(figures.output) for layer, figures in layers if "tanh" in getattr(layer, "activation", "")
        )
        cells = [f"{recorded['multiply_adds']:,}", f"{squashed:,}" if squashed else "none"]
        floor = f"{microseconds(row) * row['share_of_peak']:.1f} us |"
        line = next(line for line in table.splitlines() if line.startswith(f"| `{name}`"))
        assert line.split(" | ")[1:] == [*cells, floor]


def microseconds(row):
    """Of an image, ours."""
    return statistics.median(next(iter(row["contestants"]))["microseconds_per_image"])


@pytest.mark.parametrize("name", lenet_fast.networks())
def test_every_named_network_is_listed_with_its_parameters(name):
    network = lenet_fast.networks()[name]
    row = next(line for line in PAGES["docs/networks.md"].splitlines() if line.startswith(f"| `{name}` |"))
    assert row.startswith(f"| `{name}` | {'x'.join(map(str, network.input))} |")
    assert row.endswith(f"| {sum(figures.trainable for figures in network.figures):,} |")


def test_limits_of_files_are_those_of_the_code():
    limits = dict(re.findall(r"^\| ([^|]+) \| ([\d,]+(?: \w+)?) \|$", PAGES["SECURITY.md"], re.MULTILINE))
    for field, most in re.findall(r"^\| `(\w+)` \| [^|]+ \| ([\d,]+) \|$", PAGES["SECURITY.md"], re.MULTILINE):
        assert most == f"{getattr(lenet_fast.Budget(), field):,}"
        limits[f"`{field}`"] = most
    assert [f"`{field.name}`" in limits for field in dataclasses.fields(lenet_fast.Budget)] == [True] * 6
    assert lenet_fast.Budget().unpacked_bytes(0) == 16 << 20
    largest = limits["output values of a layer of a network"].replace(",", "")
    with pytest.raises(ValueError, match=f"wanted at most {largest} output values"):
        lenet_fast.Network((1, 4096, 4096), (lenet_fast.Conv5x5(2),), "scores")


# ---- What pages name ----


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for path, anchor in links(page):
        assert path.exists(), path
        assert not anchor or anchor in anchors(path.read_text()), f"{path.name}#{anchor}"


def test_every_page_is_reached_from_the_readme():
    reached, waiting = set(), ["README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        found = {path.relative_to(ROOT).as_posix() for path, _ in links(page)}
        waiting += sorted((found & set(PAGES)) - reached)
    assert reached == set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_files_that_pages_name_are_there(page):
    """Paths from the root, such as csrc/plan.cpp; <...> and * stand for names."""
    for span in code(PAGES[page]):
        for path in re.findall(
            r"(?:^|(?<= ))((?:csrc|python|tests|training|benchmarks|docs)/[\w./-]*)(?=$|[ :])", span
        ):
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES)
def test_names_of_the_package_are_there(page):
    for name in re.findall(r"\blenet_fast\.(\w+(?:\.\w+)*)", " ".join(code(PAGES[page]))):
        found = lenet_fast
        for part in name.split("."):
            assert hasattr(found, part), f"lenet_fast.{name}"
            found = getattr(found, part)


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_their_options_are_there(page, capsys):
    for line in code(PAGES[page]):
        for command, rest in re.findall(r"\blenet-fast ([a-z]+)\b([^|&]*)", line):
            with pytest.raises(SystemExit) as ended:
                main([command, "--help"])
            assert ended.value.code == 0, line
            known = set(re.findall(r"--\w+", capsys.readouterr().out))
            assert set(re.findall(r"(?<= )--\w+", rest)) <= known, line


@pytest.mark.parametrize("page", PAGES)
def test_scripts_take_their_options_and_extras_can_be_installed(page):
    extras = re.findall(
        r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text().partition("optional-dependencies]")[2], re.M
    )
    for line in code(PAGES[page]):
        for script, rest in re.findall(r"\bpython (\w+/\w+\.py)\b([^|&]*)", line):
            for option in re.findall(r"--\w+", rest):
                assert f'"{option}"' in (ROOT / script).read_text(), line
        for named in re.findall(r'pip install "\.\[([\w,]+)\]"', line):
            assert set(named.split(",")) <= set(extras), line


def test_every_promise_names_tests_that_exist():
    rows = re.findall(r"^\| (.*) \| (.*) \|$", PAGES["docs/promises.md"], re.MULTILINE)
    rows = [row for row in rows if row != ("promise", "held by") and row[0].strip("- ")]
    assert len(rows) > 40
    for promise, held_by in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", held_by)
        assert named, promise
        for path, test in named:
            assert test in functions_in(path), f"{path}::{test}"


@cache
def functions_in(path):
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


# ---- Form ----


def test_the_readme_has_at_most_a_hundred_lines():
    assert README.count("\n") <= 100


@pytest.mark.parametrize("page", PAGES)
def test_prose_has_lines_of_120(page):
    long = [line for line in PAGES[page].splitlines() if len(line) > 120 and not line.startswith("|")]
    assert long == []


@pytest.mark.parametrize("page", [page for page in PAGES if page != "README.md"])
def test_a_page_begins_with_what_it_answers(page):
    """A title, then one paragraph of one or two sentences, and only then a heading, a table or a block."""
    title, answer, rest = PAGES[page].split("\n\n", 2)
    assert title.startswith("# ")
    assert "\n" not in title
    assert 1 <= len(re.findall(r"[.!?](?=\s|$)", answer)) <= 2
    assert rest
