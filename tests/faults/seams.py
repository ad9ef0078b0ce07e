"""The wrapper with a knife at every seam: what a played client starts instead of the real program.

Nothing in the product knows of it. Before each thing that the wrapper does to the world (an order
that changes something at the engine, a file put in place or taken away, the dead man's switch, the
last word to the client) a line is written to the file ``FAULT_LOG``; and at the seam that is called
``FAULT_AT`` the process kills itself. ``FAULT_BOOT`` is another boot to believe in; ``FAULT_FULL``
a state that cannot be saved, since the disk is full from then on; ``FAULT_LOCK_WAIT`` how many
seconds to wait for the slot, ``FAULT_TIDYING`` for an engine that is to tidy up,
``FAULT_LOOK_LIMIT`` for one that is only asked something; ``FAULT_LAGS`` how often to look for an
end that the engine does not notice; ``FAULT_WITHOUT`` what the system does not have: ``pidfd``,
``cgroup``, or both, a blank between.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

CONTEXT_DIR = "docker_wrapper_context"
STATE_FILE = "docker_wrapper_state.json"
MOST_ALIKE = 2
"""How many effects with the same name are cut at."""


class Knife:
    """Counts the effects, and ends this process at one of them."""

    def __init__(self, log: str, at: str) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._at = at
        self._alike: dict[str, int] = {}

    def note(self, words: str) -> None:
        """A line that is no place to be killed at."""
        os.write(self._log, f"- {words}\n".encode())

    def reach(self, words: str, doomed: int = 0) -> None:
        """A place to be killed at, alone or together with the process group ``doomed``."""
        times = self._alike[words] = self._alike.get(words, 0) + 1
        if times > MOST_ALIKE:
            return
        seam = words if times == 1 else f"{words}, {times}"
        os.write(self._log, f"+ {seam}\n".encode())
        if seam == self._at:
            _die_with(doomed)


def _die_with(group: int) -> None:
    if sys.platform != "win32":
        if group:
            os.killpg(group, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def cut_orders(knife: Knife) -> None:
    """Before an order, while it goes on (and goes on alone), and killed together with it."""
    from wrapper.engine.hosts import local
    from wrapper.engine.hosts.base import Order, Reply

    class Child(local._Child):
        def __init__(self, order: Order, environment: dict[str, str]) -> None:
            self._called = " ".join(order.words[:2])
            self._told = False
            if order.changes:
                knife.reach(f"before {self._called}")
            super().__init__(order, environment)
            if order.changes:
                knife.reach(f"{self._called} begun")
                knife.reach(f"{self._called} begun, and killed with it", self._process.pid)

        def poll(self) -> Reply | None:
            reply = super().poll()
            if reply is not None and not self._told:
                self._told = True
                knife.note(f"{self._called}: {reply.status}")
            return reply

    vars(local)["_Child"] = Child


def cut_files(knife: Knife) -> None:
    """Before a file is put in its place or taken away, and before the build's folder is made.

    Not inside the saving of the state: what a death there does is seen by the store's own tests.
    """
    replace, unlink, mkdir = os.replace, os.unlink, os.mkdir
    seen = set()

    def reach(path: Any, doing: str) -> None:
        name = os.path.basename(os.fspath(path))
        if CONTEXT_DIR in os.fspath(path):
            name = "the build's context"
        elif name.endswith("_out"):
            name = "the output"
        elif name.startswith((".", STATE_FILE)):
            return
        if (name, doing) not in seen:
            seen.add((name, doing))
            knife.reach(f"before {name} is {doing}")

    def replacing(source: Any, target: Any, **given: Any) -> None:
        reach(target, "put in place")
        replace(source, target, **given)

    def unlinking(path: Any, **given: Any) -> None:
        reach(path, "taken away")
        unlink(path, **given)

    def making(path: Any, *rest: Any, **given: Any) -> None:
        reach(path, "made")
        mkdir(path, *rest, **given)

    vars(os).update(replace=replacing, unlink=unlinking, mkdir=making)


def cut_states(knife: Knife) -> None:
    """Before and after each save of the record, by the state that is saved."""
    from states.record import Record
    from states.store import StateFile

    save = StateFile.save

    def saving(file: StateFile, record: Record) -> None:
        knife.reach(f"before {record.state.value} is saved")
        save(file, record)
        knife.note(f"saved {record.state.value}")

    _put(StateFile, "save", saving)


def cut_guard(knife: Knife) -> None:
    """Before the dead man's switch is armed and disarmed, and before the last word."""
    from wrapper.boinc.session import Session
    from wrapper.boinc.status import Status
    from wrapper.engine.hosts.guard import Guard

    arm, disarm, last = Guard.__init__, Guard.disarm, Session.last

    def arming(guard: Guard, *words: Any) -> None:
        knife.reach("before the switch is armed")
        arm(guard, *words)

    def disarming(guard: Guard) -> None:
        knife.reach("before the switch is disarmed")
        disarm(guard)

    said: list[Status] = []

    def saying(session: Session, status: Status, insist: bool = False) -> bool:
        if not said:
            knife.reach("before the last word")
        said.append(status)
        return last(session, status, insist)

    _put(Guard, "__init__", arming)
    _put(Guard, "disarm", disarming)
    _put(Session, "last", saying)


def fill_disk(state: str) -> None:
    """From the first attempt to save this state on, no record can be written any more."""
    from states.record import Record
    from states.store import StateFile

    save, write = StateFile.save, StateFile._write_temporary
    full = []

    def saving(file: StateFile, record: Record) -> None:
        if record.state.value == state:
            full.append(True)
        save(file, record)

    def writing(file: StateFile, content: bytes) -> None:
        write(file, content)
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    _put(StateFile, "save", saving)
    _put(StateFile, "_write_temporary", writing)


def believe_in_boot(text: str) -> None:
    """Another boot id, and a boot that began so many seconds ago: ``ID SECONDS``."""
    from wrapper.engine.hosts.local import LocalHost

    identity, _, seconds = text.partition(" ")
    began = time.time() - float(seconds)
    _put(LocalHost, "boot_id", lambda _host: identity)
    _put(LocalHost, "booted", lambda _host: began)


def do_without(what: str) -> None:
    """A kernel without pidfds; or containers whose cgroups cannot be seen from here."""
    from wrapper.boinc import client_process
    from wrapper.engine import usage
    from wrapper.engine.hosts import local, watching

    if "pidfd" in what.split():
        for module in (client_process, local, watching):
            vars(module)["pidfd"] = lambda _pid: None
    if "cgroup" in what.split():
        vars(usage)["find"] = lambda *_asked: None


def _put(owner: type, name: str, function: Callable[..., Any]) -> None:
    setattr(owner, name, function)


def main() -> int:
    """Cut where the environment says, and run the wrapper."""
    if "FAULT_LOG" in os.environ:
        knife = Knife(os.environ.pop("FAULT_LOG"), os.environ.pop("FAULT_AT", ""))
        for cut in (cut_orders, cut_states, cut_guard, cut_files):
            cut(knife)
    if "FAULT_FULL" in os.environ:
        fill_disk(os.environ.pop("FAULT_FULL"))
    if "FAULT_BOOT" in os.environ:
        believe_in_boot(os.environ.pop("FAULT_BOOT"))
    if "FAULT_WITHOUT" in os.environ:
        do_without(os.environ.pop("FAULT_WITHOUT"))
    if "FAULT_LOCK_WAIT" in os.environ:
        from wrapper import cli

        vars(cli)["_LOCK_WAIT"] = float(os.environ.pop("FAULT_LOCK_WAIT"))
    if "FAULT_TIDYING" in os.environ:
        from wrapper import supervisor

        vars(supervisor)["_TIDYING"] = float(os.environ.pop("FAULT_TIDYING"))
    if "FAULT_LAGS" in os.environ:
        from wrapper import running

        vars(running)["_LAGS"] = int(os.environ.pop("FAULT_LAGS"))
    if "FAULT_LOOK_LIMIT" in os.environ:
        from wrapper.engine.cli import Engine

        limit = float(os.environ.pop("FAULT_LOOK_LIMIT"))
        vars(Engine)["_look"].__kwdefaults__["limit"] = limit
    from wrapper.__main__ import main as run

    run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
