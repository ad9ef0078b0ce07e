"""The table as `transitions` runs it: where each event leads from each state.

A wrapper fires a handful of events in days, and would keep the library (with all that it imports,
0.8 MiB) in memory for them. So the library's machine is stepped through every cell once, at a
start, in a process that ends soon; what is kept is the map of where it landed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from states.table import TABLE, Event, Row, State

Moves = Mapping[tuple[State, Event], State]
"""From a state and an event to the next state; a pair that is not there is refused."""


class _Place:
    """The model that `transitions` attaches its names to."""

    state: State


def moves(table: Iterable[Row] = TABLE) -> Moves:
    """Every move that a table allows. Imports `transitions`.

    Raises:
        ValueError: the table leads to a state that is none.
    """
    from transitions import Machine, MachineError

    place = _Place()
    machine = Machine(
        model=place,
        states=State,
        initial=State.DISCOVER_DISTRO,
        transitions=[
            {"trigger": row.event.value, "source": row.source, "dest": row.target} for row in table
        ],
        auto_transitions=False,
    )
    landed: dict[tuple[State, Event], State] = {}
    for state in State:
        for name, event in machine.events.items():
            machine.set_state(state)
            try:
                event.trigger(place)
            except MachineError:
                continue
            landed[state, Event(name)] = place.state
    return landed


def to_plain(known: Moves) -> list[list[str]]:
    """The moves as plain values, for JSON: state, event, next state."""
    return [[state.value, event.value, target.value] for (state, event), target in known.items()]


def from_plain(rows: Iterable[Iterable[str]]) -> Moves:
    """What :func:`to_plain` wrote."""
    return {
        (State(state), Event(event)): State(target) for state, event, target in rows
    }
