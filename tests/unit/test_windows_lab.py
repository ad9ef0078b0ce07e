"""What a run of the Windows tests that was killed has left, and what clears it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.windows import __main__ as lab


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc who lives")
def test_folders_are_cleared_once_their_run_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    names = [f"dw-distros-{pid}-x" for pid in (gone.pid, os.getpid())] + ["dw-distros-other"]
    for name in names:
        (tmp_path / name).mkdir()
    lab.clean(str(tmp_path / "no room"))
    assert {path.name for path in tmp_path.iterdir()} == set(names[1:])


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such command")
def test_a_run_without_an_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "LIMIT", 0.2)
    assert lab._run(["sleep", "1000"], os.environ) == 124
