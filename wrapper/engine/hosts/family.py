"""Descendants of a command that its process group does not hold, by /proc.

Podman runs a Dockerfile's RUN as a descendant with a session of its own, which outlives a killed
`podman build`. Knows the kernel's process table only; where there is none, nobody is found.
"""

from __future__ import annotations

import os


def strays(leader: int) -> list[int]:
    """Processes that descend from a session's leader and have left its session, oldest first."""
    table = _table()
    family, found = {leader}, []
    # A descendant may have a smaller number than its parent: go on until nobody new turns up.
    while new := {pid for pid, (parent, _) in table.items() if parent in family} - family:
        family |= new
        found += sorted(pid for pid in new if table[pid][1] != leader)
    return found


def _table() -> dict[int, tuple[int, int]]:
    """Parent and session of every process."""
    table = {}
    try:
        numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return {}
    for pid in numbers:
        try:
            with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
                # The command in brackets may hold anything, brackets too: see proc(5).
                fields = file.read(4096).rpartition(b")")[2].split()
            table[pid] = (int(fields[1]), int(fields[3]))
        except (OSError, IndexError, ValueError):
            continue
    return table
