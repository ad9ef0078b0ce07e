"""The slot's lock is held whatever else its holder does with the slot's files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.workunit import CHECKOUT
from wrapper.boinc.slot import LOCK_FILE, Lock, soft_link_target
from wrapper.hosting import plan

_TAKES = """
import sys
sys.path[0] = sys.argv[1]
from pathlib import Path
from wrapper.boinc.slot import Lock
sys.exit(0 if Lock(Path(sys.argv[2])).try_take() else 9)
"""


def free(slot: Path) -> bool:
    """Whether another process can take the slot."""
    words = [sys.executable, "-c", _TAKES, str(CHECKOUT), str(slot)]
    return subprocess.run(words, check=False, timeout=60).returncode == 0


def test_looking_for_links_keeps_the_lock(tmp_path: Path) -> None:
    slot, project = tmp_path / "slot", tmp_path / "project"
    slot.mkdir()
    project.mkdir()
    lock = Lock(slot)
    assert lock.try_take()
    plan(slot, project)
    assert soft_link_target(slot / LOCK_FILE) is None
    assert not free(slot)
    lock.release()
    assert free(slot)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a lock is the process's")
def test_reading_the_lock_file_keeps_the_lock(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    assert lock.try_take()
    (tmp_path / LOCK_FILE).read_bytes()
    assert not free(tmp_path)
    lock.release()
