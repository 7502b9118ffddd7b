"""cpu.cpp: the choice of the instruction set, in fresh processes, and the processors that a quota leaves."""

from __future__ import annotations

import os
import subprocess
import sys

import lenet_fast
import pytest
from lenet_fast import _core


def run(code, **variables):
    environment = {k: v for k, v in os.environ.items() if k != "LENET_FAST_ISA"} | variables
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def test_the_baseline_is_always_there_and_last():
    assert _core.available_isas()[-1] == "baseline"


def test_the_best_is_chosen(monkeypatch):
    monkeypatch.delenv("LENET_FAST_ISA", raising=False)
    assert lenet_fast.info()["isa"] == _core.available_isas()[0]
    monkeypatch.setenv("LENET_FAST_ISA", "")
    assert lenet_fast.info()["isa"] == _core.available_isas()[0]


def test_the_forced_set_is_the_active_one(isa, digits):
    assert lenet_fast.info()["isa"] == isa
    assert digits._plan.isa == isa
    done = run("import lenet_fast; print(lenet_fast.pretrained('digits')._plan.isa)", LENET_FAST_ISA=isa)
    assert done.stdout.strip() == isa


@pytest.mark.parametrize("name", ["avx1024", "AVX2", "sse", "neon,avx2"])
def test_a_set_that_the_machine_lacks_is_refused(name):
    done = run("import lenet_fast, numpy; lenet_fast.predict(numpy.zeros((28, 28)))", LENET_FAST_ISA=name)
    assert done.returncode == 1
    known = ", ".join(_core.available_isas())
    wanted = f"ValueError: LENET_FAST_ISA: wanted an instruction set that this machine has ({known}), found '{name}'; unset it to use the best one"
    assert done.stderr.strip().splitlines()[-1] == wanted


def test_import_works_whatever_is_forced():
    assert run("import lenet_fast", LENET_FAST_ISA="made-up").returncode == 0


ALL = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def processors_with(system, groups, files):
    """What is usable where /proc and /sys say this; one and two processors can be told apart on any machine of two."""
    for path, text in {"proc/self/cgroup": groups, **files}.items():
        (system / path).parent.mkdir(parents=True, exist_ok=True)
        (system / path).write_text(text)
    return _core.usable_processors(str(system))


@pytest.mark.parametrize(
    ("limit", "wanted"),
    [
        ("100000 100000\n", 1),
        ("50000 50000\n", 1),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),  # more than one processor's worth is not wasted
        ("100001 100000\n", 2),
        ("50000 100000\n", 1),  # half a processor is still one thread
        ("1000 1000000\n", 1),
        ("0 100000\n", 1),
        ("max 100000\n", ALL),
        ("max\n", ALL),
        ("100000 0\n", ALL),
        ("100000 -100000\n", ALL),
        ("", ALL),
    ],
)
def test_a_quota_is_rounded_up_to_whole_processors(tmp_path, limit, wanted):
    found = processors_with(tmp_path, "0::/app\n", {"sys/fs/cgroup/app/cpu.max": limit})
    assert found == min(wanted, ALL)


@pytest.mark.parametrize(
    "limited",
    [
        "sys/fs/cgroup/cpu.max",
        "sys/fs/cgroup/pod/cpu.max",
        "sys/fs/cgroup/pod/box/cpu.max",
        "sys/fs/cgroup/pod/box/app/cpu.max",
    ],
)
def test_the_smallest_quota_from_the_group_up_to_the_root_counts(tmp_path, limited):
    groups = ["sys/fs/cgroup/" + "".join(f"{name}/" for name in ("pod", "box", "app")[:depth]) for depth in range(4)]
    for others in ("max 100000\n", "150000 100000\n"):
        files = {f"{group}cpu.max": others for group in groups} | {limited: "100000 100000\n"}
        assert processors_with(tmp_path, "0::/pod/box/app\n", files) == 1
    assert processors_with(tmp_path, "0::/pod/box/app\n", {limited: "max 100000\n"}) == min(2, ALL)


def test_a_quota_of_another_group_does_not_count(tmp_path):
    files = {f"sys/fs/cgroup/{group}cpu.max": "100000 100000\n" for group in ("pod/other/", "other/", "pod/app/below/")}
    assert processors_with(tmp_path, "0::/pod/app\n", files) == ALL


def v1(folder, quota, period=100000):
    return {f"{folder}/cpu.cfs_quota_us": f"{quota}\n", f"{folder}/cpu.cfs_period_us": f"{period}\n"}


@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct", "cpuacct,cpu", "cpuset,cpu,cpuacct"])
@pytest.mark.parametrize("limited", ["", "/pod", "/pod/app"])
def test_quotas_of_version_1_lie_under_their_controllers(tmp_path, controllers, limited):
    groups, root = f"4:memory:/pod\n3:{controllers}:/pod/app\n0::/\n", f"sys/fs/cgroup/{controllers}"
    everywhere = v1(root, -1) | v1(f"{root}/pod", -1) | v1(f"{root}/pod/app", -1)
    assert processors_with(tmp_path, groups, everywhere) == ALL
    assert processors_with(tmp_path, groups, v1(root + limited, 100000)) == 1
    assert processors_with(tmp_path, groups, v1(root + limited, 50000)) == 1
    assert processors_with(tmp_path, groups, v1(root + limited, 150000)) == min(2, ALL)
    for period in (0, -100000):
        assert processors_with(tmp_path, groups, v1(root + limited, 100000, period)) == ALL


def test_other_controllers_set_no_quota(tmp_path):
    groups = "5:cpuset:/app\n4:cpuacct:/app\n3:name=cpu:/app\nnonsense\n2:memory\n"
    files = {}
    for controllers in ("cpuset", "cpuacct", "name=cpu", "cpu"):
        files |= v1(f"sys/fs/cgroup/{controllers}/app", 100000)
    assert processors_with(tmp_path, groups, files) == ALL


def test_a_machine_without_control_groups_has_no_quota(tmp_path):
    assert _core.usable_processors(str(tmp_path)) == ALL
    assert 1 <= _core.usable_processors() <= ALL
