"""Whole jobs in WSL distros, from finding one to the finish file, with all that may happen to them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.lab.engines import wait_for
from tests.lab.init_data import Value
from tests.lab.played_client import STATE_FILE, PlayedClient
from tests.lab.workunit import CHECKOUT, Input, Output, Workunit, script_job
from tests.lab.wsl import NAME, Distro, InDistro, Windows, WslPodmanLab, wsl_lab_or_skip
from wrapper.engine.answers import EngineKind

TYPES = {EngineKind.DOCKER: 1, EngineKind.PODMAN: 2}
CONTAINER = "boinc__lab.invalid_docker__lab_0"
LONG = "echo begun >> begun; while [ ! -e go ]; do sleep 0.1; done; echo all > out\n"


def job(script: str = "cat > out <input\n") -> Workunit:
    return script_job("lab", "cd /app\n" + script, outputs=(Output("out"),))


class Client(PlayedClient):
    """A client on Windows, as far as the distros in init_data.xml go."""

    told = ""

    def start(self) -> Client:
        super().start()
        return self

    def _init_data(self, fields: dict[str, Value]) -> str:  # type: ignore[override]
        text = super()._init_data(fields)
        text = text.replace("    <coprocs>", f"<wsl>{self.told}</wsl>\n    <coprocs>")
        return text.replace("<proxy_info>", "<proxy_info>\n<use_http_proxy/>\n<use_http_auth/>")


def distro(name: str, kind: EngineKind = EngineKind.PODMAN, more: str = "") -> str:
    return (f"<distro><distro_name>{name}</distro_name><wsl_version>2</wsl_version>"
            f"<docker_version>1</docker_version><docker_type>{TYPES[kind]}</docker_type>{more}"
            "</distro>")


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[InDistro]:
    """An engine in a distro; Podman where a test does not say."""
    lab = wsl_lab_or_skip(getattr(request, "param", EngineKind.PODMAN), request.config)
    yield lab
    lab.clear()


@pytest.fixture
def windows(lab: InDistro, tmp_path: Path) -> Windows:
    assert lab.distro is not None
    windows = Windows(tmp_path / "windows", lab.windows.drive)
    windows.add(NAME, lab.distro)
    windows.listed = listed(NAME)
    windows.save()
    return windows


def listed(*names: str) -> str:
    rows = "".join(f"  {name:<20} Running         2\r\n" for name in names)
    return "  NAME                 STATE           VERSION\r\n" + rows


Play = Callable[..., Client]


@pytest.fixture
def play(windows: Windows, tmp_path: Path) -> Iterator[Play]:
    """Lays out a job for a client on Windows, which tells of some distros."""
    with ExitStack() as open_clients:

        def lay_out(work: Workunit, told: str, **fields: Any) -> Client:
            client = Client(tmp_path / "BOINC Data ä", work, windows.environment, command=(
                sys.executable, str(CHECKOUT / "tests" / "lab" / "wsl_launch.py")), **fields)
            client.told = told
            open_clients.enter_context(client)
            return client

        yield lay_out


both = pytest.mark.parametrize("lab", list(EngineKind), indirect=True,
                               ids=[kind.value for kind in EngineKind])


def status(lab: InDistro) -> str:
    said = lab.inspect(CONTAINER)["State"]
    assert isinstance(said, dict)
    return str(said["Status"])


def container_id(lab: InDistro) -> object:
    return lab.inspect(CONTAINER)["Id"]


def begun(client: Client) -> None:
    client.wait_for("the job has begun", lambda: (client.slot / "begun").exists(), 60)


def ends_well(client: Client, text: str = "all\n") -> None:
    assert client.wait_exit() == 0, client.story()
    finish = client.finish()
    assert finish is not None, client.story()
    assert finish.number == 0
    assert client.output("out").read_text() == text


@both
def test_a_job_is_built_run_and_tidied_up(lab: InDistro, play: Play) -> None:
    work = job("cat input > out; echo a line; exit 0\n")
    work = Workunit("lab", (*work.inputs, Input("input", content=b"from Windows\n")), work.outputs)
    client = play(work, distro(NAME, lab.kind)).start()
    ends_well(client, "from Windows\n")
    assert client.state()["engine"]["distro"] == NAME
    assert client.state()["engine"]["type"] == lab.kind.value
    assert "a line" in client.stderr()
    assert lab.containers() == []
    assert not [path for path in client.slot.iterdir() if path.is_dir()]


@both
def test_it_obeys_and_comes_back_to_the_same_container(lab: InDistro, play: Play) -> None:
    client = play(job(LONG), distro(NAME, lab.kind)).start()
    begun(client)
    first = container_id(lab)
    client.suspend()
    client.wait_for("it is paused", lambda: status(lab) == "paused", 15)
    client.resume()
    client.wait_for("it goes on", lambda: status(lab) == "running", 15)
    client.quit()
    assert client.wait_exit(20) == 0
    assert status(lab) == "paused"
    client.start()
    client.wait_for("it goes on", lambda: status(lab) == "running", 20)
    (client.slot / "go").touch()
    assert container_id(lab) == first
    ends_well(client)
    assert (client.slot / "begun").read_text() == "begun\n"


@both
def test_killed_it_is_paused_and_taken_up_again(lab: InDistro, play: Play) -> None:
    client = play(job(LONG), distro(NAME, lab.kind)).start()
    begun(client)
    client.wait_for_state("running")
    assert wait_for(lambda: bool(client.statuses), 10)
    client.kill()
    client.wait_for("the switch pauses it", lambda: status(lab) == "paused", 15)
    client.start()
    client.wait_for("it goes on", lambda: status(lab) == "running", 20)
    (client.slot / "go").touch()
    ends_well(client)
    assert (client.slot / "begun").read_text() == "begun\n"


@both
def test_while_a_job_runs_or_rests_no_process_is_started(
    lab: InDistro, windows: Windows, play: Play
) -> None:
    # a job that starts none itself, while it waits for somebody to write
    client = play(job("mkfifo gate; echo begun > begun; read x < gate; echo all > out\n"),
                  distro(NAME, lab.kind)).start()
    begun(client)
    client.wait_for("it is told of", lambda: client.statuses, 30)
    assert nothing_is_started(client, lab, windows)
    client.suspend()
    client.wait_for("it is paused", lambda: status(lab) == "paused", 15)
    assert nothing_is_started(client, lab, windows)
    client.resume()
    client.wait_for("it goes on", lambda: status(lab) == "running", 15)
    with open(client.slot / "gate", "w") as gate:
        gate.write("go\n")
    ends_well(client)


def nothing_is_started(client: Client, lab: InDistro, windows: Windows) -> bool:
    """Whether there come five seconds in a row, soon, in which nobody starts a process."""
    def newest() -> tuple[int, int, int]:
        # the last process number that was given out in the distro is the one that is asked now
        assert lab.distro is not None
        asked = subprocess.run([*lab.distro.enter, "cat", "/proc/loadavg"], check=True,
                               stdin=subprocess.DEVNULL, capture_output=True)
        children = Path(f"/proc/{client.pid}/task/{client.pid}/children").read_text()
        return int(asked.stdout.split()[-1]), len(children.split()), len(windows.calls)

    def quiet() -> bool:
        last, *others = newest()
        time.sleep(5)
        return newest() == (last + 1, *others)

    return wait_for(quiet, 50)  # a daemon may start a thread now and then, which counts too


def test_the_accounts_are_the_cgroups(lab: InDistro, play: Play) -> None:
    busy = "echo begun > begun; while [ ! -e go ]; do :; done; echo all > out\n"
    client = play(job(busy), distro(NAME)).start()
    begun(client)
    client.wait_for(
        "CPU time is told", lambda: client.statuses and client.statuses[-1].cpu_time > 1, 30)
    (client.slot / "go").touch()
    ends_well(client)
    assert lab.containers() == []


def test_proxies_reach_the_container_and_are_seen_nowhere(lab: InDistro, play: Play) -> None:
    secret = "hunter2 secret"
    client = play(job('printf "%s" "$http_proxy" > out; sleep 1\n'), distro(NAME),
                  http_server_name="proxy.lab", http_server_port=3128, http_user_name="me",
                  http_user_passwd=secret)
    seen: list[str] = []
    over = threading.Event()
    watcher = threading.Thread(target=_watch_arguments, args=("hunter2", seen, over))
    watcher.start()
    try:
        client.start()
        ends_well(client, "http://me:hunter2%20secret@proxy.lab:3128")
    finally:
        over.set()
        watcher.join()
    assert seen == []
    assert "hunter2" not in client.stderr()
    assert "hunter2" not in (client.slot / STATE_FILE).read_text()
    assert lab.containers() == []


def _watch_arguments(word: str, seen: list[str], over: threading.Event) -> None:
    while not over.wait(0.01):
        for pid in os.listdir("/proc"):
            try:
                said = Path(f"/proc/{pid}/cmdline").read_bytes() if pid.isdigit() else b""
            except OSError:
                continue
            if word.encode() in said:
                seen.append(said.decode(errors="replace"))


def test_without_a_word_in_init_data_the_list_is_asked(windows: Windows, play: Play) -> None:
    client = play(job("echo all > out\n"), "").start()
    ends_well(client)
    assert "-l -v" in windows.calls
    assert "Using Podman" in client.stderr()


def test_a_distro_without_its_engine_is_told_and_the_next_is_taken(
    lab: InDistro, windows: Windows, play: Play, tmp_path: Path
) -> None:
    bare = Distro(tmp_path / "bare", lab.windows.drive)
    try:
        windows.add("boinc-buda-runner", bare)
        windows.add_hanging("secret")
        client = play(job("echo all > out\n"), distro("boinc-buda-runner") + distro("nowhere")
                      + distro("secret", more="<disallowed>1</disallowed>") + distro(NAME)).start()
        ends_well(client)
    finally:
        bare.close()
    said = client.stderr()
    assert "On the WSL distro boinc-buda-runner: Podman cannot be used: podman could not be" in said
    assert "Docker cannot be used: docker could not be started: there is no such command" in said
    assert "the WSL distro nowhere cannot be used" in said
    assert "There is no distribution with the supplied name." in said
    assert "Using Podman" in said
    assert not [call for call in windows.calls if "secret" in call]


def test_one_that_is_not_allowed_is_not_taken_from_the_list_either(
    windows: Windows, play: Play
) -> None:
    client = play(job(), distro(NAME, more="<disallowed>1</disallowed>")).start()
    assert client.wait_exit(30) == 0
    later = client.temporary_exit()
    assert later is not None
    assert "No WSL distro with a Podman or Docker that works" in later.message
    assert f"{NAME} is passed over: the volunteer does not allow it" in client.stderr()
    assert not [call for call in windows.calls if NAME in call]


def test_one_that_is_not_allowed_any_more_is_not_entered_for_its_container(
    lab: InDistro, windows: Windows, play: Play
) -> None:
    client = play(job(LONG), distro(NAME)).start()
    begun(client)
    client.kill()
    client.wait_for("the switch pauses it", lambda: status(lab) == "paused", 15)
    entered = len(windows.calls)
    client.told = distro(NAME, more="<disallowed>1</disallowed>")
    client.start()
    assert client.wait_exit(30) == 0
    later = client.temporary_exit()
    assert later is not None
    assert f"in the WSL distro {NAME}, which BOINC may not use any more" in later.message
    assert windows.calls[entered:] == []
    client.told = distro(NAME)
    (client.slot / "go").touch()
    client.start()
    ends_well(client)
    assert (client.slot / "begun").read_text() == "begun\n"


def test_of_those_that_only_wsl_knows_one_with_podman_is_taken_before_one_with_docker(
    windows: Windows, play: Play, request: pytest.FixtureRequest
) -> None:
    other = wsl_lab_or_skip(EngineKind.DOCKER, request.config)
    assert other.distro is not None
    no_podman = [*other.distro.enter, "CONTAINERS_CONF=/nowhere"]
    windows.distros["first"] = {"enter": no_podman, "shell": ["/bin/sh"]}
    windows.listed = listed("first", NAME)
    windows.save()
    client = play(job("echo all > out\n"), "").start()
    ends_well(client)
    assert client.state()["engine"]["distro"] == NAME
    assert "On the WSL distro first: Podman cannot be used" in client.stderr()


def test_a_distro_that_does_not_have_the_slot_is_not_taken(windows: Windows, play: Play) -> None:
    windows.drive = Path("/nowhere")
    windows.save()
    client = play(job(), distro(NAME)).start()
    assert client.wait_exit(30) == 0
    assert client.temporary_exit() is not None
    assert f"the WSL distro {NAME} cannot be used: it does not share" in client.stderr()
    assert client.state()["state"] == "discover_distro"


def test_a_wsl_that_wants_an_update_is_told_to_the_volunteer(windows: Windows, play: Play) -> None:
    windows.broken = "WSL muss aktualisiert werden: 'wsl.exe --update' ausführen.\r\n"
    windows.save()
    client = play(job(), distro(NAME)).start()
    assert client.wait_exit(30) == 0
    later = client.temporary_exit()
    assert later is not None
    assert "`wsl --update`" in later.message
    assert "WSL muss aktualisiert werden" in later.message
    assert client.state()["state"] == "discover_distro"


def test_a_distro_that_takes_long_to_start_is_waited_for(
    lab: InDistro, windows: Windows, play: Play
) -> None:
    windows.slow(NAME, 6)
    client = play(job(LONG), distro(NAME)).start()
    begun(client)
    client.kill()
    client.wait_for("the switch pauses it", lambda: status(lab) == "paused", 15)
    client.start()
    client.wait_for("it goes on", lambda: status(lab) == "running", 60)
    (client.slot / "go").touch()
    ends_well(client)
    assert (client.slot / "begun").read_text() == "begun\n"


def test_while_wsl_hangs_the_client_is_obeyed(windows: Windows, play: Play) -> None:
    windows.add_hanging("stuck")
    client = play(job(), distro("stuck")).start()
    client.wait_for("it is asked", lambda: windows.calls, 20)
    sent = client.quit()
    assert client.wait_exit(20) == 0
    assert time.monotonic() - sent < 15  # a shell that opens has longer
    assert client.temporary_exit() is None


def test_the_distro_of_the_record_is_the_only_one(
    lab: InDistro, windows: Windows, play: Play
) -> None:
    client = play(job(LONG), distro(NAME)).start()
    begun(client)
    client.kill()
    client.wait_for("the switch pauses it", lambda: status(lab) == "paused", 15)
    assert lab.distro is not None
    windows.add("boinc-buda-runner", lab.distro)
    client.told = distro("boinc-buda-runner")
    (client.slot / "go").touch()
    client.start()
    ends_well(client)
    assert not [call for call in windows.calls if "boinc-buda-runner" in call]
    assert (client.slot / "begun").read_text() == "begun\n"


def test_after_a_lost_record_a_silent_distro_is_waited_for(
    lab: InDistro, windows: Windows, play: Play, request: pytest.FixtureRequest
) -> None:
    other = wsl_lab_or_skip(EngineKind.DOCKER, request.config)
    assert lab.distro is not None
    assert other.distro is not None
    client = play(job(LONG), distro(NAME)).start()
    begun(client)
    client.kill()
    client.wait_for("the switch pauses it", lambda: status(lab) == "paused", 15)
    (client.slot / STATE_FILE).write_text("lost")
    windows.broken_distro(NAME, "Catastrophic failure\r\n")
    windows.add("second", other.distro)
    client.told = distro(NAME) + distro("second", EngineKind.DOCKER)
    client.start()
    assert client.wait_exit(60) == 0
    later = client.temporary_exit()
    assert later is not None
    assert f"the WSL distro {NAME} does not answer, and may have this job's container" in (
        later.message)
    assert other.containers() == []
    windows.add(NAME, lab.distro)
    (client.slot / "go").touch()
    client.start()
    ends_well(client)
    assert (client.slot / "begun").read_text() == "begun\n"


def test_a_distro_that_is_shut_down_cuts_a_run_off_and_does_not_end_it(
    windows: Windows, play: Play, request: pytest.FixtureRequest
) -> None:
    wsl_lab_or_skip(EngineKind.PODMAN, request.config)  # skips where there can be none
    lab = WslPodmanLab()
    with lab:
        assert lab.distro is not None
        windows.add(NAME, lab.distro)
        client = play(job(LONG), distro(NAME)).start()
        begun(client)
        client.wait_for("it is told of", lambda: client.statuses, 20)
        lab.shut_down()
        windows.broken_distro(NAME, "The service is being stopped.\r\n")
        client.wait_for("that is noticed", lambda: "does not answer" in client.stderr(), 60)
        lab.start_again()
        assert lab.distro is not None
        windows.add(NAME, lab.distro)
        (client.slot / "go").touch()
        ends_well(client)
        assert (client.slot / "begun").read_text() == "begun\nbegun\n"
        assert client.state()["outcome"] == "success"
