"""WSL distros for tests: roots of their own in which an engine of their own lives, and the `wsl`
that enters them.

A distro is a mount and a process namespace: it has the machine's programs, read-only, but files,
storage and process numbers of its own, and sees one of the machine's folders as /mnt/c. So a path
of this side, a process number of this side or a variable of this side means nothing there. All that
runs in it ends with its first process, and that with the test run.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.lab import bridge, wsl_program
from tests.lab.engines import DockerLab, Lab, Missing, PodmanLab, wait_for
from wrapper.engine.answers import EngineKind

NEEDS = ("unshare", "nsenter", "setpriv", "busybox")
NAME = "lab"
_LIMIT = 20.0
_KILL = 9
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Arguments: the new root, the folder to be its drive C:, and a folder that it sees by its own name.
_MAKE = r"""
set -e
root=$1 drive=$2 same=$3
mount --make-rprivate /
mkdir -p "$root"
mount --bind "$root" "$root"
cd "$root"
mkdir -p dev proc sys run tmp root var/lib var/tmp mnt/c old etc ".$same"
for name in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$name" ]; then ln -sfn "$(readlink "/$name")" "$name"
    elif [ -d "/$name" ]; then mkdir -p "$name"; mount --bind "/$name" "$name"; fi
done
mkdir -p usr
mount --rbind /usr usr
mount -o remount,bind,ro usr
mount --rbind /dev dev
mount --rbind /sys sys
mount -t tmpfs run run
mount -t tmpfs tmp tmp
mount --bind "$drive" mnt/c
mount --bind "$same" ".$same"
ln -sfn /run var/run
"""
# A root that holds nothing but busybox: no engine.
_MAKE_BARE = r"""
set -e
root=$1 drive=$2
mount --make-rprivate /
mkdir -p "$root"
mount --bind "$root" "$root"
cd "$root"
mkdir -p bin dev proc tmp root mnt/c old
cp "$(command -v busybox)" bin/busybox
bin/busybox --install bin
mount --rbind /dev dev
mount --bind "$drive" mnt/c
"""
# The first process has nothing to do but to be there. It takes no notice of orphans' ends.
_LIVE = r"""
mount -t proc proc proc
pivot_root . old
umount -l /old 2>/dev/null || busybox umount -l /old
trap '' CHLD
echo ready
exec /bin/sleep 1000000 >/dev/null 2>&1
"""


class Distro:
    """A root with processes of its own."""

    def __init__(self, root: Path, drive: Path, same: Path | None = None) -> None:
        """Makes it. Without ``same`` it is bare.

        Raises:
            Missing: it cannot be made here.
        """
        if missing := [each for each in NEEDS if shutil.which(each) is None]:
            raise Missing(f"{', '.join(missing)} is not installed")
        script = (_MAKE if same else _MAKE_BARE) + _LIVE
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork",
             "--kill-child", "sh", "-c", script, "sh", str(root), str(drive), str(same or "")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        with self._process.stdout as said:
            answer = said.readline()
            if answer != b"ready\n":
                self._process.kill()
                self._process.wait()
                raise Missing(f"no distro can be made: {(answer + said.read()).decode()}")
        self.first = _child_of(self._process.pid)
        self.enter: list[str] = [
            "nsenter", "--target", str(self.first), "--mount", "--pid", "--root", "--wd",
            "env", "-i", f"PATH={_PATH}", "HOME=/root",
        ]

    def close(self) -> None:
        """End all that runs in it."""
        if self.first:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.first, _KILL)
        self.first = 0
        self._process.kill()
        self._process.wait(_LIMIT)


class Windows:
    """A folder with a `wsl` in it, and what that knows."""

    def __init__(self, folder: Path, drive: Path) -> None:
        """``drive`` is the folder that distros see as /mnt/c."""
        self._config = folder / "wsl.json"
        self.drive = drive
        self.distros: dict[str, dict[str, object]] = {}
        self.listed = ""
        self.broken = ""
        bin_ = folder / "bin"
        bin_.mkdir(parents=True, exist_ok=True)
        program = bin_ / "wsl"
        program.write_text(
            f"#!/bin/sh\nexec {sys.executable} -IS {wsl_program.__file__} {self._config} \"$@\"\n"
        )
        program.chmod(0o755)
        self.environment = {
            "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}", "A_SECRET_OF_WINDOWS": "hunter2",
            "DOCKER_HOST": "unix:///nowhere.sock", "CONTAINERS_CONF": "/nowhere",
        }
        self.save()

    def add(self, name: str, distro: Distro, shell: Sequence[str] = ("/bin/sh",)) -> None:
        """A distro that can be entered, with its user's shell."""
        self.distros[name] = {"enter": distro.enter, "shell": list(shell)}
        self.save()

    def slow(self, name: str, seconds: float) -> None:
        """Let each shell of a distro begin later, as while the virtual machine starts."""
        self.distros[name]["waits"] = seconds
        self.save()

    def add_hanging(self, name: str) -> None:
        """A distro that never answers."""
        self.distros[name] = {"hangs": True}
        self.save()

    def broken_distro(self, name: str, says: str) -> None:
        """A distro that cannot be entered, with what `wsl` says about it."""
        self.distros[name] = {"says": says}
        self.save()

    def add_ending(self, name: str, status: int, last_words: str = "") -> None:
        """A distro for which `wsl` ends at once, with last words by its standard error."""
        self.distros[name] = {"ends": status, "last_words": last_words, "times": 1000}
        self.save()

    def add_waking(self, name: str, distro: Distro) -> None:
        """A distro for which `wsl` ends at once when it is entered first."""
        self.add(name, distro)
        self.distros[name] |= {"ends": 255, "last_words": "Catastrophic failure", "times": 1}
        self.save()

    def entered(self, name: str) -> int:
        """How often a shell in a distro was asked for."""
        return sum(f"-d {name} " in call for call in self.calls)

    @property
    def calls(self) -> list[str]:
        """What `wsl` was asked for, a line for each time."""
        path = Path(f"{self._config}.calls")
        return path.read_text().splitlines() if path.exists() else []

    def save(self) -> None:
        """Let `wsl` know."""
        self._config.write_text(json.dumps({
            "drive": str(self.drive), "distros": self.distros, "list": self.listed,
            "broken": self.broken,
        }))


class InDistro(Lab):
    """What the two labs inside a distro have in common."""

    distro: Distro | None = None
    windows: Windows

    def _make_distro(self) -> None:
        drive = Path(tempfile.gettempdir()).resolve()
        self._make_etc(self.path / "root" / "etc")
        self.distro = Distro(self.path / "root", drive, self.path)
        self.windows = Windows(self.path / "windows", drive)
        self.windows.add(NAME, self.distro)
        self.environment = self.windows.environment

    def shut_down(self) -> None:
        """End the distro and all that runs in it, as `wsl --shutdown` does."""
        if self.distro is not None:
            self.distro.close()

    def start_again(self) -> None:
        """The distro after that: the same files, another boot."""
        self.distro = Distro(self.path / "root", self.windows.drive, self.path)
        self.windows.add(NAME, self.distro)

    def _make_etc(self, etc: Path) -> None:
        etc.mkdir(parents=True)
        for name in ("passwd", "group", "ld.so.cache", "nsswitch.conf", "hosts"):
            if Path("/etc", name).exists():
                shutil.copy(f"/etc/{name}", etc / name)
        for name in ("containers", "cni", "alternatives"):
            if Path("/etc", name).is_dir():
                shutil.copytree(f"/etc/{name}", etc / name, symlinks=True)

    def cli(self, *words: str, check: bool = True, environment: Mapping[str, str] | None = None,
            limit: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run the engine's CLI inside the distro."""
        assert self.distro is not None
        more = [f"{name}={value}" for name, value in (environment or {}).items()]
        done = subprocess.run(
            [*self.distro.enter, *more, self.kind.value, *words], text=True, check=False,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=limit,
        )
        if check and done.returncode:
            raise AssertionError(f"{self.kind.value} {' '.join(words)}: {done.stdout}{done.stderr}")
        return done


class WslDockerLab(InDistro, DockerLab):
    """A dockerd in a distro."""

    def _begin(self) -> None:
        name = f"dwlab{self._folder.number}"
        bridge.make(name, f"10.213.{self._folder.number}.1")
        self._bridge = name
        self._make_distro()
        self.start_daemon()

    @property
    def socket(self) -> Path:
        """Where the daemon listens, on this side; in the distro it is where everybody looks."""
        return self.path / "root" / "nowhere.sock"

    def _words(self) -> list[str]:
        assert self.distro is not None
        return [
            "setpriv", "--pdeathsig", "TERM", *self.distro.enter, "dockerd", "--bridge",
            str(self._bridge), "--iptables=false", "--ip-masq=false", "--group", "root",
        ]

    def stop_daemon(self, how: int = _KILL) -> None:
        """The distro ends with all that runs in it, as by `wsl --terminate`."""
        del how
        daemon, self._daemon = self._daemon, None
        if self.distro is not None:
            self.distro.close()
        if daemon is not None:
            daemon.wait(_LIMIT)


class WslPodmanLab(InDistro, PodmanLab):
    """A Podman in a distro, with its configuration where every distro has it."""

    def _begin(self) -> None:
        (self.path / "c").mkdir()
        self._make_distro()
        done = self.cli("info", check=False)
        if done.returncode:
            raise Missing(f"podman does not answer: {done.stderr}")

    def _make_etc(self, etc: Path) -> None:
        super()._make_etc(etc)
        (etc / "containers").mkdir(exist_ok=True)
        # Podman knows a boot by what is gone from /run, which must be where it always is.
        conf = self._conf().replace(f'tmp_dir = "{self.path}/t"\n', "")
        (etc / "containers" / "containers.conf").write_text(conf)

    def _end(self) -> None:
        if self.distro is not None:
            self.cli("rm", "--force", "--all", *self.at_once, check=False)
            self.distro.close()


KINDS: dict[EngineKind, type[InDistro]] = {
    EngineKind.DOCKER: WslDockerLab, EngineKind.PODMAN: WslPodmanLab,
}


_OPEN: dict[EngineKind, InDistro] = {}


def open_wsl_lab(kind: EngineKind) -> InDistro:
    """This process's lab of a kind; closed by :func:`close_wsl_labs`, or as the process ends.

    Raises:
        Missing: it cannot be had here.
    """
    if kind not in _OPEN:
        _OPEN[kind] = KINDS[kind]()
        atexit.register(close_wsl_labs)
    return _OPEN[kind]


def close_wsl_labs() -> None:
    """Close all that :func:`open_wsl_lab` opened."""
    while _OPEN:
        _OPEN.popitem()[1].close()


def wsl_lab_or_skip(kind: EngineKind, config: pytest.Config) -> InDistro:
    """A lab for a test; where it cannot be had the test is skipped, and fails on CI."""
    try:
        lab = open_wsl_lab(kind)
    except Missing as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no {kind.value} in a distro: {reason}")
        pytest.skip(f"no {kind.value} in a distro: {reason}")
    config.add_cleanup(close_wsl_labs)
    return lab


def _child_of(parent: int) -> int:
    """The only child of a process."""
    found = 0

    def look() -> bool:
        nonlocal found
        said = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        found = int(said[0]) if said else 0
        return bool(found)

    wait_for(look, _LIMIT)
    return found
