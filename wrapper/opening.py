"""Opens a slot: everything that is read once at the start, put together as a :class:`Work`.

What can go wrong here is either passing (the slot is taken, init_data.xml cannot be read: go, and
come again), or a mistake of the project (a bad job.toml: the job is finished with words), or a
state file that cannot be used: it is set aside, and the engine tells what stands.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from states.machine import JobMachine
from states.reconcile import Boot
from states.record import Container, Image, Job, Record, new_record
from states.store import StateFile
from states.table import State
from wrapper.accounting import Accounts
from wrapper.boinc import naming
from wrapper.boinc.init_data import INIT_DATA_FILE, BadInitData, InitData, read_init_data
from wrapper.boinc.session import Client
from wrapper.boinc.slot import finish_written
from wrapper.discovering import docker_type, rebuilt_engine
from wrapper.engine.cli import Engine
from wrapper.engine.discovery import candidates
from wrapper.engine.hosts.base import Host, Order
from wrapper.hosting import OUTPUTS_FILE
from wrapper.job_config import JobConfig
from wrapper.journal import Journal
from wrapper.looking import boot_of
from wrapper.options import Options
from wrapper.places import first_host, recorded_host
from wrapper.proxies import proxy_environment, proxy_secrets
from wrapper.reading import Known, reading
from wrapper.work import Begun, Work

_FIXED = ("project_dir", "boinc_dir", "wu_name", "result_name", "client_pid")
"""Fields of init_data.xml that are taken once, at the start."""


class Slot(NamedTuple):
    """What is known of a slot before the job's own files are read."""

    path: Path
    options: Options
    init: InitData | None
    session: Client
    journal: Journal


def open_work(slot: Slot, platform: str = sys.platform) -> Work:
    """Read the job's description and its record, and put the work together.

    ``platform`` is where this program runs.

    Raises:
        NotLoaded: the state file is there and cannot be read.
        NotSaved: the state cannot be written.
    """
    host = first_host(slot.path, platform)
    try:
        return _opened(slot, host, platform)
    except BaseException:
        host.close()
        raise


def _opened(slot: Slot, host: Host, platform: str) -> Work:
    file = StateFile(slot.path)
    boot, content = boot_of(host), file.load()
    is_new = content is None and not _has_traces(slot)
    # On Windows the distro has to be found first.
    first = _first_engine(slot, platform) if is_new and platform != "win32" else None
    begun = [_begun(host, next(first.check()))] if first else []
    known = _reading(slot, content)()
    config, mistake = known.config, known.mistake
    slot.journal.verbose = max(slot.journal.verbose, config.verbose)
    image, container = _names(slot, config)
    if first and not mistake:
        begun.append(_begun(host, next(first.image(image))))
    machine = _machine(slot, file, known, boot, image, container)
    record = machine.record
    told = slot.init.wu_cpu_time if slot.init else 0.0
    work = Work(
        slot=slot.path,
        init=slot.init,
        options=slot.options,
        config=config,
        session=slot.session,
        journal=slot.journal,
        machine=machine,
        host=recorded_host(host, slot.path, record, slot.init, platform),
        boot=boot,
        accounts=Accounts(record.cpu_time_before, max(record.cpu_time, told)),
        image_name=image,
        container_name=container,
        label=record.job.result,
        proxies=proxy_environment(slot.init.proxy) if slot.init else {},
        mistake=mistake,
        platform=platform,
        finished=machine.state is State.COLLECTING and finish_written(slot.path) is not None,
        begun=begun,
        is_new=is_new,
    )
    if machine.state is not State.DISCOVER_DISTRO:
        work.engine = rebuilt_engine(work)
    return work


def _first_engine(slot: Slot, platform: str) -> Engine:
    """The engine that a new job asks first."""
    return Engine(candidates(docker_type(slot.init), platform)[0])


def _begun(host: Host, order: Order) -> Begun:
    """A question to the engine, asked while others are answered: each takes its time."""
    return Begun(order, host.start(order), time.monotonic())


def _reading(slot: Slot, content: bytes | None) -> Callable[[], Known]:
    """Begin to read the job's description and its record."""
    roots = [Path(slot.init.project_dir)] if slot.init and slot.init.project_dir else []
    return reading(slot.path / slot.options.config, roots, content)


def _names(slot: Slot, config: JobConfig) -> tuple[str, str]:
    """The image's and the container's name, fixed by the job."""
    image = config.image_name or naming.image_name(slot.init, slot.path)
    return image, naming.container_name(slot.init, slot.path)


def _machine(
    slot: Slot, file: StateFile, known: Known, boot: Boot, image: str, container: str
) -> JobMachine:
    """The machine where it stood, or at its beginning."""
    job = _job(slot)
    fresh = new_record(
        job,
        _now(),
        boot_id=boot.id,
        wrapper_pid=os.getpid(),
        image=Image(image),
        container=Container(container),
    )
    record = _usable(slot, file, fresh, known.recorded)
    machine = JobMachine(record, file.save, _now, known.moves)
    if record is fresh:
        file.save(record)
    else:
        machine.note(wrapper_pid=os.getpid())
    return machine


def _job(slot: Slot) -> Job:
    if slot.init is None:
        return Job("", "", naming.container_name(None, slot.path))
    project = naming.project_dir_name(slot.init)
    return Job(project, slot.init.wu_name, slot.init.result_name)


def _usable(slot: Slot, file: StateFile, fresh: Record, record: Record | str | None) -> Record:
    """The record on disk when it is this job's and can be read, else a fresh one."""
    if record is None:
        return _begun_unrecorded(fresh) if _has_traces(slot) else fresh
    if isinstance(record, str):
        return _set_aside(slot, file, fresh, record)
    if record.job != fresh.job:
        return _set_aside(slot, file, fresh, f"it is of another job, {record.job.result}")
    if slot.init is None and record.state is State.DONE:
        slot.journal.say("The job was done here before; without a client it is run once more.")
        return fresh
    return record


def _has_traces(slot: Slot) -> bool:
    """Whether the job was begun here, or its client counts CPU time that it has used."""
    begun = slot.init is not None and slot.init.wu_cpu_time > 0
    return begun or (slot.path / OUTPUTS_FILE).exists()


def _begun_unrecorded(fresh: Record) -> Record:
    note = "there is no state file, though the job was begun"
    return fresh._replace(history=new_record(fresh.job, _now(), note=note).history)


def _set_aside(slot: Slot, file: StateFile, fresh: Record, why: str) -> Record:
    kept = file.set_aside(_now())
    slot.journal.say(
        f"The state file cannot be used ({why}); it is kept as {kept.name}. "
        "What the engine shows decides how the job goes on."
    )
    return fresh._replace(history=new_record(fresh.job, _now(), note=f"set aside: {why}").history)


def reread(work: Work) -> None:
    """Take what changed in init_data.xml while the job goes on; a bad file changes nothing.

    Whose job it is and where its files lie cannot change: the job can write the file as well, and
    must not have another folder of this computer mounted.
    """
    try:
        init = read_init_data(work.slot / INIT_DATA_FILE)
    except BadInitData as bad:
        work.journal.detail(f"Asked to read init_data.xml again: {bad}")
        return
    if init is not None and work.init is not None:
        work.journal.hide((init.authenticator, *proxy_secrets(init.proxy)))
        fixed = {name: getattr(work.init, name) for name in _FIXED}
        work.init, work.proxies = init._replace(**fixed), proxy_environment(init.proxy)


def _now() -> datetime:
    return datetime.now(timezone.utc)
