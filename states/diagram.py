"""Draws the table for people: the diagram and the tables in README.md and in
docs/state-machine.md.

`python -m states.diagram` prints the diagram; with the names of files it brings up to date what
stands in them between markers such as `<!-- states -->` and `<!-- /states -->`. Not a part of the
program that runs a job.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from states.reconcile import ending
from states.table import TABLE, Event, State, target


class NoMarkers(ValueError):
    """A text holds no marker of the kind asked for, or one that is not closed."""


def mermaid() -> str:
    """The diagram in Mermaid's language; events that lead the same way share an arrow."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for row in TABLE:
        arrows.setdefault((row.source, row.target), []).append(row.event.value)
    lines = [
        f"    {source.value} --> {landing.value}: {' / '.join(events)}"
        for (source, landing), events in arrows.items()
    ]
    first, last = State.DISCOVER_DISTRO.value, State.DONE.value
    return "\n".join(
        ["stateDiagram-v2", f"    [*] --> {first}", *lines, f"    {last} --> [*]", ""]
    )


def matrix() -> str:
    """The whole matrix, event by state, as a Markdown table; an empty cell is refused."""
    head = ["event", *(state.value for state in State)]
    return _table(head, [[event.value, *_cells(event)] for event in Event])


def reasons() -> str:
    """When each event happens, as a Markdown table."""
    why = {row.event: row.why for row in TABLE}
    return _table(["event", "happens when"], [[event.value, why[event]] for event in Event])


def endings() -> str:
    """The rows that decide how a run ended, from the docstring of `states.reconcile.ending`."""
    lines = (inspect.getdoc(ending) or "").splitlines()
    return "\n".join(line for line in lines if line.startswith("|")) + "\n"


SECTIONS: Mapping[str, Callable[[], str]] = {
    "states": lambda: f"```mermaid\n{mermaid()}```\n",
    "matrix": matrix,
    "reasons": reasons,
    "endings": endings,
}
"""What can stand between markers, by the markers' name."""


def replace_between_markers(text: str, names: Sequence[str] = ("states",)) -> str:
    """The text with what stands between the markers of these names brought up to date.

    Raises:
        NoMarkers: one of them is missing.
    """
    for name in names:
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        section = SECTIONS[name]()
        found = pattern.search(text)
        if found is None:
            raise NoMarkers(f"there are no markers <!-- {name} --> and <!-- /{name} -->")
        text = text[: found.end(1)] + section + text[found.start(2) :]
    return text


def names_in(text: str) -> list[str]:
    """The sections that a text has an opening marker for."""
    return [name for name in SECTIONS if f"<!-- {name} -->" in text]


def main(paths: Sequence[str]) -> None:
    """Print the diagram, or bring these files up to date."""
    if not paths:
        sys.stdout.write(mermaid())
    for path in map(Path, paths):
        text = path.read_text("utf-8")
        path.write_text(replace_between_markers(text, names_in(text)), "utf-8")


def _cells(event: Event) -> list[str]:
    landings = [target(state, event) for state in State]
    return ["" if landing is None else landing.value for landing in landings]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main(sys.argv[1:])
