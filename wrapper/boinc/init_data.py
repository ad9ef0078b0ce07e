"""``init_data.xml``: what the BOINC client tells a job at its start.

The client (7.16 to 8.3) writes the file into the slot directory before each start of the main
program (``write_init_data_file`` in BOINC's ``lib/app_ipc.cpp`` is the source of the format). This
module reads it into a frozen :class:`InitData`; it decides nothing. Fields that are missing or hold
garbage have their defaults, unknown ones are passed over.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from wrapper.boinc import BoincTrouble
from wrapper.boinc.files import read_regular
from wrapper.boinc.tags import children, flag, number, unescaped, whole_number

INIT_DATA_FILE = "init_data.xml"
LARGEST = 4 << 20
"""The size in bytes up to which a file is taken for one that a client wrote."""


class BadInitData(BoincTrouble):
    """There is an ``init_data.xml``, but nothing can be learnt from it."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path} cannot be used: {why}. The BOINC client writes this file at each start of a"
            " job; restart the client, and look at the disk (full?) if it happens again."
        )
        self.why = why


class DockerType(IntEnum):
    """Which engine the client found; the numbers are those of the file."""

    NONE = 0
    DOCKER = 1
    PODMAN = 2


class Distro(NamedTuple):
    """A WSL distro as the client (on Windows) found it: ``host_info/wsl/distro``."""

    distro_name: str = ""
    distro_version: str = ""
    """Version of BOINC's own distro; empty for others."""
    os_name: str = ""
    os_version: str = ""
    wsl_version: int = 0
    is_default: bool = False
    disallowed: bool = False
    """The volunteer does not want jobs in it."""
    docker_version: str = ""
    docker_type: DockerType = DockerType.NONE
    wsl_gpu: bool = False


class ProxyInfo(NamedTuple):
    """Proxies the volunteer told the client to use. The passwords are in no ``repr``."""

    use_http_proxy: bool = False
    http_server_name: str = ""
    http_server_port: int = 0
    use_http_auth: bool = False
    http_user_name: str = ""
    http_user_passwd: str = ""
    use_socks_proxy: bool = False
    socks_server_name: str = ""
    socks_server_port: int = 0
    socks5_user_name: str = ""
    socks5_user_passwd: str = ""
    socks5_remote_dns: bool = False
    no_proxy: str = ""
    """Hosts to be reached without a proxy, separated by commas."""

    def __repr__(self) -> str:
        return _without(self, "http_user_passwd", "socks5_user_passwd")


class InitData(NamedTuple):
    """The fields of ``init_data.xml``. Times in s, sizes in bytes, fractions 0..1."""

    major_version: int = 0
    minor_version: int = 0
    release: int = 0
    app_version: int = 0
    userid: int = 0
    teamid: int = 0
    hostid: int = 0
    app_name: str = ""
    plan_class: str = ""
    user_name: str = ""
    team_name: str = ""
    project_dir: str = ""
    boinc_dir: str = ""
    """Paths as the system spells them; bytes that are no UTF-8 are kept as :mod:`os` keeps them."""
    wu_name: str = ""
    result_name: str = ""
    authenticator: str = ""
    comm_obj_name: str = ""
    """Windows: the mapping of the shared memory is ``shm_`` and this name."""
    shm_key: int = -1
    """Unix: key of a System V segment, -1 where the segment is ``boinc_mmap_file``."""
    slot: int = 0
    client_pid: int = 0
    """Process of the client; 0 where it did not say."""
    wu_cpu_time: float = 0.0
    """CPU time of earlier episodes up to their last checkpoint."""
    starting_elapsed_time: float = 0.0
    using_sandbox: bool = False
    vm_extensions_disabled: bool = False
    checkpoint_period: float = 60.0
    fraction_done_start: float = 0.0
    fraction_done_end: float = 1.0
    gpu_type: str = ""
    """``NVIDIA``, ``ATI``, ``intel_gpu`` or a vendor's name; empty without a GPU."""
    gpu_device_num: int = -1
    gpu_opencl_dev_index: int = -1
    gpu_usage: float = 0.0
    ncpus: float = 1.0
    rsc_fpops_est: float = 0.0
    rsc_fpops_bound: float = 0.0
    rsc_memory_bound: float = 0.0
    rsc_disk_bound: float = 0.0
    computation_deadline: float = 0.0
    """Seconds since the Epoch."""
    vbox_window: bool = False
    """The volunteer wants to see the console of a virtual machine."""
    no_priority_change: bool = False
    process_priority: int = -1
    process_priority_special: int = -1
    """-1 or 0: not set; 1 (lowest) to 5 (highest)."""
    docker_version: str = ""
    """Engine of this host as the client found it; empty before client 8.1 and on Windows."""
    docker_type: DockerType = DockerType.NONE
    distros: tuple[Distro, ...] = ()
    proxy: ProxyInfo = ProxyInfo()
    app_files: tuple[str, ...] = ()
    """Physical names of the files of the app version, in the project directory."""
    global_preferences: Mapping[str, str] = MappingProxyType({})
    """The volunteer's preferences that apply to this host, as they are printed."""

    def __repr__(self) -> str:
        return _without(self, "authenticator", "global_preferences")

    @property
    def client_version(self) -> tuple[int, int, int]:
        """The client's version, to compare with; (0, 0, 0) where it did not say."""
        return (self.major_version, self.minor_version, self.release)


def read_init_data(path: Path) -> InitData | None:
    """Read the file; None where there is none: nobody is there, the job runs standalone.

    Raises:
        BadInitData: it is unreadable, empty, no regular file, too large, cut short, or garbage.
    """
    content = _content(path)
    if content is None:
        return None
    try:
        return parse_init_data(content)
    except ValueError as error:
        raise BadInitData(path, str(error)) from error


def parse_init_data(content: bytes) -> InitData:
    """Understand the content of the file.

    Raises:
        ValueError: it is nothing a client writes as a whole.
    """
    if not content.strip():
        raise ValueError("it is empty")
    if b"\0" in content:
        raise ValueError("it holds NUL bytes, as a file does that was lost in a crash")
    start = content.find(b"<app_init_data>")
    if start < 0:
        raise ValueError("there is no <app_init_data> in it")
    end = content.rfind(b"</app_init_data>")
    if end < start:
        raise ValueError("it is cut short, </app_init_data> is missing")
    return _init_data(content[start + len(b"<app_init_data>") : end])


def _content(path: Path) -> bytes | None:
    try:
        content = read_regular(path, LARGEST + 1)
    except OSError as error:
        raise BadInitData(path, f"it cannot be read ({error.strerror or error})") from error
    if content is not None and len(content) > LARGEST:
        raise BadInitData(path, f"it is larger than {LARGEST >> 20} MiB")
    return content


def _init_data(body: bytes) -> InitData:
    known: dict[str, bytes | None] = {}
    app_files = []
    for name, raw in children(body):
        if name == "app_file":
            app_files.append(_text(raw))
        else:
            known[name] = raw
    host = dict(children(known.get("host_info") or b""))
    values = _values(InitData, known)
    values.update(_values(InitData, {k: v for k, v in host.items() if k.startswith("docker_")}))
    values["distros"] = _distros(host.get("wsl") or b"")
    proxy = dict(children(known.get("proxy_info") or b""))
    values["proxy"] = ProxyInfo(**_values(ProxyInfo, proxy))
    values["app_files"] = tuple(app_files)
    values["global_preferences"] = _preferences(known.get("global_preferences") or b"")
    return InitData(**_without_nonsense(values))


def _distros(body: bytes) -> tuple[Distro, ...]:
    return tuple(
        Distro(**_values(Distro, dict(children(raw or b""))))
        for name, raw in children(body)
        if name == "distro"
    )


def _preferences(body: bytes) -> dict[str, str]:
    """The plain values; ``<name/>`` is "1", and what has parts of its own is left out."""
    return {
        name: "1" if raw is None else _text(raw)
        for name, raw in children(body)
        if raw is None or b"<" not in raw
    }


def _without_nonsense(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a client cannot mean, so that the default stands.

    A pid below 1 would name a group of processes, or all of them.
    """
    if not 0 < values.get("client_pid", 0) < 2**31:
        values.pop("client_pid", None)
    if values.get("ncpus", 0.0) <= 0:
        values.pop("ncpus", None)
    start, end = values.get("fraction_done_start", 0.0), values.get("fraction_done_end", 1.0)
    if not 0 <= start < end <= 1:
        values.pop("fraction_done_start", None)
        values.pop("fraction_done_end", None)
    return values


def _text(raw: bytes | None) -> str:
    return unescaped(raw or b"").decode("utf-8", "replace")


def _native_path(raw: bytes | None) -> str:
    """Client paths come in the system's own bytes: on Windows perhaps of the ANSI code page."""
    value = unescaped(raw or b"")
    if sys.platform != "win32":
        return os.fsdecode(value)
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("mbcs", "replace")


def _docker_type(raw: bytes | None) -> DockerType | None:
    value = whole_number(raw)
    return DockerType(value) if value in (1, 2) else None


_READ_AS: Mapping[type, Callable[[bytes | None], object]] = {
    str: _text,
    int: whole_number,
    float: number,
    bool: flag,
    DockerType: _docker_type,
}
_PATHS = ("project_dir", "boinc_dir")


Record = TypeVar("Record", InitData, Distro, ProxyInfo)


def _values(record: type[Record], found: Mapping[str, bytes | None]) -> dict[str, Any]:
    """The values for the fields of a record that were found and make sense for their type."""
    values = {}
    for name, default in record._field_defaults.items():
        read = _native_path if name in _PATHS else _READ_AS.get(type(default))
        if read is not None and name in found:
            value = read(found[name])
            if value is not None:
                values[name] = value
    return values


def _without(record: ProxyInfo | InitData, *hidden: str) -> str:
    """A record for people, without the values of some fields."""
    shown = [f"{name}={value!r}" for name, value in record._asdict().items() if name not in hidden]
    return f"{type(record).__name__}({', '.join(shown)})"
