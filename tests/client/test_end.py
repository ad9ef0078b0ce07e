"""How a job ends: what the project sees, what the client is told, and what is left behind."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.client.conftest import Play
from tests.client.test_obeys import finished, running, status
from tests.lab.client_home import can_become
from tests.lab.engines import ENGINE_ROOM, Lab
from tests.lab.played_client import PlayedClient
from tests.lab.workunit import CHECKOUT, Input, Output, Workunit, script_job

if sys.platform == "win32":
    pytest.skip("engines live in a distro there", allow_module_level=True)

pytestmark = [*ENGINE_ROOM, pytest.mark.client]

one_engine = pytest.mark.parametrize("engine_lab", ["docker"], indirect=True)
FIRST, LAST, GONE = "the very first line", "the very last line", "in the middle"


def succeeded(client: PlayedClient, limit: float = 90) -> PlayedClient:
    """Run the job to its good end."""
    assert client.start().wait_exit(limit) == 0, client.story()
    ending = client.finish()
    assert ending is not None, client.story()
    assert ending.number == 0
    return client


# -- the log ---------------------------------------------------------------------------------------


def test_a_long_log_is_cut_in_the_middle_and_says_so(play: Play, engine_lab: Lab) -> None:
    line = "the line " * 10
    script = f"""
echo {FIRST}; yes '{line}' | head -n 25000; echo {GONE}; yes '{line}' | head -n 25000; echo {LAST}
"""
    client = succeeded(play(script_job("talkative", script), wrapper_words=[]))
    said = client.stderr()
    assert FIRST in said
    assert LAST in said
    assert GONE not in said
    size = 50_000 * 91 + len(f"{FIRST}\n{GONE}\n{LAST}\n")
    assert f"[... {size - 32768} bytes left out ...]\n" in said
    assert 32768 < len(said) < 36000
    assert engine_lab.containers() == []


@one_engine
def test_both_streams_together_stay_below_what_the_client_passes_on(play: Play) -> None:
    script = f"""
for stream in 1 2; do
  {{ echo {FIRST} of $stream; yes 0123456789abcdef | head -n 20000; echo {LAST} of $stream; }} \
    >>/proc/self/fd/$stream
done
"""
    said = succeeded(play(script_job("twice", script), wrapper_words=[])).stderr()
    for stream in (1, 2):
        assert f"{FIRST} of {stream}" in said
        assert f"{LAST} of {stream}" in said
    assert len(said) < 40_000
    assert said.count("bytes left out") == 2


@one_engine
def test_a_log_of_any_bytes_is_shown_and_stays_short(play: Play) -> None:
    script = "head -c 200000 /dev/urandom; echo; printf '\\033[2J\\000end'; printf no-newline >&2"
    client = succeeded(play(script_job("junk", script), wrapper_words=[]))
    content = (client.slot / "stderr.txt").read_bytes()
    assert len(content) < 50_000
    assert b"no-newline\n--------" in content
    assert rb"\x1b[2J" in content
    assert not any(byte < 32 and byte not in b"\t\n" for byte in content)


# -- what the client is told -----------------------------------------------------------------------


def waiting(script: str) -> Workunit:
    """A job that does something and then waits for the file ``stop``."""
    return script_job("waiting", f"{script}\nwhile [ ! -e stop ]; do sleep 0.1; done")


def told_until(client: PlayedClient, fraction: float) -> list[float]:
    """Run a waiting job until a fraction was told, and on to its end; all fractions told."""

    def told() -> list[float]:
        return [one.fraction_done for one in client.statuses]

    client.start()
    client.wait_for(f"{fraction} done", lambda: pytest.approx(fraction) in told(), 60)
    (client.slot / "stop").touch()
    assert client.wait_exit() == 0, client.story()
    return told()


@one_engine
def test_the_last_status_says_that_all_is_done(play: Play) -> None:
    told = told_until(play(waiting("cd /app; echo 0.25 >fraction_done")), 0.25)
    assert told == sorted(told)
    assert told[-1] == 1.0


@one_engine
def test_fractions_are_those_of_the_part_that_this_job_is(play: Play) -> None:
    job = waiting("cd /app; echo 0.5 >fraction_done")
    client = play(job, fraction_done_start=0.2, fraction_done_end=0.6)
    told = told_until(client, 0.4)
    assert min(told) == pytest.approx(0.2)
    assert told[-1] == pytest.approx(0.6)


@one_engine
def test_cpu_time_is_told_to_the_end(play: Play) -> None:
    script = "i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done"
    client = succeeded(play(script_job("busy", script)))
    told = [one.cpu_time for one in client.statuses]
    assert told == sorted(told)
    assert told[-1] > 0.2
    assert told[-1] == pytest.approx(client.state()["cpu_time"], abs=0.01)


@one_engine
def test_the_finish_file_is_there_before_the_container_is_gone(
    play: Play, engine_lab: Lab
) -> None:
    client = play(waiting("cd /app")).start()
    name = client.wait_for_state("running")["container"]["name"]
    client.wait_for("the container", lambda: name in engine_lab.containers(), 60)
    (client.slot / "stop").touch()
    client.wait_for("its end", lambda: name not in engine_lab.containers(), 60)
    assert client.finish() is not None
    assert client.wait_exit() == 0


# -- outputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("symlinks", [False, True])
@one_engine
def test_outputs_reach_the_project_by_either_kind_of_link(play: Play, symlinks: bool) -> None:
    script = "cd /app; echo linked >linked; echo copied >copied; mkdir deep; echo x >deep/er"
    outputs = (Output("linked"), Output("copied", copy=True))
    work = script_job("giving", script, outputs=outputs)
    client = succeeded(play(work, symlinks=symlinks))
    assert client.output("linked").read_text() == "linked\n"
    assert client.output("copied").read_text() == "copied\n"


@one_engine
@pytest.mark.parametrize("symlinks", [False, True])
def test_linked_files_may_lie_in_folders_of_the_slot(play: Play, symlinks: bool) -> None:
    work = script_job("folders", "cat /app/data/in >/app/results/out",
                      outputs=(Output("results/out"),))
    work = replace(work, inputs=(*work.inputs, Input("data/in", content=b"given\n")))
    client = succeeded(play(work, symlinks=symlinks))
    assert client.output("results/out").read_text() == "given\n"


@one_engine
def test_an_output_of_a_job_that_failed_is_delivered_too(play: Play) -> None:
    script = "echo half >/app/out; exit 9"
    client = play(script_job("half", script, outputs=(Output("out"),))).start()
    assert client.wait_exit() == 9
    assert client.output("out").read_text() == "half\n"


@one_engine
def test_a_link_in_an_outputs_place_gives_nothing_of_this_computer_away(
    play: Play, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the volunteer\n")
    work = script_job("sly", f"ln -s {secret} /app/out", outputs=(Output("out"),))
    client = succeeded(play(work))
    assert not client.output("out").exists()
    assert "out is not a plain file" in client.stderr()


def test_an_image_that_another_result_uses_is_left_to_it_at_once(
    play: Play, engine_lab: Lab, tmp_path: Path
) -> None:
    still = "cd /app; echo start >>starts; touch count; until [ -e stop ]; do sleep 0.1; done"
    work = script_job("twice", still)
    first = running(play(work))
    with PlayedClient(tmp_path / "second", work, engine_lab.environment,
                      result_name="twice_1") as second:
        running(second)
        finished(first)
        assert "could not be removed" not in first.stderr()
        image = first.state()["image"]["name"]
        assert engine_lab.cli("image", "inspect", image, check=False).returncode == 0
        finished(second)
        assert engine_lab.cli("image", "inspect", image, check=False).returncode != 0


# -- an ordinary user ------------------------------------------------------------------------------

LEAVES = """
cd /app; rm -f job.sh; mkdir -p deep/er; echo x >deep/er/file; ln -s /etc/passwd link
ln -s /etc folder; ln -s /etc/passwd deep/link; mkfifo pipe; mkdir locked; echo y >locked/file
chmod 0 locked
touch own; chown 12345:54321 own; chmod 4755 own; echo z >out
"""


@pytest.fixture
def play_as_boinc(engine_lab: Lab) -> Iterator[Callable[[Workunit], PlayedClient]]:
    """Lays out a job for a played client that starts its wrapper as user boinc in group docker.

    Not in pytest's own folder, which only root may enter, and with a copy of the wrapper, since the
    checkout may lie in root's home.
    """
    if not can_become("boinc"):
        if os.environ.get("CI") == "true":
            pytest.fail("no user boinc here: install boinc-client")
        pytest.skip("no user boinc here: install boinc-client")
    base = engine_lab.path / "ordinary"
    launch = Path("tests", "lab", "launch.py")
    (base / launch).parent.mkdir(parents=True)
    shutil.copy(CHECKOUT / launch, base / launch)
    for package in ("wrapper", "states"):
        shutil.copytree(CHECKOUT / package, base / package)
    with contextlib.ExitStack() as cleaning:
        cleaning.callback(shutil.rmtree, base)

        def lay_out(work: Workunit) -> PlayedClient:
            command = ["setpriv", "--reuid=boinc", "--regid=boinc", "--groups=docker", "--",
                       sys.executable, str(base / launch)]
            client = PlayedClient(base, work, engine_lab.environment, command=command)
            cleaning.enter_context(client)
            for path in (client.slot, client.project, *client.slot.rglob("*")):
                shutil.chown(path, "boinc", "boinc")
            return client

        yield lay_out


def removed_as(user: str, folder: Path) -> str:
    """Empty a folder as a user, as the client does with a slot; what is left."""
    words = ["setpriv", f"--reuid={user}", "--clear-groups", "find", str(folder), "-mindepth", "1",
             "-delete"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stderr + " ".join(sorted(os.listdir(folder)))


@one_engine
def test_everything_in_the_slot_is_the_users_when_the_job_has_ended(
    play_as_boinc: Callable[[Workunit], PlayedClient], engine_lab: Lab
) -> None:
    if sys.platform == "win32":
        return
    passwd = os.stat("/etc/passwd")
    client = play_as_boinc(script_job("rooted", LEAVES, outputs=(Output("out"),)))
    succeeded(client)
    boinc = pwd.getpwnam("boinc").pw_uid
    owners = {path.lstat().st_uid for path in client.slot.rglob("*")}
    assert owners == {boinc}, client.stderr()
    assert client.output("out").read_text() == "z\n"
    assert client.output("out").stat().st_uid == boinc
    assert os.stat("/etc/passwd") == passwd
    assert removed_as("boinc", client.slot) == ""
    assert engine_lab.containers() == []


@one_engine
def test_a_job_that_takes_too_much_memory_is_told_so(play: Play) -> None:
    script = "exec tail /dev/zero"  # it keeps a whole line, and this one has no end
    toml = 'create_args = "--memory 20m"\n'
    client = play(script_job("greedy", script, job_toml=toml)).start()
    assert client.wait_exit(90) == 137, client.story()
    ending = client.finish()
    assert ending is not None
    assert "more memory than there was" in ending.message


# -- hostile jobs ----------------------------------------------------------------------------------

OURS = (
    "docker_wrapper_state.json", "docker_wrapper_state.json.new", "docker_wrapper_guard.lock",
    "docker_wrapper_outputs.json", "docker_wrapper_context", "boinc_lockfile",
    "boinc_finish_called", "boinc_temporary_exit", "fraction_done", "ac", "ca", "job.toml",
)
NAME = "boinc__lab.invalid_docker__hostile_0"
PUT = {
    "nothing": ":", "directory": "mkdir -p $name/in", "fifo": "mkfifo $name",
    "link": "ln -s {canary} $name", "dangling": "ln -s {canary}.new $name",
    "text": "echo 1 >$name",
}


@pytest.mark.parametrize("what", PUT)
@one_engine
def test_a_job_may_put_anything_in_the_place_of_our_files(
    play: Play, engine_lab: Lab, tmp_path: Path, what: str
) -> None:
    canary = tmp_path / "canary"
    canary.write_text("sings\n")
    put = PUT[what].format(canary=canary)
    script = f"""
cd /app; echo start >>starts
for name in {' '.join(OURS)}; do rm -rf $name 2>/dev/null; {put}; done 2>/dev/null
touch count; while [ ! -e stop ]; do sleep 0.1; done; echo done >out
"""
    work = script_job("hostile", script, outputs=(Output("out"),))
    client = play(work, wrapper_words=["--verbose", "--sporadic"]).start()

    def wait_for_status(wanted: str) -> None:
        words = ["ps", "--all", "--filter", f"name={NAME}", "--format", "{{.State}}"]
        client.wait_for(wanted, lambda: engine_lab.cli(*words).stdout.strip() == wanted, 60)

    client.wait_for("the job counts", lambda: (client.slot / "count").exists(), 60)
    client.suspend()
    wait_for_status("paused")
    client.resume()
    wait_for_status("running")
    client.quit()
    assert client.wait_exit() == 0
    wait_for_status("paused")
    client.start()
    wait_for_status("running")
    finished(client)
    assert client.output("out").read_text() == "done\n"
    assert canary.read_text() == "sings\n"
    assert not canary.with_name("canary.new").exists()
    assert "Traceback" not in client.stderr()
    assert engine_lab.containers() == []


@one_engine
def test_a_job_that_takes_the_shared_memorys_file_away_is_still_obeyed(
    play: Play, engine_lab: Lab
) -> None:
    script = """
cd /app; echo start >>starts; rm boinc_mmap_file; mkdir boinc_mmap_file; touch count
while [ ! -e stop ]; do sleep 0.1; done
"""
    client = running(play(script_job("amnesia", script)))
    client.suspend()
    client.wait_for("the pause", lambda: status(engine_lab, client) == "paused", 60)
    client.resume()
    finished(client)
    assert client.statuses[-1].fraction_done == 1.0


@one_engine
def test_a_fraction_that_makes_no_sense_is_not_told(play: Play) -> None:
    script = """
cd /app; echo 0.5 >fraction_done; while [ ! -e go ]; do sleep 0.1; done
for said in nan -1 1e999 7 half "" "$(head -c 9999 /dev/urandom)"; do
  echo "$said" >fraction_done; sleep 0.9
done
"""
    client = play(script_job("odd", script)).start()
    client.wait_for("a half", lambda: 0.5 in [one.fraction_done for one in client.statuses], 60)
    (client.slot / "go").touch()
    assert client.wait_exit() == 0
    told = [one.fraction_done for one in client.statuses]
    assert set(told) == {0.0, 0.5, 1.0}
    assert told == sorted(told)


@one_engine
def test_a_process_that_a_job_leaves_behind_ends_with_it(play: Play, engine_lab: Lab) -> None:
    nap = f"sleep {100_000 + os.getpid()}"
    client = succeeded(play(script_job("daemon", f"setsid {nap} & sleep 0.5; exit 0")))
    assert engine_lab.containers() == []
    left = subprocess.run(["pgrep", "-f", f"^{nap}$"], capture_output=True, check=False)
    assert left.stdout == b"", client.stderr()


@one_engine
def test_a_finish_file_of_the_jobs_own_does_not_stand(play: Play) -> None:
    script = "cd /app; echo 0 >boinc_finish_called; echo x >out; exit 7"
    client = play(script_job("liar", script, outputs=(Output("out"),))).start()
    assert client.wait_exit() == 7
    ending = client.finish()
    assert ending is not None
    assert ending.number == 7
    assert client.output("out").read_text() == "x\n"
