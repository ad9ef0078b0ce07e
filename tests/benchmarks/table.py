"""The table a benchmark prints: aligned plain text, which can also stand in a document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the first one a heading, as a table that both people and Markdown read."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return "| " + " | ".join(cells) + " |"


def between_markers(text: str, new: str, name: str = "bench") -> str:
    """A document with ``new`` in the place between the two markers of this name.

    Raises:
        ValueError: it has no such place.
    """
    first, last = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"there is no place between {first} and {last}")
    return f"{before}{begin}\n{new.strip()}\n{end}{after}"


def write(path: Path, new: str, name: str = "bench") -> None:
    """Put ``new`` into a document, between its markers of this name."""
    text = between_markers(path.read_text(encoding="utf-8"), new, name)
    path.write_text(text, encoding="utf-8")
