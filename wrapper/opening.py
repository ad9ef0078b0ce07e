"""Opens a slot: everything that is read once at the start, put together as a :class:`Work`.

What can go wrong here is either passing (the slot is taken, init_data.xml cannot be read: go, and
come again), or a mistake of the project (a bad job.toml: the job is finished with words), or a
state file that cannot be used: it is set aside, and the engine tells what stands.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone

from states.machine import JobMachine
from states.reconcile import Boot
from states.record import Container, Image, Job, Record, new_record
from states.store import StateFile
from states.table import State
from wrapper.accounting import Accounts
from wrapper.beginning import Beginning, Slot, begun_order
from wrapper.boinc import naming
from wrapper.boinc.init_data import INIT_DATA_FILE, BadInitData, read_init_data
from wrapper.boinc.slot import finish_written
from wrapper.discovering import rebuilt_engine
from wrapper.job_config import JobConfig
from wrapper.looking import boot_of
from wrapper.places import recorded_host
from wrapper.proxies import proxy_environment, proxy_secrets
from wrapper.reading import Known
from wrapper.work import Work

_FIXED = ("project_dir", "boinc_dir", "wu_name", "result_name", "client_pid")
"""Fields of init_data.xml that are taken once, at the start."""


def open_work(beginning: Beginning) -> Work:
    """Take what was read, and put the work together. Where that fails the host is closed.

    Raises:
        NoAnswer: the process that reads died.
        NotSaved: the state cannot be written.
    """
    try:
        return _opened(beginning)
    except BaseException:
        beginning.host.close()
        raise


def _opened(beginning: Beginning) -> Work:
    slot, host, known = beginning.slot, beginning.host, beginning.read()
    config, mistake = known.config, known.mistake
    slot.journal.verbose = max(slot.journal.verbose, config.verbose)
    image, container = _names(slot, config)
    begun = beginning.begun
    if beginning.engine and not mistake:
        begun = (*begun, begun_order(host, next(beginning.engine.image(image))))
    boot = boot_of(host)
    machine = _machine(beginning, known, boot, image, container)
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
        host=recorded_host(host, slot.path, record, slot.init, beginning.platform),
        boot=boot,
        accounts=Accounts(record.cpu_time_before, max(record.cpu_time, told)),
        image_name=image,
        container_name=container,
        label=record.job.result,
        proxies=proxy_environment(slot.init.proxy) if slot.init else {},
        mistake=mistake,
        platform=beginning.platform,
        finished=machine.state is State.COLLECTING and finish_written(slot.path) is not None,
        begun=begun,
        is_new=beginning.is_new,
    )
    if machine.state is not State.DISCOVER_DISTRO:
        work.engine = rebuilt_engine(work)
    return work


def _names(slot: Slot, config: JobConfig) -> tuple[str, str]:
    """The image's and the container's name, fixed by the job."""
    image = config.image_name or naming.image_name(slot.init, slot.path)
    return image, naming.container_name(slot.init, slot.path)


def _machine(
    beginning: Beginning, known: Known, boot: Boot, image: str, container: str
) -> JobMachine:
    """The machine where it stood, or at its beginning."""
    slot, file = beginning.slot, StateFile(beginning.slot.path)
    job = _job(slot)
    fresh = new_record(
        job,
        _now(),
        boot_id=boot.id,
        wrapper_pid=os.getpid(),
        image=Image(image),
        container=Container(container),
    )
    record = _usable(beginning, file, fresh, known.recorded)
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


def _usable(
    beginning: Beginning, file: StateFile, fresh: Record, record: Record | str | None
) -> Record:
    """The record on disk when it is this job's and can be read, else a fresh one."""
    slot = beginning.slot
    if record is None:
        return fresh if beginning.is_new else _begun_unrecorded(fresh)
    if isinstance(record, str):
        return _set_aside(slot, file, fresh, record)
    if record.job != fresh.job:
        return _set_aside(slot, file, fresh, f"it is of another job, {record.job.result}")
    if slot.init is None and record.state is State.DONE:
        slot.journal.say("The job was done here before; without a client it is run once more.")
        return fresh
    return record


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
