"""``dwctl``: what jobs are doing, for people. Reads state files and changes nothing.

A job can write into its slot, so a state file is read without following links, and what it says
goes to a terminal without control characters. Knows neither client nor engine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

from states.record import Record, moment
from states.schema import BadRecord, read_record
from states.store import NAME, NotLoaded, StateFile

DATA_DIRECTORIES = (Path("/var/lib/boinc"), Path("/var/lib/boinc-client"))
"""Where distributions' packages have BOINC's data directory."""


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each job; 1 when there is none, or a state file cannot be read."""
    chosen = _arguments().parse_args(argv)
    places = chosen.where or _usual_places()
    files = [file for where in places for file in state_files(where)]
    if not files:
        tried = ", ".join(printable(str(where)) for where in places)
        print(f"no {NAME} in {tried}; name a slot or BOINC's data directory", file=sys.stderr)
        return 1
    return max([_show(file, chosen.history) for file in files])


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dwctl", description="Show what the jobs of docker_wrapper are doing.")
    parser.add_argument("--history", action="store_true", help="show each change of state as well")
    parser.add_argument(
        "where", nargs="*", type=Path,
        help="a slot, a state file, or BOINC's data directory for all its slots "
             "(without: this directory, then the usual data directories)")
    return parser


def _usual_places() -> list[Path]:
    return [Path()] if state_files(Path()) else [Path(), *filter(Path.is_dir, DATA_DIRECTORIES)]


def state_files(where: Path) -> list[Path]:
    """The state files that a path stands for: itself, a slot's, or those of a client's slots."""
    if where.is_file():
        return [where]
    if (where / NAME).is_file():
        return [where / NAME]
    return sorted((where / "slots").glob(f"*/{NAME}"), key=_slot_number)


def _slot_number(file: Path) -> tuple[int, str]:
    slot = file.parent.name
    return (int(slot) if slot.isdecimal() else sys.maxsize, slot)


def _show(file: Path, history: bool) -> int:
    try:
        record = read_record(_content(file))
    except (BadRecord, NotLoaded, OSError) as error:
        print(f"{printable(str(file))}: {printable(str(error))}", file=sys.stderr)
        return 1
    shown = [line(file.parent, record, datetime.now(timezone.utc))]
    if record.error:
        shown.append(f"    {record.error.strip().splitlines()[0]}")
    print("\n".join(map(printable, [*shown, *(_changes(record) if history else ())])))
    return 0


def _content(file: Path) -> bytes:
    """The file's bytes; a copy under another name is somebody's own, and is read as it is."""
    if file.name != NAME:
        return file.read_bytes()
    return StateFile(file.parent).load() or b""


def _changes(record: Record) -> Iterator[str]:
    for change in record.history:
        note = f"  {change.note}" if change.note else ""
        yield f"    {change.at}  {change.source} -> {change.target}  ({change.event}){note}"


def line(slot: Path, record: Record, now: datetime) -> str:
    """One job in one line: where, which, how it stands and for how long, its CPU time, its engine.
    """
    engine = f"{record.engine.type} {record.engine.version}" if record.engine else "no engine yet"
    outcome = f" ({record.outcome.value})" if record.outcome else ""
    return (
        f"{slot}: {record.job.result}: {record.state.value}{outcome} for {_age(record, now)}, "
        f"CPU {record.cpu_time:.1f} s, {engine}"
    )


def _age(record: Record, now: datetime) -> str:
    """How long the job has been in its state, in the largest unit that is not 0."""
    began = record.history[-1].at if record.history else record.created_at
    try:
        seconds = max(0, int((now - moment(began)).total_seconds()))
    except ValueError:
        return "an unknown time"
    for name, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {name}"
    return f"{seconds} s"


def printable(text: str) -> str:
    """The text without what could give orders to a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


if __name__ == "__main__":
    sys.exit(main())
