"""The benchmark itself, on one row and one engine, so that it cannot rot unnoticed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.cgroups import Group
from tests.lab.engines import ENGINE_ROOM, Missing, PodmanLab
from tests.lab.workunit import CHECKOUT

ROOMS = (Path("/var/tmp"), Path("/sys/fs/cgroup/cpuacct"), Path("/sys/fs/cgroup"))
pytestmark = ENGINE_ROOM


def left_by(pid: int) -> list[Path]:
    """What a benchmark of this number has left."""
    return [path for room in ROOMS for path in room.glob(f"dwbench-{pid}-*")]


@pytest.fixture
def can_measure() -> None:
    """An engine and a cgroup can be had here; else the test says why not, and fails on CI."""
    try:
        PodmanLab().close()
        Group("probe").close()
    except (Missing, OSError) as reason:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"nothing can be measured here: {reason}")


@pytest.mark.usefixtures("can_measure")
def test_a_quick_run_measures_and_leaves_nothing() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks"], cwd=CHECKOUT, text=True,
        env={**os.environ, "QUICK": "1", "ONLY": "end", "ENGINE": "podman", "REFERENCE": ""},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert re.search(r"^\| last act -> wrapper gone.*\d s +\|$", out, re.MULTILINE), out + err
    assert left_by(process.pid) == []
