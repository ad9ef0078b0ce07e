"""Engines for tests: a Docker daemon and a Podman storage of their own, which touch nobody else's.

Each lab lives in a short folder below /var/tmp (a socket's path is limited to 107 bytes) whose
number is reserved by a lock for as long as the process lives, so any number of test runs can go on
at once. What a killed run left behind is cleaned up by the next one that gets its number, or by
``python -m tests.lab.engines clean``.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

import pytest

from tests.lab import bridge, leftovers
from wrapper.engine.answers import EngineKind

if sys.platform != "win32":
    import fcntl
    import grp

ROOM = Path("/var/tmp")
LABS = 16
BASE_IMAGE = "docker-wrapper-base"
ENGINE_ROOM = [pytest.mark.engine, pytest.mark.xdist_group("engine-room")]
_START_LIMIT = 60.0
_STOP_LIMIT = 30.0
# Variables by which this machine's own engines would be reached.
_NOT_INHERITED = ("DOCKER_", "CONTAINER_", "CONTAINERS_", "XDG_", "BUILDAH_")
_DOCKERFILE = """FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox","--install","-s","/bin"]
"""


class Missing(Exception):
    """There can be no such lab here; the words say why."""


class _Folder:
    """A numbered folder that is this process's alone."""

    def __init__(self, word: str) -> None:
        for number in range(LABS):
            path = ROOM / f"dwlab-{word}{number}"
            lock = reserve(path.with_suffix(".lock"))
            if lock is not None:
                self.number, self.path, self._lock = number, path, lock
                leftovers.clear(path)
                path.mkdir(mode=0o755)
                return
        raise Missing(f"all {LABS} labs below {ROOM} are in use")

    def close(self) -> None:
        leftovers.clear(self.path)
        self.path.with_suffix(".lock").unlink(missing_ok=True)
        os.close(self._lock)


class Lab:
    """An engine for tests: ``environment`` is what makes a plain `docker` or `podman` be this one.
    """

    kind: EngineKind
    needs: tuple[str, ...]
    # Podman's `rm --force` lets a container have ten seconds, Docker's does not.
    at_once: tuple[str, ...] = ()

    def __init__(self) -> None:
        """Starts it.

        Raises:
            Missing: it cannot be had here.
        """
        missing = [command for command in self.needs if shutil.which(command, path=_PATH) is None]
        if missing:
            raise Missing(f"{', '.join(missing)} is not installed")
        if not _is_root():
            raise Missing("engines of their own need root, on Linux")
        self._folder = _Folder(self.kind.value[0])
        self.path = self._folder.path
        self._has_base = False
        home = self.path / "home"
        home.mkdir()
        self.environment: dict[str, str] = {
            **{key: value for key, value in os.environ.items()
               if not key.startswith(_NOT_INHERITED)},
            "PATH": _PATH, "HOME": str(home),
        }
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def cli(self, *words: str, check: bool = True, environment: Mapping[str, str] | None = None,
            limit: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run the engine's CLI, not by the product's code. With ``check``, a failure is an error.
        """
        done = subprocess.run(
            [self.kind.value, *words], env={**self.environment, **(environment or {})}, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=limit, check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{self.kind.value} {' '.join(words)}: {done.stdout}{done.stderr}")
        return done

    def base_image(self) -> str:
        """The name of an image with busybox's commands in /bin; built at the first call."""
        if not self._has_base:
            context = self.path / "base"
            context.mkdir(exist_ok=True)
            shutil.copy(str(shutil.which("busybox", path=_PATH)), context / "busybox")
            (context / "Dockerfile").write_text(_DOCKERFILE)
            self.cli("build", "--tag", BASE_IMAGE, str(context),
                     environment={"DOCKER_BUILDKIT": "0"}, limit=120)
            self._has_base = True
        return BASE_IMAGE

    def inspect(self, name: str) -> dict[str, object]:
        """What `inspect` says of a container."""
        said = json.loads(self.cli("inspect", "--type", "container", name).stdout)
        found: dict[str, object] = said[0]
        return found

    def containers(self) -> list[str]:
        """Names of all containers."""
        said = self.cli("ps", "--all", "--format", "{{.Names}}").stdout
        return sorted(said.split())

    def clear(self) -> None:
        """Remove all containers, and all images but the base image.

        An engine whose commands were killed may be torn beyond that: an image without a manifest
        makes Podman's `images` fail for ever. Its storage is begun anew then.
        """
        try:
            self._clear()
        except (AssertionError, subprocess.TimeoutExpired) as error:
            print(f"{self.kind.value} is torn, and begun anew: {error}", file=sys.stderr)
            self.renew()

    def renew(self) -> None:
        """Begin with nothing, not even the base image."""
        raise NotImplementedError

    def _clear(self) -> None:
        said = self.cli("ps", "--all", "--quiet").stdout.split()
        if said:
            self.cli("rm", "--force", "--volumes", *self.at_once, *said)
        names = self.cli("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
        doomed = [name for name in names if BASE_IMAGE not in name and "<none>" not in name]
        if doomed:
            self.cli("rmi", "--force", *doomed)

    def close(self) -> None:
        """Stop it and leave nothing behind."""
        self._end()
        self._folder.close()

    def _begin(self) -> None:
        raise NotImplementedError

    def _end(self) -> None:
        raise NotImplementedError


class DockerLab(Lab):
    """A dockerd of our own with a bridge of its own.

    It leaves the machine's packet filter alone (two daemons would undo each other's rules), so its
    containers reach the host and their ports are reached at 127.0.0.1, through Docker's proxy; they
    have no way to the world.
    """

    kind = EngineKind.DOCKER
    needs = ("docker", "dockerd", "containerd", "runc", "busybox")
    _daemon: subprocess.Popen[bytes] | None = None
    _bridge: str | None = None

    @property
    def socket(self) -> Path:
        """Where the daemon listens."""
        return self.path / "sock"

    def start_daemon(self) -> None:
        """Start the daemon (again) and wait until it answers."""
        self.socket.unlink(missing_ok=True)
        with open(self.path / "log", "ab") as log:
            self._daemon = subprocess.Popen(
                self._words(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment, start_new_session=True,
            )
        daemon = self._daemon
        answers = wait_for(
            lambda: daemon.poll() is not None or not self.cli("info", check=False).returncode,
            _START_LIMIT,
        )
        if not answers or daemon.poll() is not None:
            said = (self.path / "log").read_text(errors="replace")[-1500:]
            raise Missing(f"dockerd did not start; its last words:\n{said}")

    def stop_daemon(self, how: int = signal.SIGTERM) -> None:
        """Stop the daemon: by SIGTERM it ends its containers first, by SIGKILL they go on."""
        daemon, self._daemon = self._daemon, None
        if daemon is None:
            return
        # It dies with the daemon, but a new daemon that still finds it would count on it.
        containerd = [
            pid for pid in leftovers.processes_of(self.path, family=False)
            if leftovers.program(pid) == "containerd"
        ]
        daemon.send_signal(how)
        try:
            daemon.wait(_STOP_LIMIT)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait(_STOP_LIMIT)
        assert wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in containerd))

    def _begin(self) -> None:
        (self.path / "config").mkdir()
        self.environment["DOCKER_HOST"] = f"unix://{self.socket}"
        self.environment["DOCKER_CONFIG"] = str(self.path / "config")
        name = f"dwlab{self._folder.number}"
        bridge.make(name, f"10.213.{self._folder.number}.1")
        self._bridge = name
        self.start_daemon()

    def renew(self) -> None:
        """A daemon with nothing in it."""
        self.stop_daemon(getattr(signal, "SIGKILL", signal.SIGTERM))
        for part in ("d", "e"):
            leftovers.clear(self.path / part)
        self._has_base = False
        self.start_daemon()

    def _words(self) -> list[str]:
        # Should the test run be killed, the daemon is told to stop.
        tie = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv", path=_PATH) else []
        group = ["--group", "docker"] if _has_group("docker") else []
        return [
            *tie, "dockerd", "--data-root", str(self.path / "d"), "--exec-root",
            str(self.path / "e"), "--pidfile", str(self.path / "pid"), "--host",
            f"unix://{self.socket}", "--bridge", str(self._bridge), "--iptables=false",
            "--ip-masq=false", *group,
        ]

    def _end(self) -> None:
        if self._daemon is not None and self._daemon.poll() is None:
            left = self.cli("ps", "--all", "--quiet", check=False).stdout.split()
            if left:
                self.cli("rm", "--force", *left, check=False)
        self.stop_daemon()
        if self._bridge is not None:
            bridge.remove(self._bridge)


class PodmanLab(Lab):
    """A Podman with storage, run directory, locks and configuration of its own, by environment."""

    kind = EngineKind.PODMAN
    needs = ("podman", "conmon", "busybox")
    at_once = ("--time", "0")

    def _begin(self) -> None:
        conf, storage = self.path / "containers.conf", self.path / "storage.conf"
        (self.path / "c").mkdir()
        conf.write_text(self._conf())
        storage.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self.path}/g"\n'
            f'runroot = "{self.path}/r"\n'
        )
        self.environment["CONTAINERS_CONF"] = str(conf)
        self.environment["CONTAINERS_STORAGE_CONF"] = str(storage)
        done = self.cli("info", check=False)
        if done.returncode:
            raise Missing(f"podman does not answer: {done.stderr}")

    def renew(self) -> None:
        """A storage with nothing in it."""
        for part in ("g", "r", "t"):
            leftovers.clear(self.path / part)
        self._has_base = False

    def _conf(self) -> str:
        # crun refuses a machine with cgroups v1 and v2 mixed. The locks and the run directory are
        # Podman's for all storages together, unless told otherwise.
        hybrid = not Path("/sys/fs/cgroup/cgroup.controllers").exists()
        runtime = 'runtime = "runc"\n' if hybrid else ""
        return (
            f'[engine]\n{runtime}cgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
            f'lock_type = "file"\ntmp_dir = "{self.path}/t"\n'
            f'image_copy_tmp_dir = "{self.path}/c"\n'
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
        )

    def _end(self) -> None:
        if "CONTAINERS_STORAGE_CONF" in self.environment:
            self.cli("rm", "--force", "--all", *self.at_once, check=False)


def wait_for(fact: Callable[[], bool], limit: float = 15.0, pause: float = 0.05) -> bool:
    """Whether something becomes true within a limit, in seconds."""
    give_up = time.monotonic() + limit
    while not fact():
        if time.monotonic() > give_up:
            return False
        time.sleep(pause)
    return True


_OPEN: dict[EngineKind, Lab] = {}
_KINDS: dict[EngineKind, type[Lab]] = {
    EngineKind.DOCKER: DockerLab, EngineKind.PODMAN: PodmanLab,
}


def open_lab(kind: EngineKind) -> Lab:
    """This process's lab of a kind; started at the first call, closed when the process ends.

    Raises:
        Missing: it cannot be had here.
    """
    if kind not in _OPEN:
        _OPEN[kind] = _KINDS[kind]()
        atexit.register(close_labs)
    return _OPEN[kind]


def close_labs() -> None:
    """Close all that :func:`open_lab` opened."""
    while _OPEN:
        _OPEN.popitem()[1].close()


def lab_or_skip(kind: EngineKind, config: pytest.Config) -> Lab:
    """A lab for a test; where it cannot be had the test is skipped, and fails on CI."""
    try:
        lab = open_lab(kind)
    except Missing as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no {kind.value} for tests: {reason}")
        pytest.skip(f"no {kind.value} for tests: {reason}")
    config.add_cleanup(close_labs)
    return lab


@pytest.fixture(params=["docker", "podman"])
def engine_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Each engine in turn, with no containers and the base image only."""
    lab = lab_or_skip(EngineKind(request.param), request.config)
    lab.base_image()
    yield lab
    lab.clear()


_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))


def _is_root() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0


def _has_group(name: str) -> bool:
    if sys.platform != "win32":
        return name in (group.gr_name for group in grp.getgrall())
    return False


def reserve(path: Path) -> int | None:
    """A lock that ends with the process; None while somebody else has it."""
    if sys.platform != "win32":
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it before may have deleted it in between: then it guards nothing.
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except OSError:
            pass
        os.close(descriptor)
    return None


def clean() -> None:
    """Clear all labs that nobody uses."""
    for path in sorted(ROOM.glob("dwlab-*.lock")):
        lock = reserve(path)
        if lock is not None:
            leftovers.clear(path.with_suffix(""))
            if path.stem.startswith("dwlab-d"):
                bridge.remove(path.stem.replace("-d", ""))
            path.unlink()
            os.close(lock)


if __name__ == "__main__":
    if sys.argv[1:] != ["clean"]:
        sys.exit("usage: python -m tests.lab.engines clean")
    clean()
