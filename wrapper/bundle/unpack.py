"""Unpacks the archive whose ``__main__`` it is, beside that, for the Python that runs it.

Run by ``launcher.sh``, by many wrappers at once on a host that has just got the program; killed at
any moment, or cut off by a power cut, it leaves nothing that could be taken for a whole program.
Knows nothing of the program, except how to see whether it can be imported.
"""

from __future__ import annotations

import compileall
import importlib.machinery
import os
import shutil
import sys
import zipfile
from pathlib import Path

INSIDE = "site/"
"""Where the program lies in the archive."""
IMPORTED_BY_A_JOB = (
    "wrapper.cli", "wrapper.opening", "wrapper.supervisor", "wrapper.job_schema", "states.schema",
    "transitions",
)


def main() -> int:
    """Unpack; 0 when the program stands where it was asked for, and can be run."""
    if len(sys.argv) != 3 or sys.argv[1] != "--unpack-into":
        print("run this file itself, not Python with this file", file=sys.stderr)
        return 2
    try:
        unpack(Path(sys.argv[0]), Path(sys.argv[2]))
    except (OSError, ImportError, zipfile.BadZipFile) as error:
        print(f"not unpacked for {sys.executable}: {error}", file=sys.stderr)
        return 1
    return 0


def unpack(archive: Path, home: Path) -> None:
    """Make ``home`` hold the program, whole, unless it is there already.

    Raises:
        OSError: it cannot be written.
        ImportError: this Python lacks something that the program needs.
        zipfile.BadZipFile: the archive is damaged.
    """
    home.parent.mkdir(exist_ok=True)
    with open(home.parent / ".lock", "w") as lock:
        _take(lock.fileno())
        if home.is_dir():  # and the Python that it was unpacked for is gone, or moved
            _name_python(home)
            return
        fresh = home.with_name(f"{home.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        _extract(archive, fresh)
        compileall.compile_dir(fresh, quiet=2, stripdir=str(fresh), prependdir=str(home))
        _try(fresh)
        _name_python(fresh)
        _settle(fresh)
        os.rename(fresh, home)


def _extract(archive: Path, target: Path) -> None:
    """All of the program, but of its compiled parts only those for this Python."""
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    with zipfile.ZipFile(archive) as whole:
        for name in whole.namelist():
            inner = name.removeprefix(INSIDE)
            if inner == name or name.endswith("/"):
                continue
            if name.endswith(".so") and not name.endswith(suffix):
                continue
            path = target / inner
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(whole.read(name))


def _name_python(folder: Path) -> None:
    """Say by a link which Python is to run it: this one, whatever stood in for it."""
    link = folder / "python"
    if link.exists():
        return
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.realpath(sys.executable))


def _try(folder: Path) -> None:
    """Import what a job will import, now that it can still be said in plain words."""
    sys.path.insert(0, str(folder))
    for name in IMPORTED_BY_A_JOB:
        __import__(name)


if sys.platform == "win32":
    def _take(descriptor: int) -> None:
        raise OSError(f"no lock on {descriptor}: this is for Unix")

    def _settle(folder: Path) -> None:
        raise OSError(f"{folder} cannot be made durable: this is for Unix")
else:
    import fcntl

    def _take(descriptor: int) -> None:
        """Wait for whoever is unpacking; the lock goes with its holder's death."""
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def _settle(folder: Path) -> None:
        """On the disk before it gets its name: a power cut leaves no program with empty files."""
        assert folder.is_dir()
        os.sync()


if __name__ == "__main__":
    sys.exit(main())
