"""``init_data.xml`` as BOINC 7.20 writes it, for a job of the lab.

The values stand as they are given, without escaping, since the client's own printer escapes only
some. Knows no reader of the file; that is what makes it a test of one.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

Value = str | int | float
Group = dict[str, Value]

_PREFERENCES: Group = {
    "run_on_batteries": 1, "run_if_user_active": 1, "leave_apps_in_memory": 1,
    "max_ncpus_pct": 100.0, "disk_interval": 1.0, "cpu_usage_limit": 100.0,
}


def _job(slot: Path, project: Path) -> Group:
    return {
        "major_version": 7, "minor_version": 20, "release": 5, "app_version": 100,
        "userid": 0, "teamid": 0, "hostid": 1, "app_name": "docker_lab", "plan_class": "docker",
        "user_name": "lab", "project_dir": str(project), "boinc_dir": str(project.parents[1]),
        "authenticator": "0123456789abcdef0123456789abcdef", "wu_name": "lab",
        "result_name": "lab_0", "shm_key": -1, "slot": slot.name, "client_pid": os.getpid(),
        "wu_cpu_time": 0.0, "starting_elapsed_time": 0.0, "using_sandbox": 0,
        "vm_extensions_disabled": 0, "resource_share_fraction": 1.0, "checkpoint_period": 60.0,
        "fraction_done_start": 0.0, "fraction_done_end": 1.0, "gpu_type": "",
        "gpu_device_num": -1, "gpu_opencl_dev_index": -1, "gpu_usage": 0.0, "ncpus": 1.0,
        "rsc_fpops_est": 1e10, "rsc_fpops_bound": 1e17, "rsc_memory_bound": 5e8,
        "rsc_disk_bound": 1e9, "computation_deadline": time.time() + 864000,
        "vbox_window": 0, "no_priority_change": 0, "process_priority": -1,
        "process_priority_special": -1,
    }


def _host() -> Group:
    return {
        "timezone": 0, "domain_name": "lab", "ip_addr": "127.0.0.1",
        "p_ncpus": os.cpu_count() or 1, "p_vendor": "Lab", "p_model": "Lab [Family 1 & more]",
        "m_nbytes": 8e9, "d_total": 1e11, "d_free": 5e10, "os_name": "Linux Debian",
        "os_version": "Debian GNU/Linux 12 (bookworm)", "n_usable_coprocs": 0,
        # Clients before 8.1 write neither: left out when empty.
        "docker_version": "", "docker_type": "",
    }


def _proxy() -> Group:
    return {
        "socks_server_name": "", "socks_server_port": 80, "http_server_name": "",
        "http_server_port": 80, "socks5_user_name": "", "socks5_user_passwd": "",
        "socks5_remote_dns": 0, "http_user_name": "", "http_user_passwd": "", "no_proxy": "",
        "no_autodetect": 0,
    }


def init_data(slot: Path, project: Path, **fields: Value) -> str:
    """The text of the file; ``fields`` replace values by the names of their tags, wherever they
    are.

    Raises:
        TypeError: the client writes no such field.
    """
    job, host, proxy, preferences = _job(slot, project), _host(), _proxy(), dict(_PREFERENCES)
    for name, value in fields.items():
        homes = [group for group in (job, host, proxy, preferences) if name in group]
        if not homes:
            raise TypeError(f"init_data.xml has no field {name!r}")
        homes[0][name] = value
    if not host["docker_type"]:
        del host["docker_type"], host["docker_version"]
    return (
        f"<app_init_data>\n{_lines(job)}<project_preferences>\n</project_preferences>\n"
        f"<host_info>\n{_lines(host, 4)}    <coprocs>\n    </coprocs>\n</host_info>\n"
        f"<proxy_info>\n{_lines(proxy, 4)}</proxy_info>\n"
        f"<global_preferences>\n{_lines(preferences, 3)}</global_preferences>\n"
        "<app_file>docker_wrapper</app_file>\n</app_init_data>\n"
    )


def _lines(group: Group, indent: int = 0) -> str:
    return "".join(f"{' ' * indent}<{name}>{_shown(value)}</{name}>\n"
                   for name, value in group.items())


def _shown(value: Value) -> str:
    return f"{value:f}" if isinstance(value, float) else str(value)
