"""The reason of a temporary exit, which a volunteer reads in the client, says what to do."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import wrapper

TELLING = {"trouble", "error", "restart_it"}
"""What says by itself what to do: the words of an exception, and our own."""


def reasons() -> list[tuple[str, str, set[str]]]:
    """Where a step leaves with words: the place, the words, and the names that stand in them."""
    found = []
    for path in sorted(Path(wrapper.__path__[0]).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Leave" and node.args:
                pieces = list(ast.walk(node.args[0]))
                text = "".join(str(one.value) for one in pieces if isinstance(one, ast.Constant))
                names = {one.id for one in pieces if isinstance(one, ast.Name)}
                found.append((f"{path.name}:{node.lineno}", text, names))
    return [one for one in found if one[1]]


@pytest.mark.parametrize(("place", "text", "names"), reasons(), ids=[one[0] for one in reasons()])
def test_a_reason_says_what_to_do(place: str, text: str, names: set[str]) -> None:
    del place
    assert "lease " in text or "?" in text or names & TELLING, text


def test_there_are_reasons() -> None:
    assert len(reasons()) > 8
