"""``python -m tests.benchmarks``: measure, print one table, assert nothing, leave nothing behind.

By environment: ``REFERENCE`` is another wrapper's program, measured side by side; ``ENGINE`` is
docker or podman (both); ``ONLY`` names measurements, with commas; ``QUICK=1`` takes fewer and
shorter ones; ``SCALE=1`` runs up to 32 jobs at once instead. ``--write FILE`` also puts the table
into a document, between the markers ``bench`` or ``scale``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.benchmarks import table
from tests.benchmarks.figures import NONE
from tests.benchmarks.machine import about
from tests.benchmarks.rows import ALL, SCALE, Measurement
from tests.benchmarks.stage import OURS, Stage, Subject, stage_for
from tests.lab.engines import Missing
from wrapper.engine.answers import EngineKind

Column = list[str]


def subjects(engine: str, reference: str) -> list[Subject]:
    """Who is measured, in the order of the table."""
    kinds = [EngineKind(engine)] if engine else [EngineKind.PODMAN, EngineKind.DOCKER]
    found = [Subject(kind.value, OURS, kind) for kind in kinds]
    if reference:
        found += [Subject(f"reference, {kind.value}", (reference,), kind) for kind in kinds]
    return found


def chosen(only: str) -> tuple[Measurement, ...]:
    """The measurements whose keys are named, or all.

    Raises:
        SystemExit: there is none of that name.
    """
    keys = [key.strip() for key in only.split(",") if key.strip()]
    unknown = set(keys) - {measurement.key for measurement in ALL}
    if unknown:
        names = ", ".join(measurement.key for measurement in ALL)
        raise SystemExit(f"no such measurement: {', '.join(sorted(unknown))}; there are {names}")
    return tuple(found for found in ALL if not keys or found.key in keys)


def column(subject: Subject, measurements: tuple[Measurement, ...], quick: bool) -> Column:
    """All cells of a subject."""
    cells: Column = []
    try:
        with stage_for(subject, quick=quick) as stage:
            for measurement in measurements:
                cells += _cells(stage, measurement)
    except (Missing, OSError) as reason:
        _say(f"{subject.title}: {reason}")
    missing = sum(len(measurement.rows) for measurement in measurements) - len(cells)
    return cells + [NONE] * missing


def _cells(stage: Stage, measurement: Measurement) -> tuple[str, ...]:
    """The cells of a measurement; dashes when it cannot be taken, and why is said."""
    try:
        cells = measurement.take(stage)
    except (AssertionError, OSError) as trouble:
        _say(f"{stage.subject.title}, {measurement.key}: {trouble}")
        stage.wrappers.clear()
        return (NONE,) * len(measurement.rows)
    for row, cell in zip(measurement.rows, cells, strict=True):
        _say(f"{stage.subject.title}: {row.title}: {cell}")
    return cells


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def report(
    measurements: tuple[Measurement, ...], titles: list[str], columns: list[Column]
) -> str:
    """The table, below a line about the machine."""
    rows = [["figure", "C++ wrapper", "to reach", *titles]]
    lines = [row for measurement in measurements for row in measurement.rows]
    for number, row in enumerate(lines):
        rows.append([row.title, row.known, row.aim, *(cells[number] for cells in columns)])
    return table.aligned(rows)


def main(words: list[str]) -> None:
    """Measure what the environment asks for."""
    if words and (len(words) != 2 or words[0] != "--write"):
        raise SystemExit("usage: python -m tests.benchmarks [--write FILE]")
    quick = os.environ.get("QUICK") == "1"
    measurements = chosen(os.environ.get("ONLY", ""))
    if os.environ.get("SCALE"):
        measurements = (SCALE,)
    who = subjects(os.environ.get("ENGINE", ""), os.environ.get("REFERENCE", ""))
    before = about()
    columns = [column(subject, measurements, quick) for subject in who]
    text = f"{before}\n\n" + report(measurements, [subject.title for subject in who], columns)
    print(text)
    if words:
        table.write(Path(words[1]), text, "scale" if measurements == (SCALE,) else "bench")


if __name__ == "__main__":
    main(sys.argv[1:])
