"""Without a client: a folder with a Dockerfile, tried by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.engines import ENGINE_ROOM, Lab
from tests.lab.workunit import CHECKOUT, Workunit, link_into_slot, put_into_project, script_job

pytestmark = [*ENGINE_ROOM, pytest.mark.client]


def laid_out(work: Workunit, base: Path) -> Path:
    """A folder with the job's files, and nothing of a client's."""
    files, folder = base / "files", base / "folder"
    files.mkdir()
    folder.mkdir()
    work = replace(work, inputs=tuple(replace(entry, copy=True) for entry in work.inputs))
    put_into_project(work, files)
    link_into_slot(work, files, folder)
    return folder


def tried(folder: Path, lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    launch = CHECKOUT / "tests" / "lab" / "launch.py"
    return subprocess.run(
        [sys.executable, str(launch), *words], cwd=folder, text=True, capture_output=True,
        env={**os.environ, **lab.environment, "PYTHONDONTWRITEBYTECODE": "1"}, timeout=90,
        check=False,
    )


def test_a_folder_is_run_each_time_it_is_tried(engine_lab: Lab, tmp_path: Path) -> None:
    folder = laid_out(script_job("alone", 'echo "I got $ARGS"; exit 4'), tmp_path)
    for words in (("some", "words"), ("others",)):
        done = tried(folder, engine_lab, *words)
        assert done.returncode == 4, done.stderr
        assert f"I got {' '.join(words)}\n" in done.stderr
        assert (folder / "boinc_finish_called").read_text().startswith("4\n")
        assert engine_lab.containers() == []
