"""The facts about the one file that a project gets: how it is built, unpacked and started.

Most are shown with a small stand-in for the program in the archive; one builds the real file, which
needs PyPI. No engine takes part.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.lab.init_data import init_data

if sys.platform == "win32":
    pytest.skip("the file is for Unix", allow_module_level=True)

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "wrapper" / "bundle"
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
PYTHON = os.path.realpath(sys.executable)
STANDS_IN = "import json, os, sys\nprint(json.dumps([os.getpid(), os.getcwd(), sys.argv[1:]]))\n"


def stand_in(folder: Path, versions: str = VERSION, main: str = STANDS_IN) -> Path:
    """A file made as the real one is, with a few lines in the program's place."""
    files = {"__main__.py": (BUNDLE / "unpack.py").read_text(), "site/__main__.py": main,
             "site/states/schema.py": "", "site/wrapper/cli.py": "",
             "site/wrapper/opening.py": "", "site/wrapper/supervisor.py": "",
             "site/transitions.py": "",
             "site/wrapper/job_schema.py": "", "site/wrapper/other.cpython-32-x.so": ""}
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "archive"
    with zipfile.ZipFile(archive, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    launcher = (BUNDLE / "launcher.sh").read_text()
    launcher = launcher.replace("@BUILD@", "abc").replace("@VERSIONS@", versions)
    program = folder / "docker_wrapper"
    program.write_bytes(launcher.encode() + archive.read_bytes())
    program.chmod(0o755)
    archive.unlink()
    return program


def environment(tmp_path: Path) -> dict[str, str]:
    """A client's bare environment, in which this very Python can be found by its version."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    link = folder / f"python{VERSION}"
    if not link.is_symlink():
        link.symlink_to(PYTHON)
    return {"PATH": str(folder), "DOCKER_HOST": f"unix://{tmp_path}/none"}


def start(program: Path, slot: Path, *words: str) -> subprocess.Popen[str]:
    """Start it as a client does: in the slot, by its path in the project's directory."""
    slot.mkdir(exist_ok=True)
    return subprocess.Popen([program, *words], cwd=slot, env=environment(program.parent.parent),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(program: Path, slot: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Start it and wait for its end."""
    with start(program, slot, *words) as process:
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess([], process.returncode, out, err)


def test_it_runs_as_the_process_that_was_started_in_the_slot(tmp_path: Path) -> None:
    program, slot = stand_in(tmp_path / "P p"), tmp_path / "slot"
    with start(program, slot, "a b", "", "$(id)") as process:
        out, err = process.communicate(timeout=60)
    assert out == f'[{process.pid}, "{slot}", ["a b", "", "$(id)"]]\n', err


def test_it_is_unpacked_once_and_only_what_this_python_can_use(tmp_path: Path) -> None:
    program = stand_in(tmp_path / "P")
    assert run(program, tmp_path / "slot").returncode == 0
    home = program.parent / "docker_wrapper.d" / f"abc-{VERSION}"
    first = home.stat()
    assert (home / "wrapper" / "cli.py").is_file()
    assert not list(home.rglob("*.so"))
    assert run(program, tmp_path / "slot").returncode == 0
    assert (home.stat().st_ino, home.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)


def test_many_may_start_at_once(tmp_path: Path) -> None:
    program = stand_in(tmp_path / "P")
    processes = [start(program, tmp_path / f"slot{number}") for number in range(8)]
    told = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, told
    assert all(out and not err for out, err in told)
    assert sorted(path.name for path in (program.parent / "docker_wrapper.d").iterdir()) == [
        ".lock", f"abc-{VERSION}"]


def test_what_a_killed_one_left_half_unpacked_is_never_run(tmp_path: Path) -> None:
    program = stand_in(tmp_path / "P")
    half = program.parent / "docker_wrapper.d" / f"abc-{VERSION}.new"
    half.mkdir(parents=True)
    (half / "__main__.py").write_text("raise SystemExit(9)")
    assert run(program, tmp_path / "slot").returncode == 0
    assert not half.exists()


def test_a_python_that_is_gone_is_replaced_by_the_one_there_is(tmp_path: Path) -> None:
    program = stand_in(tmp_path / "P")
    assert run(program, tmp_path / "slot").returncode == 0
    link = program.parent / "docker_wrapper.d" / f"abc-{VERSION}" / "python"
    link.unlink()
    link.symlink_to(tmp_path / "gone")
    assert run(program, tmp_path / "slot").returncode == 0
    assert os.path.exists(os.readlink(link))


def test_the_program_s_exit_status_is_the_file_s(tmp_path: Path) -> None:
    program = stand_in(tmp_path / "P", main="raise SystemExit(37)\n")
    assert run(program, tmp_path / "slot").returncode == 37


def test_without_a_python_the_volunteer_is_told_and_the_job_waits(tmp_path: Path) -> None:
    program, slot = stand_in(tmp_path / "P", versions="9.98 9.97"), tmp_path / "slot"
    ended = run(program, slot)
    delay, reason, mark = (slot / "boinc_temporary_exit").read_text().splitlines()
    assert (ended.returncode, delay, mark) == (0, "21600", "notice")
    assert "needs Python, one of 9.98 9.97" in reason
    assert len(reason.encode()) < 255
    assert reason in ended.stderr


def test_where_it_cannot_be_unpacked_the_volunteer_is_told_and_the_job_waits(
    tmp_path: Path
) -> None:
    program, slot = stand_in(tmp_path / "P"), tmp_path / "slot"
    (program.parent / "docker_wrapper.d").write_text("in the way")
    ended = run(program, slot)
    assert ended.returncode == 0
    assert "could not be unpacked into" in (slot / "boinc_temporary_exit").read_text()
    assert "not unpacked for" in ended.stderr


def test_a_python_that_lacks_a_part_is_told_of_and_not_used(tmp_path: Path) -> None:
    program, slot = stand_in(tmp_path / "P"), tmp_path / "slot"
    with zipfile.ZipFile(program, "a") as archive:
        archive.writestr("site/states/__init__.py", "import no_such_part\n")
    assert "no_such_part" in run(program, slot).stderr
    assert (slot / "boinc_temporary_exit").is_file()


def test_a_project_s_server_finds_one_api_version_in_it(tmp_path: Path) -> None:
    lines = stand_in(tmp_path / "P").read_bytes().splitlines()
    found = [line.partition(b"API_VERSION_")[2] for line in lines if b"API_VERSION" in line]
    assert found == [b"7.20.0"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real file, for this Python only; skipped where PyPI is out of reach."""
    program = tmp_path_factory.mktemp("app") / "P" / "docker_wrapper"
    made = subprocess.run(
        [ROOT / ".ci" / "app", sys.executable, program], capture_output=True, text=True,
        timeout=150, check=False, env={**os.environ, "VERSIONS": VERSION})
    if made.returncode != 0:
        excuses = ("No matching distribution", "onnection", "No module named pip")
        offline = any(excuse in made.stderr for excuse in excuses)
        if offline and os.environ.get("CI") != "true":
            pytest.skip(f"no pip, or no way to PyPI: {made.stderr.strip().splitlines()[-1]}")
        pytest.fail(f"make app: {made.stderr[-2000:]}")
    return program


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum here")
def test_the_real_file_runs_and_says_that_there_is_no_engine(built: Path, tmp_path: Path) -> None:
    slot = tmp_path / "slot"
    slot.mkdir()
    (slot / "init_data.xml").write_text(
        init_data(slot, built.parent, docker_type=1, docker_version="27"))
    ended = run(built, slot, "some", "words")
    assert ended.returncode == 0, ended.stderr
    assert "Docker cannot be used" in (slot / "boinc_temporary_exit").read_text(), ended.stderr
    assert "Traceback" not in ended.stderr
