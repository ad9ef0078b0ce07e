"""Whether anything piles up: a day of one job with a clock that jumps, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.benchmarks.figures import NONE
from tests.benchmarks.stage import OURS, Stage
from tests.lab.workunit import CHECKOUT


def growth(stage: Stage) -> tuple[str, ...]:
    """Memory, files and state; another wrapper cannot be looked at in this way."""
    if stage.subject.command != OURS:
        return (NONE,) * 3
    grown = day(6 if stage.quick else 24)
    return (
        f"{grown['memory'] / 1024:.0f} KiB", f"{grown['files']:.0f}", f"{grown['state']:.0f} bytes"
    )


def day(hours: int) -> dict[str, float]:
    """What a day of so many hours tells; see :mod:`.day`."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.day", str(hours)], cwd=CHECKOUT,
        capture_output=True, text=True, timeout=600, check=False,
    )
    if done.returncode:
        raise AssertionError(f"the simulated day ended badly: {done.stderr}")
    told: dict[str, float] = json.loads(done.stdout)
    return told
