"""The files a BOINC client needs to run one job that no server gave it.

Writes them and nothing else: an anonymous platform (``app_info.xml``), an account, a state that
holds one task, and the preferences that keep the client from pausing the job by itself. Formats as
BOINC 7.20 reads them.
"""

from __future__ import annotations

import functools
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from tests.lab.workunit import Input, Output, Workunit, md5

PROJECT_URL = "http://lab.invalid/docker/"
PROJECT_FOLDER = "lab.invalid_docker"
"""The folder the client makes of :data:`PROJECT_URL`."""
APP = "docker_lab"
LAUNCHER = "docker_wrapper"
PASSWORD = "lab"


@dataclass(frozen=True)
class Preferences:
    """What of the client's preferences a test may want to change; the rest never pauses a job."""

    cpu_usage_limit: float = 100.0
    leave_in_memory: bool = True


NEVER_PAUSE = Preferences()


def write_client_files(
    home: Path, work: Workunit, *, wrapper_words: str = "", symlinks: bool = False,
    preferences: Preferences = NEVER_PAUSE,
) -> Path:
    """Write all of them into a data directory whose project folder holds the job's files already.

    ``wrapper_words`` are options of the wrapper itself, from the app version's ``<cmdline>``.
    ``symlinks`` makes the client link files into the slot by symbolic links. Returns the project's
    folder.
    """
    project = home / "projects" / PROJECT_FOLDER
    version = _app_version(work, wrapper_words)
    # app_info.xml: the program and its version as the user declares them: no signature is asked.
    _write(project / "app_info.xml",
           f"<app_info>\n{_app()}{_program(project)}{version}</app_info>\n")
    # account_*.xml: that the client is attached to the project. The key opens nothing.
    _write(home / f"account_{PROJECT_FOLDER}.xml", _ACCOUNT)
    # gui_rpc_auth.cfg: what boinccmd must say to be obeyed.
    _write(home / "gui_rpc_auth.cfg", PASSWORD + "\n")
    # cc_config.xml: what the client logs, and that it bothers nobody.
    _write(home / "cc_config.xml", _CC_CONFIG)
    # global_prefs_override.xml: keeps the client from pausing the job by itself.
    write_preferences(home, preferences)
    # client_state.xml: the task, ready to run, with all its files here.
    _write(home / "client_state.xml", _client_state(project, work, version, symlinks))
    return project


def write_preferences(home: Path, preferences: Preferences) -> None:
    """Write what overrides the client's preferences; it reads them when told to."""
    _write(home / "global_prefs_override.xml", _prefs(preferences))


def result_name(work: Workunit) -> str:
    """The name of the job's only result."""
    return f"{work.name}_0"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _tags(**values: object) -> str:
    return "".join(f"<{key}>{escape(str(value))}</{key}>\n" for key, value in values.items())


@functools.cache
def _platform() -> str:
    """The platform this client was built for, the last word of ``boinc --version``."""
    said = subprocess.run(["boinc", "--version"], capture_output=True, text=True, timeout=30,
                          check=True)
    return said.stdout.split()[-1]


def _app() -> str:
    return f"<app>\n{_tags(name=APP, user_friendly_name='Docker lab')}</app>\n"


def _program(project: Path) -> str:
    content = (project / LAUNCHER).read_bytes()
    return (f"<file>\n{_tags(name=LAUNCHER, nbytes=len(content), md5_cksum=md5(content), status=1)}"
            "<executable/>\n</file>\n")


def _app_version(work: Workunit, wrapper_words: str) -> str:
    ref = f"<file_ref>\n{_tags(file_name=LAUNCHER)}<main_program/>\n</file_ref>\n"
    tags = _tags(
        app_name=APP, version_num=100, platform=_platform(), plan_class=work.plan_class,
        avg_ncpus=work.ncpus, flops=1e9, cmdline=wrapper_words,
        # Without it the client would think the program speaks an older protocol.
        api_version="7.20.0",
    )
    return f"<app_version>\n{tags}{ref}</app_version>\n"


def _input_file(project: Path, work: Workunit, entry: Input) -> str:
    name = work.physical_name(entry)
    content = (project / name).read_bytes()
    tags = _tags(name=name, nbytes=len(content), max_nbytes=len(content), status=1,
                 md5_cksum=md5(content))
    # Without it the client takes the right to be run away from a copy in the slot.
    executable = "<executable/>\n" if (project / name).stat().st_mode & 0o100 else ""
    return f"<file>\n{tags}{executable}</file>\n"


def _output_file(work: Workunit, entry: Output) -> str:
    # Without an upload URL the task is done at once; sticky, or the client would take the file away
    # then.
    tags = _tags(name=work.physical_name(entry), nbytes=0, max_nbytes=1e8, status=0)
    optional = "<optional/>\n" if entry.optional else ""
    return f"<file>\n{tags}<sticky/>\n{optional}</file>\n"


def _file_ref(work: Workunit, entry: Input | Output) -> str:
    tags = _tags(file_name=work.physical_name(entry), open_name=entry.name)
    copy = "<copy_file/>\n" if entry.copy else ""
    optional = "<optional/>\n" if isinstance(entry, Output) and entry.optional else ""
    return f"<file_ref>\n{tags}{copy}{optional}</file_ref>\n"


def _workunit(work: Workunit) -> str:
    tags = _tags(
        name=work.name, app_name=APP, version_num=100, rsc_fpops_est=1e10, rsc_fpops_bound=1e17,
        rsc_memory_bound=5e8, rsc_disk_bound=1e9, command_line=work.command_line,
    )
    refs = "".join(_file_ref(work, entry) for entry in work.inputs)
    return f"<workunit>\n{tags}{refs}</workunit>\n"


def _result(work: Workunit) -> str:
    tags = _tags(
        name=result_name(work), final_cpu_time=0, final_elapsed_time=0, exit_status=0, state=2,
        platform=_platform(), version_num=100, plan_class=work.plan_class, wu_name=work.name,
        report_deadline=time.time() + 864000, received_time=time.time(),
    )
    refs = "".join(_file_ref(work, entry) for entry in work.outputs)
    return f"<result>\n{tags}{refs}</result>\n"


def _client_state(project: Path, work: Workunit, version: str, symlinks: bool) -> str:
    tags = _tags(
        master_url=PROJECT_URL, project_name="Docker lab", resource_share=100,
        user_name="lab", hostid=1, dont_request_more_work=1,
    )
    links = "<use_symlinks/>\n" if symlinks else ""
    files = "".join(_input_file(project, work, entry) for entry in work.inputs)
    made = "".join(_output_file(work, entry) for entry in work.outputs)
    return (
        f"<client_state>\n<project>\n{tags}<dont_request_more_work/>\n{links}</project>\n"
        f"{_app()}{_program(project)}{files}{made}{version}{_workunit(work)}{_result(work)}"
        "<user_run_request>1</user_run_request>\n<user_network_request>1</user_network_request>\n"
        "</client_state>\n"
    )


def _prefs(preferences: Preferences) -> str:
    always = _tags(
        run_on_batteries=1, run_if_user_active=1, run_gpu_if_user_active=1, suspend_cpu_usage=0,
        max_ncpus_pct=100, cpu_usage_limit=preferences.cpu_usage_limit,
        leave_apps_in_memory=int(preferences.leave_in_memory), cpu_scheduling_period_minutes=60,
        disk_max_used_gb=0, disk_max_used_pct=100, disk_min_free_gb=0.01,
        ram_max_used_busy_pct=100, ram_max_used_idle_pct=100, vm_max_used_pct=100,
        disk_interval=1,
    )
    return f"<global_preferences>\n{always}</global_preferences>\n"


_ACCOUNT = f"<account>\n{_tags(master_url=PROJECT_URL, authenticator='0' * 32)}</account>\n"
_CC_CONFIG = (
    "<cc_config>\n<log_flags>\n"
    f"{_tags(task=1, cpu_sched=1, slot_debug=1, app_msg_send=1, task_debug=1)}"
    "</log_flags>\n<options>\n"
    f"{_tags(dont_contact_ref_site=1, start_delay=0, skip_cpu_benchmarks=1)}"
    f"{_tags(ncpus=max(2, os.cpu_count() or 1), allow_multiple_clients=1, use_all_gpus=0)}"
    "</options>\n</cc_config>\n"
)
