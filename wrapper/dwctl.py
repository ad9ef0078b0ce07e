"""``dwctl``: what jobs are doing, for people. Reads state files and changes nothing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from states.record import Record
from states.schema import BadRecord, read_record
from states.store import NAME


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each slot, or the history of one; 1 when a state file cannot be read."""
    parser = argparse.ArgumentParser(prog="dwctl", description=__doc__)
    parser.add_argument("--history", action="store_true", help="show each change of state")
    parser.add_argument(
        "where", nargs="*", type=Path, default=[Path()],
        help="a slot, a state file, or BOINC's data directory (all its slots)",
    )
    chosen = parser.parse_args(argv)
    files = [file for where in chosen.where for file in state_files(where)]
    if not files:
        print(f"No {NAME} in {', '.join(str(where) for where in chosen.where)}", file=sys.stderr)
        return 1
    return max([_show(file, chosen.history) for file in files])


def state_files(where: Path) -> list[Path]:
    """The state files that a path stands for."""
    if where.is_file():
        return [where]
    slots = sorted((where / "slots").glob(f"*/{NAME}"))
    return slots or ([where / NAME] if (where / NAME).is_file() else [])


def _show(file: Path, history: bool) -> int:
    try:
        record = read_record(file.read_bytes())
    except (OSError, BadRecord) as error:
        print(f"{file}: cannot be read: {error}", file=sys.stderr)
        return 1
    print(line(file, record))
    if history:
        for change in record.history:
            print(f"    {change.at}  {change.source} -> {change.target}"
                  f"  ({change.event}) {change.note}".rstrip())
    return 0


def line(file: Path, record: Record) -> str:
    """One job in one line."""
    engine = f"{record.engine.type} {record.engine.version}" if record.engine else "no engine yet"
    container = record.container.name if record.container else "no container yet"
    outcome = f" ({record.outcome.value})" if record.outcome else ""
    return (
        f"{file.parent}: {record.state.value}{outcome}, {record.cpu_time:.1f} s CPU, "
        f"{engine}, {container}, since {record.updated_at}"
    )


if __name__ == "__main__":
    sys.exit(main())
