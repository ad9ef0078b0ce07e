"""From a job's description and its slot to the container that is to be created."""

from __future__ import annotations

from wrapper.container_order import Bind, ContainerSpec, cpu_shares
from wrapper.gpu import gpu_words
from wrapper.hosting import Pair, guarded, plan, seal
from wrapper.looking import LABEL
from wrapper.work import Work


def container_spec(work: Work, host_ncpus: int | None) -> ContainerSpec:
    """Prepare the slot's linked files and say all that the container is to be.

    Raises:
        OSError: the slot could not be prepared.
        Unreachable: the host does not say what it calls the slot.
        UnknownGpu: the job asks for a GPU that it cannot be given.
    """
    init, config = work.init, work.config
    project_dir = work.host.path(work.project_dir) if work.project_dir else None
    return ContainerSpec(
        name=work.container_name,
        image=work.image_name,
        slot=work.host.path(work.slot),
        workdir=config.workdir,
        project_dir=project_dir,
        project_dir_mount=config.project_dir_mount,
        words=work.options.words,
        ncpus=init.ncpus if init else 0.0,
        host_ncpus=host_ncpus,
        shares=_shares(work),
        binds=_binds(work),
        mounts=config.mount,
        portmap=config.portmap,
        graphics=graphics_ports(work),
        gpu=_gpu(work),
        create_args=config.create_args,
        labels={LABEL: work.label, f"{LABEL}.workunit": work.record.job.workunit},
        proxies=work.proxies,
    )


def _binds(work: Work) -> tuple[Bind, ...]:
    """Linked inputs over their links, and our own files over themselves, for reading only."""
    workdir, own = work.config.workdir, (work.options.config, work.options.dockerfile)
    inputs: tuple[Pair, ...] = ()
    if work.project_dir is not None:
        links = plan(work.slot, work.project_dir, own)
        for left in links.left:
            work.journal.say(f"A link in the slot stays as it is: {left}")
        inputs = links.inputs
    # With a job.toml of its own making a job could reach out of its next container.
    seal(work.slot, work.options.config, empty=True)
    seal(work.slot, work.options.dockerfile)
    pairs = (*guarded(work.slot, own), *inputs)
    there = work.host.path
    return tuple(Bind(there(target), f"{workdir}/{name}", readonly=True) for name, target in pairs)


def _shares(work: Work) -> int | None:
    """The weight for the CPU; with a GPU the client has a priority of its own for the job."""
    if work.init is None:
        return None
    init = work.init
    special = init.process_priority_special if init.gpu_type else -1
    return cpu_shares(special, init.process_priority, init.no_priority_change)


def _gpu(work: Work) -> tuple[str, ...]:
    if not work.config.use_gpu:
        return ()
    kind, device = (work.init.gpu_type, work.init.gpu_device_num) if work.init else ("", -1)
    return gpu_words(work.driver.kind, kind, device)


def graphics_ports(work: Work) -> tuple[int, int] | None:
    """Guest and host port of the job's web graphics; the host's is written down before it is used.
    """
    guest = work.config.web_graphics_guest_port
    if not guest:
        return None
    work.machine.note(graphics_port=free_port())
    port = work.record.graphics_port
    assert port is not None
    return guest, port


def port_is_taken(port: int) -> bool:
    """Whether somebody listens on this TCP port of 127.0.0.1."""
    import socket  # not at the top: few jobs show themselves, and what is imported stays

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on just now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
