"""Each verb of :class:`wrapper.engine.cli.Engine`, on each engine."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lab.engines import BASE_IMAGE, DockerLab, Lab, wait_for
from wrapper.engine.answers import Absent, Container, EngineKind, Image, Status, Unknown
from wrapper.engine.cli import LOG_OPTIONS, Engine
from wrapper.engine.hosts.base import Host, Order, carry_out
from wrapper.engine.hosts.local import LocalHost
from wrapper.ordering import free_port

Ask = Callable[[Any], Any]
There = Callable[[Path], str]
NAME = "boinc__example.org__wu_1.0-a"


def create(ask: Ask, engine: Engine, *words: str, name: str = NAME, options: tuple[str, ...] = (),
           environment: dict[str, str] | None = None) -> None:
    log = LOG_OPTIONS[engine.kind]
    reply = ask(engine.create(
        ("--name", name, *log, *options, BASE_IMAGE, *words), environment
    ))
    assert reply.ok, reply.words


def status(ask: Ask, engine: Engine, name: str = NAME) -> Status | None:
    found = ask(engine.container(name))
    return found.status if isinstance(found, Container) else None


def run_to_its_end(ask: Ask, engine: Engine, *words: str, **more: Any) -> Container:
    create(ask, engine, *words, **more)
    reply = ask(engine.start(NAME))
    assert reply.ok, reply.words
    assert wait_for(lambda: status(ask, engine) is Status.EXITED, 30)
    found = ask(engine.container(NAME))
    assert isinstance(found, Container)
    return found


def test_check_tells_version_and_processors(engine: Engine, ask: Ask) -> None:
    checkup = ask(engine.check())
    assert checkup.answers
    assert checkup.can_pause
    assert not checkup.rootless
    assert checkup.ncpus == os.cpu_count()
    assert checkup.version[0].isdigit()


def test_a_container_goes_through_its_life(engine: Engine, ask: Ask) -> None:
    assert ask(engine.container(NAME)) == Absent()
    create(ask, engine, "sleep", "1000", options=("--label", "boinc.docker_wrapper=r",))
    created = ask(engine.container(NAME))
    assert (created.status, created.pid, created.started_at) == (Status.CREATED, None, None)
    assert created.exit_code is None
    assert created.labels["boinc.docker_wrapper"] == "r"
    assert ask(engine.start(NAME)).ok
    running = ask(engine.container(NAME))
    assert running.status is Status.RUNNING
    assert running.pid > 0
    assert running.id == created.id
    assert ask(engine.pause(NAME)).ok
    assert status(ask, engine) is Status.PAUSED
    assert ask(engine.unpause(NAME)).ok
    assert status(ask, engine) is Status.RUNNING
    assert ask(engine.kill(NAME)).ok
    assert wait_for(lambda: status(ask, engine) is Status.EXITED)
    ended = ask(engine.container(NAME))
    assert (ended.exit_code, ended.pid) == (137, None)
    assert ended.started_at == running.started_at
    assert ended.finished_at is not None
    assert ask(engine.remove(NAME)).ok
    assert ask(engine.container(NAME)) == Absent()


@pytest.mark.parametrize("code", [0, 1, 3, 137, 255])
def test_the_exit_code_is_the_jobs(engine: Engine, ask: Ask, code: int) -> None:
    assert run_to_its_end(ask, engine, "sh", "-c", f"exit {code}").exit_code == code


def test_no_end_is_told_before_its_code_is_known(engine: Engine, ask: Ask) -> None:
    for _ in range(3):
        create(ask, engine, "sh", "-c", "exit 3")
        assert ask(engine.start(NAME)).ok
        told: set[int | None] = set()

        def look(told: set[int | None] = told) -> bool:
            found = ask(engine.container(NAME))
            assert isinstance(found, Container)
            if found.status is Status.EXITED:
                told.add(found.exit_code)
            return found.status is Status.EXITED

        assert wait_for(look, 15, pause=0)
        for _ in range(5):
            look()
        assert told == {3}
        assert ask(engine.remove(NAME)).ok


def test_times_lie_around_the_run(engine: Engine, ask: Ask) -> None:
    before = time.time()
    ended = run_to_its_end(ask, engine, "sleep", "0.3")
    assert ended.started_at is not None
    assert ended.finished_at is not None
    assert before - 1 < ended.started_at.timestamp() < ended.finished_at.timestamp()
    assert ended.finished_at.timestamp() < time.time() + 1


def test_a_paused_container_can_be_killed_and_removed(engine: Engine, ask: Ask) -> None:
    create(ask, engine, "sleep", "1000")
    assert ask(engine.start(NAME)).ok
    assert ask(engine.pause(NAME)).ok
    assert ask(engine.kill(NAME)).ok
    assert wait_for(lambda: status(ask, engine) is Status.EXITED)
    assert ask(engine.remove(NAME)).ok
    create(ask, engine, "sleep", "1000")
    assert ask(engine.start(NAME)).ok
    assert ask(engine.pause(NAME)).ok
    assert ask(engine.remove(NAME)).ok
    assert ask(engine.container(NAME)) == Absent()


def test_a_second_pause_is_refused_with_words(engine: Engine, ask: Ask) -> None:
    create(ask, engine, "sleep", "1000", options=("--stop-signal", "KILL"))
    assert ask(engine.start(NAME)).ok
    assert ask(engine.pause(NAME)).ok
    again = ask(engine.pause(NAME))
    assert not again.ok
    assert "paused" in again.words
    assert status(ask, engine) is Status.PAUSED


def test_a_name_that_only_begins_like_it_is_another(engine: Engine, ask: Ask) -> None:
    create(ask, engine, "true", name=NAME + "_2")
    assert ask(engine.container(NAME)) == Absent()
    assert ask(engine.container(NAME[:-1])) == Absent()
    found = ask(engine.container(NAME + "_2"))
    assert isinstance(found, Container)
    # A dot of the name is a dot, though the engines' filters are regular expressions.
    assert ask(engine.container(NAME.replace(".", "x") + "_2")) == Absent()


def test_an_id_is_not_a_name(engine: Engine, ask: Ask) -> None:
    create(ask, engine, "true")
    found = ask(engine.container(NAME))
    assert ask(engine.container(found.id[:12])) == Absent()
    assert ask(engine.container(found.id)) == Absent()


def test_a_name_cannot_be_an_option(engine: Engine, ask: Ask) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        ask(engine.remove("--all"))


def test_a_created_container_shows_the_ports_asked_for(engine: Engine, ask: Ask) -> None:
    port = free_port()
    create(ask, engine, "sleep", "1000",
           options=("-p", f"127.0.0.1:{port}:80", "--stop-signal", "KILL"))
    assert ask(engine.container(NAME)).ports == {80: port}
    assert ask(engine.start(NAME)).ok
    assert ask(engine.container(NAME)).ports == {80: port}


def test_logs_keep_the_two_streams_apart(engine: Engine, ask: Ask) -> None:
    run_to_its_end(ask, engine, "sh", "-c", "echo to out; echo to err >&2")
    reply = ask(engine.logs(NAME))
    assert (reply.out, reply.err) == (b"to out\n", b"to err\n")


def test_of_a_long_log_head_and_tail_are_kept(engine: Engine, ask: Ask) -> None:
    job = "i=0; while [ $i -lt 50000 ]; do echo line $i; i=$((i+1)); done"
    pad = "x" * 90
    run_to_its_end(ask, engine, "sh", "-c", job.replace("line", f"{pad} line"))
    reply = ask(engine.logs(NAME, head=1000, tail=2000))
    assert reply.ok
    assert len(reply.out) == 3000
    assert reply.out.startswith(f"{pad} line 0\n".encode())
    assert reply.out.endswith(b" line 49999\n")
    assert reply.left_out > 4_000_000


def test_a_talkative_job_cannot_fill_the_disk(engine: Engine, ask: Ask, engine_lab: Lab) -> None:
    line = "x" * 1000
    run_to_its_end(ask, engine, "sh", "-c", f"yes {line} | head -n 50000; echo the end")
    assert ask(engine.logs(NAME)).out.endswith(b"the end\n")
    places = ("[dg]/**/*.log*", "root/var/lib/**/*.log*")
    found = (path for place in places for path in engine_lab.path.glob(place))
    logs = [path for path in found if path.is_file()]
    assert logs
    assert sum(path.stat().st_size for path in logs) < 40_000_000


def test_the_environment_arrives_byte_for_byte(
    engine: Engine, ask: Ask, tmp_path: Path, there: There
) -> None:
    value = "two words 'single' \"double\" $(id) `id` \\n\nsecond line\n\tä=é " + "y" * 100_000
    run_to_its_end(
        ask, engine, "sh", "-c", 'printf %s "$ARGS" > /o/args',
        options=("--env", "ARGS", "--volume", f"{there(tmp_path)}:/o"), environment={"ARGS": value},
    )
    assert (tmp_path / "args").read_text(encoding="utf-8") == value


def test_an_image_is_built_tagged_and_removed(
    engine: Engine, ask: Ask, tmp_path: Path, there: There
) -> None:
    image = "boinc__example.org__wu"
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(f"FROM {BASE_IMAGE}\nARG WORD\nRUN echo $WORD > /word\n")
    assert ask(engine.image(image)) == Absent()
    built = ask(engine.build(
        image, there(dockerfile), there(tmp_path), args=("--build-arg", "WORD"),
        labels={"boinc.docker_wrapper": "a b=c"}, environment={"WORD": "from outside"},
    ))
    assert built.ok, built.words
    found = ask(engine.image(image))
    assert isinstance(found, Image)
    assert found.labels["boinc.docker_wrapper"] == "a b=c"
    assert ask(engine.tag(image, image + "_2")).ok
    assert ask(engine.image(image + "_2")).id == found.id
    # The beginning of a name is no name.
    assert ask(engine.image(image[:-1])) == Absent()
    reply = ask(engine.create(("--name", NAME, image, "cat", "/word")))
    assert reply.ok, reply.words
    assert ask(engine.start(NAME)).ok
    assert wait_for(lambda: status(ask, engine) is Status.EXITED)
    assert ask(engine.logs(NAME)).out == b"from outside\n"
    assert ask(engine.container(NAME)).image_id == found.id
    assert ask(engine.remove(NAME)).ok
    assert ask(engine.remove_image(image)).ok
    assert ask(engine.image(image)) == Absent()
    assert isinstance(ask(engine.image(image + "_2")), Image)


def test_a_second_build_is_cached_unless_told_not_to(
    engine: Engine, ask: Ask, tmp_path: Path, there: There
) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(f"FROM {BASE_IMAGE}\nRUN cat /proc/sys/kernel/random/uuid > /id\n")

    def build(cached: bool) -> str:
        reply = ask(engine.build("boinc__c", there(dockerfile), there(tmp_path), cached=cached))
        assert reply.ok, reply.words
        found: Image = ask(engine.image("boinc__c"))
        return found.id

    first = build(True)
    assert build(True) == first
    assert build(False) != first


def test_a_build_that_fails_says_why(
    engine: Engine, ask: Ask, tmp_path: Path, there: There
) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(f"FROM {BASE_IMAGE}\nRUN echo too bad >&2; exit 42\n")
    reply = ask(engine.build("boinc__f", there(dockerfile), there(tmp_path)))
    assert not reply.ok
    assert "42" in reply.words
    assert "\ntoo bad\n" in reply.words
    assert "DEPRECATED" not in reply.words
    assert "\x1b" not in reply.words
    assert ask(engine.image("boinc__f")) == Absent()


def test_a_build_ended_midway_leaves_the_engine_usable(
    engine: Engine, ask: Ask, host: Host, engine_lab: Lab, tmp_path: Path, there: There
) -> None:
    dockerfile, slow = tmp_path / "Dockerfile", f"sleep 60.{os.getpid()}"
    dockerfile.write_text(f"FROM {BASE_IMAGE}\nRUN {slow}\n")
    asking = engine.build("boinc__m", there(dockerfile), there(tmp_path))
    order: Order = next(asking)
    while not order.build:
        order = asking.send(host.run(order))
    running = host.start(order)
    assert wait_for(lambda: running.poll() is not None or _somebody_runs(slow), 30)
    assert running.poll() is None
    running.end()
    assert wait_for(lambda: running.poll() is not None, 20)
    assert wait_for(lambda: not _somebody_runs(slow), 15)
    assert ask(engine.image("boinc__m")) == Absent()
    if engine.kind is EngineKind.PODMAN:
        assert engine_lab.cli("ps", "--all", "--external", "--quiet").stdout == ""
    dockerfile.write_text(f"FROM {BASE_IMAGE}\nRUN echo quick\n")
    assert ask(engine.build("boinc__m", there(dockerfile), there(tmp_path))).ok


def _somebody_runs(words: str) -> bool:
    def holds(pid: str) -> bool:
        try:
            said = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
        return said.replace(b"\0", b" ").startswith(words.encode())

    return any(holds(pid) for pid in os.listdir("/proc") if pid.isdigit())


def test_what_root_made_is_given_back(
    engine: Engine, ask: Ask, tmp_path: Path, there: There
) -> None:
    slot = tmp_path / 'slot: "a", b'
    (slot / "deep" / "er").mkdir(parents=True)
    (slot / "deep" / "er" / "file").write_text("")
    (slot / "out").symlink_to("/etc")
    (slot / "deep" / "pw").symlink_to("/etc/passwd")
    for path in (slot / "deep" / "er", slot / "deep"):
        path.chmod(0o700)
        shutil.chown(path, 77, 77)
    reply = ask(engine.give_back(BASE_IMAGE, there(slot), 1234, 1235))
    assert reply.ok, reply.words
    everything = [slot, *slot.rglob("*")]
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in everything} == {(1234, 1235)}
    assert Path("/etc").stat().st_uid == 0
    assert Path("/etc/passwd").stat().st_uid == 0


def test_give_back_works_with_an_image_that_means_ill(
    engine: Engine, ask: Ask, tmp_path: Path, there: There
) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(
        f"FROM {BASE_IMAGE}\nRUN mkdir -p /usr/lib && rm -rf /lib && ln -s usr/lib /lib\n"
        'ENV LD_PRELOAD=/s/x.so LD_LIBRARY_PATH=/s\nENTRYPOINT ["false"]\nUSER 55\nWORKDIR /w\n'
    )
    assert ask(engine.build("boinc__i", there(dockerfile), there(tmp_path))).ok
    slot = tmp_path / "slot"
    slot.mkdir()
    (slot / "file").write_text("")
    reply = ask(engine.give_back("boinc__i", there(slot), 1234, 1234))
    assert reply.ok, reply.words
    assert (slot / "file").stat().st_uid == 1234


def test_a_pull_that_fails_says_why(engine: Engine, ask: Ask) -> None:
    reply = ask(engine.pull("localhost:1/docker-wrapper/nothing"))
    assert not reply.ok
    assert "localhost:1" in reply.words


def test_a_job_that_cannot_start_is_told_and_stays_created(engine: Engine, ask: Ask) -> None:
    create(ask, engine, "/nowhere")
    reply = ask(engine.start(NAME))
    assert not reply.ok
    assert "/nowhere" in reply.words
    found = ask(engine.container(NAME))
    assert found.status is Status.CREATED
    assert found.exit_code is None


@pytest.mark.parametrize("engine_lab", ["docker"], indirect=True)
def test_while_the_daemon_is_away_nothing_is_absent(engine_lab: Lab, ask: Ask) -> None:
    assert isinstance(engine_lab, DockerLab)
    engine = Engine(EngineKind.DOCKER)
    create(ask, engine, "sleep", "1000", options=("--stop-signal", "KILL"))
    assert ask(engine.start(NAME)).ok
    before = ask(engine.container(NAME))
    engine_lab.stop_daemon(signal.Signals["SIGKILL"])
    try:
        for name in (NAME, "boinc__never"):
            told = ask(engine.container(name))
            assert isinstance(told, Unknown)
            assert "daemon" in told.words
        assert not ask(engine.check()).answers
        assert not ask(engine.remove(NAME)).ok
    finally:
        engine_lab.start_daemon()
    after = ask(engine.container(NAME))
    assert isinstance(after, Container)
    assert after.id == before.id
    assert ask(engine.container("boinc__never")) == Absent()


def test_what_cannot_be_reached_is_unknown(engine_lab: Lab, tmp_path: Path) -> None:
    away = {**engine_lab.environment}
    if engine_lab.kind is EngineKind.DOCKER:
        away["DOCKER_HOST"] = f"unix://{tmp_path}/nobody.sock"
    else:
        broken = tmp_path / "storage.conf"
        broken.write_text('[storage]\ndriver = "nonsense"\n')
        away["CONTAINERS_STORAGE_CONF"] = str(broken)
    engine, host = Engine(engine_lab.kind), LocalHost(away)
    engine_lab.cli("create", "--name", NAME, BASE_IMAGE, "true")

    def ask(asking: Any) -> Any:
        return carry_out(host, asking)

    found = ask(engine.container(NAME))
    assert isinstance(found, Unknown)
    assert found.words
    assert isinstance(ask(engine.image(BASE_IMAGE)), Unknown)
    checkup = ask(engine.check())
    assert not checkup.answers
    assert checkup.words
    host.close()
