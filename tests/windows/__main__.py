"""Runs tests under Windows Python, with distros that are this machine's: `make test-windows`.

``python -m tests.windows DIR WORDS``: pytest's words, run in the Windows that setup.sh made in DIR;
``python -m tests.windows clean DIR``: clears what a run that was killed has left.
Starts an engine for each distro first, on Linux; what a distro's shell gets to see is in a file of
its own, for the wsl.exe stand-in. Nothing is left behind.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from tests.lab.engines import DockerLab, Lab, Missing, PodmanLab
from tests.lab.leftovers import lives
from tests.windows.engines import DISTROS, WORKERS

KINDS: dict[str, type[Lab]] = {"docker": DockerLab, "podman": PodmanLab}
HERE = Path(__file__).resolve().parent
LIMIT = 1800.0
"""How long all tests may take, in seconds: some minutes, and ten on a very busy machine."""
_END_LIMIT = 120.0
_FOLDER = "dw-distros-"
# For drive Z: alone, which is this machine's root under Wine; of others a distro knows nothing.
_WSLPATH = r"""#!/bin/sh
[ "$1" = -a ] && shift
case "$1" in
    [Zz]:*) printf '%s\n' "${1#?:}" | tr '\\' / ;;
    *) echo "wslpath: $1" >&2; exit 1 ;;
esac
"""
_NOWHERE = {"DOCKER_HOST": "unix:///nowhere", "CONTAINERS_CONF": "/nowhere"}


def main() -> int:
    """Run them; pytest's exit status."""
    room, words = sys.argv[1], sys.argv[2:]
    with ExitStack() as stack:
        distros, engines = _folder(stack), _folder(stack)
        _write_distro(distros / "bare", {"PATH": "/bin"})
        for kind in KINDS:
            _add_distro(stack, kind, distros / kind)
            for worker in WORKERS:
                _add_distro(stack, kind, engines / f"{kind}-{worker}")
        notes = _folder(stack) / "notes"
        environment = {**os.environ, "WSL_STANDIN_DISTROS": str(distros), DISTROS: str(engines),
                       "WSL_STANDIN_NOTES": f"Z:{notes}"}
        run = [str(HERE / "run.sh"), room, "-m", "pytest", "-p", "no:cacheprovider", *words]
        status = _run(run, environment)
        _tell(notes)
        return status


def clean(room: str) -> None:
    """Clear what runs that were killed have left, but for their engines."""
    if (Path(room) / "prefix").exists():
        subprocess.run([str(HERE / "run.sh"), room, "--end"], check=False, timeout=_END_LIMIT)
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        owner = folder.name.split("-")[2]
        if owner.isdigit() and not lives(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _run(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command that tidies up when it is told to end; it is told so after a limit, or when we
    are.
    """
    with subprocess.Popen(words, env=environment) as process:
        try:
            return process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            print(f"test-windows: no end after {LIMIT:g} s", file=sys.stderr)
            return 124
        finally:
            process.terminate()
            try:
                process.wait(_END_LIMIT)
            except subprocess.TimeoutExpired:
                process.kill()


def _stop(number: int, frame: FrameType | None) -> None:
    """A signal to end: engines and folders are tidied up on the way out."""
    del frame
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _tell(notes: Path) -> None:
    """What Wine failed at and was asked for once more, so that nobody takes it for sound."""
    lines = notes.read_text(errors="replace").splitlines() if notes.exists() else []
    for what, times in Counter(lines).items():
        print(f"test-windows: Wine failed at first, {times} x: {what}", file=sys.stderr)


def _folder(stack: ExitStack) -> Path:
    folder = tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-")
    stack.callback(shutil.rmtree, folder)
    return Path(folder)


def _add_distro(stack: ExitStack, kind: str, path: Path) -> None:
    """A distro with an engine of its own; without one here, its tests say so."""
    try:
        lab = stack.enter_context(KINDS[kind]())
    except Missing as reason:
        print(f"test-windows: no {kind}: {reason}", file=sys.stderr)
        return
    lab.base_image()
    programs = path.with_name(f".{path.name}-programs")
    programs.mkdir()
    (programs / "wslpath").write_text(_WSLPATH)
    (programs / "wslpath").chmod(0o755)
    variables = {name: value for name, value in lab.environment.items() if _of_a_distro(name)}
    variables["PATH"] += f":{programs}"
    _write_distro(path, variables)


def _write_distro(path: Path, variables: Mapping[str, str]) -> None:
    # This machine's own engines, and the lab's of the other kind, are none of the distro's.
    lines = [f"{name}={value}" for name, value in {**_NOWHERE, **variables}.items()]
    path.write_text("\n".join([*lines, ""]))


def _of_a_distro(name: str) -> bool:
    """What makes the engine the lab's; the rest of this machine's environment stays here."""
    return name in ("PATH", "HOME") or name.startswith(("DOCKER_", "CONTAINERS_"))


if __name__ == "__main__":
    if sys.argv[1:2] == ["clean"]:
        clean(sys.argv[2])
    else:
        signal.signal(signal.SIGTERM, _stop)
        sys.exit(main())
