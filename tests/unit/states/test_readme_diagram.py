"""The fact that README.md shows the present state machine."""

from __future__ import annotations

from pathlib import Path

from states.diagram import replace_between_markers

README = Path(__file__).parents[3] / "README.md"


def test_the_diagram_in_the_readme_is_up_to_date() -> None:
    text = README.read_text("utf-8")
    assert replace_between_markers(text) == text, "run: python -m states.diagram README.md"
