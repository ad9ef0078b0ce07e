"""The rows of the table: what is measured, what was measured of BOINC's own wrapper, what is aimed
at. How it is measured is in the modules named here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks import cost, growth, latency, scale, truth
from tests.benchmarks.stage import Stage


@dataclass(frozen=True)
class Row:
    """A line of the table; ``known`` is the C++ wrapper, ``aim`` what ours is to reach."""

    title: str
    known: str = ""
    aim: str = ""


@dataclass(frozen=True)
class Measurement:
    """What is measured in one go: a cell for each of its rows."""

    key: str
    take: Callable[[Stage], tuple[str, ...]]
    rows: tuple[Row, ...]


ALL = (
    Measurement("start", latency.start, (
        Row("started -> first act, image built from nothing"),
        Row("... image built, its layers there", "0.8-1.6 s", "<= 1.6 s"),
        Row("... image there", "", "<= 0.6 s"),
        Row("... a paused container there", "", "<= 0.4 s"),
    )),
    Measurement("suspend", latency.suspend, (
        Row("<suspend/> -> paused, median / worst", "0.95 / 2.3 s", "<= 0.2 / 0.5 s"),
        Row("<resume/> -> running, median / worst", "0.95 s", "<= 0.2 s"),
        Row("<suspend/> at any time, as by a CPU limit", "", "<= 0.2 / 0.5 s"),
        Row("<resume/> at any time", "", "<= 0.2 s"),
    )),
    Measurement("end", latency.end, (
        Row("last act -> wrapper gone, median / worst", "3.6-9.9 s", "<= 0.6 podman, 0.8 s docker"),
    )),
    Measurement("cpu", cost.cpu, (
        Row("CPU a minute, running: wrapper and what it starts", "0.57 podman, 0.28 s docker",
            "<= 0.03 s with the engine's"),
        Row("... and the engine's processes, more than without a job"),
        Row("CPU a minute, suspended: wrapper and what it starts", "the same",
            "<= 0.02 s with the engine's"),
        Row("... and the engine's processes, more than without a job"),
        Row("... of a bare loop that wakes up 5 times a second, meanwhile"),
        Row("processes started a minute, running", "12", "0"),
        Row("... suspended"),
        Row("memory of the wrapper: PSS / its own", "1.5 MiB, over 26 with its CLI", "<= 12 MiB"),
        Row("... of its dead man's switch: PSS / its own"),
    )),
    Measurement("fallbacks", cost.fallbacks, (
        Row("CPU a minute, running, all in all: without pidfds", "", "<= 0.1 s"),
        Row("... where the cgroup cannot be seen", "", "<= 0.1 s"),
    )),
    Measurement("told", truth.cpu_told, (
        Row("CPU time told against the cgroup's, with pauses", "+6.6 to +8.7 %", "<= 1 %"),
    )),
    Measurement("wss", truth.wss_told, (
        Row("working set told against the cgroup's", "an average since the start", "the cgroup's"),
        Row("... how old", "", "<= 1 s"),
    )),
    Measurement("growth", growth.growth, (
        Row("growth in a simulated day, from its fifth hour: memory", "", "0"),
        Row("... open files", "", "0"),
        Row("... state file", "", "0"),
    )),
)
SCALE = Measurement("scale", scale.scale, tuple(
    row for count in scale.COUNTS for row in (
        Row(f"{count} at once: CPU a minute and job, wrapper", "", "<= 0.03 s"),
        Row("... and the engine's processes, more than without a job"),
        Row("... all told <suspend/> -> paused, median / worst", "", "<= 2 s"),
        Row("... PSS a wrapper", "", "<= 12 MiB"),
    )
))
"""Many jobs: what ``SCALE=1`` measures, and nothing else."""
