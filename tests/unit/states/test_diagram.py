"""Facts about the drawings, and that the docs hold the present ones."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from states.diagram import (
    SECTIONS,
    NoMarkers,
    endings,
    main,
    matrix,
    mermaid,
    names_in,
    reasons,
    replace_between_markers,
)
from states.table import TABLE, Event, State, target

ROOT = Path(__file__).parents[3]
ADVICE = "run: python -m states.diagram README.md docs/state-machine.md"


def test_the_diagram_has_every_row_of_the_table_and_no_other() -> None:
    drawn = {
        (source, event, landing)
        for source, landing, events in re.findall(r"^    (\w+) --> (\w+): (.+)$", mermaid(), re.M)
        for event in events.split(" / ")
    }
    assert drawn == {(row.source.value, row.event.value, row.target.value) for row in TABLE}


def test_the_diagram_begins_at_the_first_state_and_ends_at_done() -> None:
    assert "    [*] --> discover_distro\n" in mermaid()
    assert "    done --> [*]\n" in mermaid()


def test_the_matrix_has_every_cell() -> None:
    head, rule, *rows = [line.strip("|\n ").split("|") for line in matrix().splitlines()]
    states = [State(name.strip()) for name in head[1:]]
    assert (states, len(rule), len(rows)) == (list(State), len(State) + 1, len(Event))
    for row in rows:
        cells = [cell.strip() for cell in [*row, *[""] * (len(head) - len(row))]]
        for state, cell in zip(states, cells[1:], strict=True):
            landing = target(state, Event(cells[0]))
            assert cell == (landing.value if landing else "")


def test_every_event_has_its_reason() -> None:
    assert all(f"| {event.value} | " in reasons() for event in Event)


def test_the_rows_of_endings_come_from_the_docstring() -> None:
    assert endings().startswith("| what is known | ending |\n|---|---|\n| the kernel killed")
    assert len(endings().splitlines()) == 10


def test_text_outside_the_markers_stays() -> None:
    text = "before\n<!-- states -->\nold\n<!-- /states -->\nafter\n"
    new = replace_between_markers(text)
    assert new.startswith("before\n<!-- states -->\n```mermaid\nstateDiagram-v2\n")
    assert new.endswith("```\n<!-- /states -->\nafter\n")
    assert "old" not in new
    assert replace_between_markers(new) == new


@pytest.mark.parametrize("text", ["", "<!-- states -->\n", "<!-- /states -->\n<!-- states -->\n"])
def test_missing_markers_are_told(text: str) -> None:
    with pytest.raises(NoMarkers, match="states"):
        replace_between_markers(text)


def test_a_file_is_brought_up_to_date_in_all_its_sections(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("".join(f"<!-- {name} -->\n<!-- /{name} -->\n" for name in SECTIONS))
    main([str(path)])
    assert path.read_text() == "".join(
        f"<!-- {name} -->\n{draw()}<!-- /{name} -->\n" for name, draw in SECTIONS.items()
    )


def test_the_module_prints_the_diagram() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "states.diagram"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )
    assert done.stdout == mermaid()


def test_the_page_on_the_state_machine_is_up_to_date() -> None:
    text = (ROOT / "docs" / "state-machine.md").read_text("utf-8")
    assert names_in(text) == list(SECTIONS)
    assert replace_between_markers(text, list(SECTIONS)) == text, ADVICE
