"""Reads what a start has to read and check with costly libraries, in a process that ends soon.

That is the job's description, the record of an earlier start, and the moves of the machine. All in
one process, since most of its time is for its start, and while it works this one goes on. What
comes back is JSON, so that nothing has to be imported to understand it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from states import moves
from states.record import Record, from_json, to_json
from wrapper.apart import apart
from wrapper.job_config import BadJobConfig, JobConfig, load_job_config


class Known(NamedTuple):
    """What a start has read. ``mistake`` is what is wrong with the job's description, which has
    its defaults then. ``recorded`` is None where there is no state file, and why it cannot be used
    where it cannot.
    """

    config: JobConfig
    mistake: str
    recorded: Record | str | None
    moves: moves.Moves


def reading(path: Path, roots: Sequence[Path], content: bytes | None) -> Callable[[], Known]:
    """Begin to read the description at ``path`` and the content of the state file.

    ``roots`` are folders into which a link that stands for the description may lead, besides its
    own. The answer raises `NoAnswer` where the process dies.

    Raises:
        NoAnswer: no process could be had.
    """
    answer = apart(lambda: _told(path, roots, content))
    return lambda: _understood(answer())


def _told(path: Path, roots: Sequence[Path], content: bytes | None) -> str:
    """All that is to be known, as JSON. Imports pydantic and `transitions`."""
    config, mistake = JobConfig(), ""
    try:
        config = load_job_config(path, roots)
    except BadJobConfig as bad:
        mistake = str(bad)
    record, why = (None, "") if content is None else _recorded(content)
    return json.dumps({
        "config": config._asdict(), "mistake": mistake, "record": record, "why": why,
        "moves": moves.to_plain(moves.moves()),
    })


def _recorded(content: bytes) -> tuple[str | None, str]:
    """The record that a state file holds, as JSON, or why it is none."""
    from states.schema import BadRecord, read_record

    try:
        return to_json(read_record(content)), ""
    except BadRecord as bad:
        return None, str(bad) or "it is no record"


def _understood(text: str) -> Known:
    told = json.loads(text)
    config: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value
                              for name, value in told["config"].items()}
    record = from_json(told["record"]) if told["record"] else None
    return Known(
        JobConfig(**config), told["mistake"], record or told["why"] or None,
        moves.from_plain(told["moves"]),
    )
