"""The table as `transitions` runs it, against the table itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from states.moves import from_plain, moves, to_plain
from states.table import TABLE, Event, Row, State, target

ROOT = Path(__file__).parents[3]


def test_every_cell_lands_where_the_table_says_and_nowhere_else() -> None:
    expected = {(state, event): target(state, event) for state in State for event in Event}
    assert moves() == {cell: landing for cell, landing in expected.items() if landing is not None}
    assert len(moves()) == len(TABLE)


def test_another_table_has_other_moves() -> None:
    row = Row(State.PAUSED, Event.EXITED, State.DONE, "for this test")
    assert moves([row]) == {(State.PAUSED, Event.EXITED): State.DONE}


def test_the_first_of_two_rows_for_a_cell_counts_as_in_the_library() -> None:
    rows = [Row(State.CREATE, Event.CREATED, place, "") for place in (State.RUNNING, State.DONE)]
    assert moves(rows) == {(State.CREATE, Event.CREATED): State.RUNNING}


def test_moves_survive_being_written_plainly() -> None:
    assert from_plain(to_plain(moves())) == moves()


def test_the_library_is_imported_by_nobody_who_only_keeps_moves() -> None:
    program = "import sys, states.machine, states.moves; print('transitions' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True,
                          timeout=60, check=True)
    assert done.stdout == "False\n"
