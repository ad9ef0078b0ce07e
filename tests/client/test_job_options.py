"""What job.toml, the command line and the client's init_data.xml say arrives at the container."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.client.conftest import Play
from tests.client.test_obeys import container, counting, finished, running
from tests.faults.jobs import SEAMS
from tests.lab import init_data as lab_init_data
from tests.lab import played_client
from tests.lab.engines import BASE_IMAGE, ENGINE_ROOM, Lab
from tests.lab.played_client import PlayedClient
from tests.lab.waiting import wait_for
from tests.lab.workunit import FROM_BUSYBOX, Input, Workunit, busybox, script_job

pytestmark = [*ENGINE_ROOM, pytest.mark.client]

one_engine = pytest.mark.parametrize("engine_lab", ["docker"], indirect=True)
AUTHENTICATOR = "0123456789abcdef0123456789abcdef"


def job(script: str, dockerfile: str, **files: str) -> Workunit:
    """A script in an image with more in it than the script."""
    contents = {
        "Dockerfile": f'{FROM_BUSYBOX}{dockerfile}\nCOPY job.sh /job.sh\nCMD ["sh", "/job.sh"]\n',
        "job.sh": script, **{name.replace("_toml", ".toml"): text for name, text in files.items()},
    }
    inputs = [Input(name, content=text.encode()) for name, text in contents.items()]
    return Workunit("options", (*inputs, Input("busybox", source=busybox())))


def succeeded(client: PlayedClient, limit: float = 90) -> PlayedClient:
    """Run the job to its good end."""
    assert client.start().wait_exit(limit) == 0, client.story()
    assert client.finish() is not None, client.story()
    return client


def said_by(client: PlayedClient, name: str) -> str:
    """What the job wrote into a file of its slot."""
    return (client.slot / name).read_text(encoding="utf-8")


# -- job.toml --------------------------------------------------------------------------------------


def test_each_key_of_job_toml_does_what_it_says(play: Play, tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "note").write_text("from the host\n")
    script = """
cd /data
hostname >box; echo "$MOOD" >mood; cat /colour >colour; cat /extra/note >note
ls /project >project; touch /extra/no || echo read-only >>note
"""
    table = f"""
workdir = "/data"
project_dir_mount = "/project"
build_args = "--build-arg COLOUR='dark blue'"
create_args = ["--env", "MOOD=$(id) `id`", "--hostname", "box-of-wood"]
mount = ["{extra}:/extra:ro"]
"""
    painted = 'ARG COLOUR\nRUN ["/bin/sh", "-c", "echo $COLOUR >/colour"]'
    client = succeeded(play(job(script, painted, job_toml=table)))
    assert said_by(client, "box") == "box-of-wood\n"
    assert said_by(client, "mood") == "$(id) `id`\n"
    assert said_by(client, "colour") == "dark blue\n"
    assert said_by(client, "note") == "from the host\nread-only\n"
    assert "options_job.sh" in said_by(client, "project").split()
    assert f"reach out of its container: mount: {extra}:/extra:ro" in client.stderr()


@one_engine
def test_files_by_other_names_are_used_when_the_command_line_says_so(play: Play) -> None:
    script = "echo here >/elsewhere/out"
    other = f'{FROM_BUSYBOX}COPY job.sh /job.sh\nCMD ["sh", "/job.sh"]\n'
    inputs = (
        Input("Dockerfile", content=b"FROM this must not be read\n"),
        Input("other.docker", content=other.encode()), Input("job.sh", content=script.encode()),
        Input("job.toml", content=b"not toml either"),
        Input("other.toml", content=b'workdir = "/elsewhere"\n'),
        Input("busybox", source=busybox()),
    )
    words = ["--dockerfile", "other.docker", "--config", "other.toml"]
    client = succeeded(play(Workunit("other", inputs), wrapper_words=words))
    assert said_by(client, "out") == "here\n"


@one_engine
def test_verbose_says_what_is_done_and_silence_is_the_default(play: Play) -> None:
    quiet = succeeded(play(script_job("quiet", "exit 0"), wrapper_words=[]))
    for word in ("create", "running"):
        assert word not in quiet.stderr()
    assert quiet.stderr().count("\n") < 10


@one_engine
@pytest.mark.parametrize(
    ("toml", "words", "orders"),
    [("", ["--verbose"], False), ("verbose = 2", [], True)],
)
def test_verbose_tells_states_and_orders(
    play: Play, toml: str, words: list[str], orders: bool
) -> None:
    job_toml = f"{toml}\n"
    client = succeeded(play(script_job("loud", "exit 0", job_toml=job_toml), wrapper_words=words))
    assert "running -> collecting" in client.stderr()
    assert "docker create --name boinc__" in client.stderr()
    assert ("docker inspect" in client.stderr()) is orders


@one_engine
def test_a_gpu_that_the_client_did_not_give_is_asked_for_in_vain(play: Play) -> None:
    client = play(script_job("gpu", "exit 0", job_toml="use_gpu = true\n")).start()
    assert client.wait_exit() == 1
    assert "job.toml asks for a GPU (use_gpu), but the client gave this job none" in client.stderr()


def test_a_job_gets_as_many_cpus_as_the_client_says(play: Play, engine_lab: Lab) -> None:
    client = running(play(counting(ncpus=1.5)))
    assert container(engine_lab, client)["HostConfig"]["NanoCpus"] == 1_500_000_000
    finished(client)


@one_engine
def test_a_job_gets_no_more_cpus_than_there_are(play: Play, engine_lab: Lab) -> None:
    client = running(play(counting(ncpus=512.0)))
    there = container(engine_lab, client)["HostConfig"]["NanoCpus"] / 1e9
    assert there == os.cpu_count()
    finished(client)


# -- images ----------------------------------------------------------------------------------------


def test_an_image_named_is_used_as_it_is_and_kept(
    play: Play, engine_lab: Lab, tmp_path: Path
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f'FROM {BASE_IMAGE}\nCMD ["sh", "/app/job.sh"]\n')
    engine_lab.cli("build", "--tag", "given:7", str(context), environment={"DOCKER_BUILDKIT": "0"})
    before = engine_lab.cli("image", "inspect", "--format", "{{.Id}}", "given:7").stdout
    inputs = (
        Input("job.sh", content=b"echo used >/app/out", copy=True),
        Input("Dockerfile", content=f'FROM {BASE_IMAGE}\nCMD ["false"]\n'.encode()),
        Input("job.toml", content=b'image_name = "given:7"\n'),
    )
    client = succeeded(play(Workunit("given", inputs)))
    assert said_by(client, "out") == "used\n"
    assert engine_lab.cli("image", "inspect", "--format", "{{.Id}}", "given:7").stdout == before
    assert engine_lab.containers() == []


@one_engine
def test_an_image_that_cannot_be_fetched_puts_the_job_off(play: Play) -> None:
    toml = Input("job.toml", content=b'image_name = "127.0.0.1:9/nobody/has:it"\n')
    client = play(Workunit("fetched", (toml,)))
    client.network_suspended = True
    client.start()
    wants = "<want_network>1</want_network>"
    client.wait_for("a wish", lambda: any(wants in one.text for one in client.statuses), 60)
    assert "Fetching" not in client.stderr()
    client.network_suspended = False
    assert client.wait_exit() == 0
    ending = client.temporary_exit()
    assert ending is not None
    assert "127.0.0.1:9/nobody/has:it" in ending.message
    assert "refused" in client.stderr()
    assert client.finish() is None
    assert client.state()["state"] == "ensure_image"


# -- arguments -------------------------------------------------------------------------------------

ODD_WORDS = (
    "plain", "two words", "$(touch /app/hacked)", "`touch /app/hacked`", "it's", 'a "b" c',
    "line\nbreak", "t\tab", "täg €", "*", "", "back\\slash", "{{.Name}}", "%s %n", "a=b", "-x",
    "--", "--verbose", "; touch /app/hacked", "end ",
)
TELL = 'cd /app; printf %s "$ARGS" >args; printf %s "$ARGS_JSON" >args.json'


def test_arguments_arrive_byte_for_byte(play: Play) -> None:
    client = succeeded(play(script_job("words", TELL, arguments=ODD_WORDS)))
    assert (client.slot / "args").read_bytes() == " ".join(ODD_WORDS).encode()
    assert json.loads(said_by(client, "args.json")) == list(ODD_WORDS)
    assert not (client.slot / "hacked").exists()


def test_a_hundred_thousand_bytes_of_arguments_arrive(play: Play) -> None:
    words = tuple(f"word-{number:04d}-{'x' * 90}" for number in range(1000))
    client = succeeded(play(script_job("many", TELL, arguments=words)))
    assert said_by(client, "args") == " ".join(words)
    assert json.loads(said_by(client, "args.json")) == list(words)


@one_engine
def test_arguments_are_there_where_their_json_does_not_fit(play: Play) -> None:
    words = ('"' * 100_000,)
    client = succeeded(play(script_job("quotes", TELL, arguments=words), wrapper_words=[]))
    assert said_by(client, "args") == words[0]
    assert said_by(client, "args.json") == ""
    assert "ARGS_JSON" in client.stderr()


@one_engine
def test_arguments_that_do_not_fit_finish_the_job_with_words(play: Play) -> None:
    client = play(script_job("long", "exit 0", arguments=("y" * 100_000, "z" * 100_000))).start()
    assert client.wait_exit() == 1
    ending = client.finish()
    assert ending is not None
    assert "2 arguments take 200,001 bytes" in ending.message


# -- ports -----------------------------------------------------------------------------------------

SERVE = """
cd /app; echo start >>starts
mkdir -p /a /b; echo 'the graphics' >/a/index.html; echo 'the other' >/b/index.html
httpd -p 8080 -h /a; httpd -p 8081 -h /b
touch count; while [ ! -e stop ]; do sleep 0.1; done
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fetched(client: PlayedClient, url: str) -> str:
    """The page at an address, as soon as it is served."""
    pages: list[str] = []

    def look() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5) as page:
                pages.append(page.read().decode())
        except OSError:
            return False
        return True

    client.wait_for(f"the page {url}", look, 60)
    return pages[0]


def graphics_url(client: PlayedClient) -> str:
    """The last address of graphics that the client was told."""
    client.wait_for("an address", lambda: client.graphics, 60)
    text = client.graphics[-1].text
    assert text.startswith("<web_graphics_url>http://127.0.0.1:")
    return text.removeprefix("<web_graphics_url>").removesuffix("</web_graphics_url>")


def test_graphics_and_mapped_ports_are_reached_at_this_computer_only(
    play: Play, engine_lab: Lab
) -> None:
    port = free_port()
    toml = f'web_graphics_guest_port = 8080\nportmap = ["127.0.0.1:{port}:8081"]\n'
    client = running(play(script_job("serving", SERVE, job_toml=toml)))
    address = graphics_url(client)
    assert fetched(client, address) == "the graphics\n"
    client.wait_for("the address in the record", lambda: client.state()["web"] == address, 10)
    assert fetched(client, f"http://127.0.0.1:{port}/") == "the other\n"
    bound = container(engine_lab, client)["HostConfig"]["PortBindings"]
    assert {place["HostIp"] for places in bound.values() for place in places} == {"127.0.0.1"}
    client.quit()
    assert client.wait_exit() == 0
    client.graphics.clear()
    client.start()
    client.wait_for_state("running")
    assert fetched(client, graphics_url(client)) == "the graphics\n"
    finished(client)


def test_a_port_that_was_taken_before_the_start_is_given_up_for_another(
    play: Play, engine_lab: Lab, tmp_path: Path
) -> None:
    work = script_job("late", SERVE, job_toml="web_graphics_guest_port = 8080\n")
    client = play(work, command=SEAMS)
    client.environment.update(
        FAULT_LOG=str(tmp_path / "seams"), FAULT_AT=f"before {engine_lab.kind.value} start")
    client.start()
    assert client.wait_exit(60) == -9
    del client.environment["FAULT_LOG"], client.environment["FAULT_AT"]
    port = client.state()["graphics_port"]
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        running(client)
        assert client.state()["graphics_port"] != port
        assert fetched(client, graphics_url(client)) == "the graphics\n"
        assert not [told for told in client.graphics if str(port) in told.text]
        finished(client)


@pytest.mark.parametrize("engine_lab", ["podman"], indirect=True)
def test_a_log_that_cannot_be_read_is_told(play: Play) -> None:
    client = play(script_job("silent", "exit 5", job_toml='create_args = "--log-driver none"\n'))
    assert client.start().wait_exit(60) == 5, client.story()
    assert "The job's log could not be read." in client.stderr()


# -- sporadic --------------------------------------------------------------------------------------


@one_engine
def test_a_sporadic_job_and_the_client_hear_each_other(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = """
cd /app; echo 1 >ac
until [ "$(cat ca 2>/dev/null)" = 2 ]; do sleep 0.05; done
echo 2 >ac
until [ "$(cat ca)" = 3 ]; do sleep 0.05; done
"""
    state = {"ca": 1}

    def beat() -> str:
        return f"<heartbeat/><sporadic_ca>{state['ca']}</sporadic_ca>"

    client = play(script_job("sporadic", script), wrapper_words=["--sporadic"])
    monkeypatch.setattr(client, "_heartbeat", beat)

    def told(number: int) -> bool:
        return any(f"<sporadic_ac>{number}</sporadic_ac>" in one.text for one in client.statuses)

    client.start()
    client.wait_for("the job wants computing", lambda: told(1), 60)
    state["ca"] = 2
    client.wait_for("the job computes", lambda: told(2), 60)
    state["ca"] = 3
    assert client.wait_exit() == 0


# -- secrets ---------------------------------------------------------------------------------------

SECRET = f"s3cr3t{os.urandom(6).hex()}"  # another one in each process: tests may run at once
PASSWORD = f"{SECRET}+w/rd"
ENCODED = f"{SECRET}%2Bw%2Frd"


@contextmanager
def argument_vectors() -> Iterator[list[bytes]]:
    """All argument vectors seen on this computer meanwhile that hold the password in any form."""
    caught: list[bytes] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = process.read_bytes()
                except OSError:
                    continue
                if SECRET.encode() in words:
                    caught.append(words)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield caught
    finally:
        over.set()
        watcher.join()


def with_proxy(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A client that uses a proxy: two of its tags are there only then."""
    honest = lab_init_data.init_data

    def init_data(*given: Any, **fields: Any) -> str:
        use = "<proxy_info>\n    <use_http_proxy/>\n    <use_http_auth/>\n"
        return honest(*given, **fields).replace("<proxy_info>\n", use)

    monkeypatch.setattr(played_client, "init_data", init_data)
    return {
        "http_server_name": "proxy.invalid", "http_server_port": 3128, "http_user_name": "me",
        "http_user_passwd": PASSWORD, "no_proxy": "localhost,.lan",
    }


def test_a_proxy_reaches_build_and_job_and_its_password_nobody_else(
    play: Play, engine_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = with_proxy(monkeypatch)
    seen = 'RUN ["/bin/sh", "-c", "echo ${#http_proxy} $no_proxy >/seen"]'
    script = """
cd /app; echo start >>starts; cat /seen >seen; env >env; touch count
while [ ! -e stop ]; do sleep 0.1; done
"""
    loud = {"job_toml": "verbose = 2\n"}
    with argument_vectors() as caught:
        client = running(play(job(script, seen, **loud), **fields))
        image = client.state()["image"]["name"]
        history = engine_lab.cli("history", "--no-trunc", image).stdout
        inspected = engine_lab.cli("image", "inspect", image).stdout
        state = json.dumps(client.state())
        finished(client)
    url = f"http://me:{ENCODED}@proxy.invalid:3128"
    assert said_by(client, "seen") == f"{len(url)} localhost,.lan\n"
    environment = said_by(client, "env").splitlines()
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        assert f"{name}={url}" in environment
    for shown in (client.stderr(), state, json.dumps(client.state()), history, inspected):
        assert SECRET not in shown
    assert caught == []


@one_engine
def test_a_build_that_fails_shows_no_password_either(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = with_proxy(monkeypatch)
    refusal = 'RUN ["/bin/sh", "-c", "echo by $http_proxy; exit 7"]'
    client = play(job("exit 0", refusal), **fields)
    assert client.start().wait_exit(60) == 1, client.story()
    ending = client.finish()
    assert ending is not None
    for shown in (client.stderr(), json.dumps(client.state())):
        assert "by http://me:***@proxy.invalid" in shown
        assert "s3cr3t" not in shown
    assert "s3cr3t" not in ending.message


@one_engine
def test_no_image_gets_the_authenticator(play: Play) -> None:
    script = f"cd /app; ls /all >all; grep -rl {AUTHENTICATOR[:-1]}[f] /all >leaked; exit 0"
    client = succeeded(play(job(script, "COPY . /all")))
    assert "job.sh" in said_by(client, "all").split()
    assert said_by(client, "leaked") == ""
    assert AUTHENTICATOR in (client.slot / "init_data.xml").read_text()
    assert AUTHENTICATOR not in client.stderr()
    assert AUTHENTICATOR not in json.dumps(client.state())


def test_the_lab_knows_how_to_catch_a_password() -> None:
    """Else the test above would prove nothing."""
    with argument_vectors() as caught:
        subprocess.run(["sleep", "0.5", "0.01", "0"], check=True)
        assert caught == []
        with subprocess.Popen(["sh", "-c", "read x; exit 0", PASSWORD],
                              stdin=subprocess.PIPE):
            wait_for("it is caught", lambda: caught, 30)
