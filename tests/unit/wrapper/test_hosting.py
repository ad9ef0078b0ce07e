"""Soft links of the slot: inputs are mounted over, outputs are moved to their places."""

from __future__ import annotations

import errno
import itertools
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from wrapper.boinc.slot import soft_link_target
from wrapper.hosting import (
    OUTPUTS_FILE,
    Delivered,
    Links,
    deliver,
    guarded,
    inside,
    plan,
    remembered,
    seal,
)

needs_symlinks = pytest.mark.skipif(sys.platform == "win32", reason="Windows: needs a privilege")


class Client:
    """A slot and a project's directory, and the links that the client makes."""

    def __init__(self, folder: Path) -> None:
        self.slot = folder / "slots" / "0"
        self.project = folder / "projects" / "p"
        self.slot.mkdir(parents=True)
        self.project.mkdir(parents=True)

    def soft(self, name: str, target: str) -> Path:
        link = self.slot / name
        link.write_text(f"<soft_link>../../projects/p/{target}</soft_link>\n")
        return link

    def symbolic(self, name: str, target: str) -> Path:
        link = self.slot / name
        link.symlink_to(f"../../projects/p/{target}")
        return link

    def file(self, name: str, content: str = "content") -> Path:
        path = self.project / name
        path.write_text(content)
        return path

    def plan(self) -> Links:
        return plan(self.slot, self.project)


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(tmp_path)


def test_a_link_to_an_existing_file_is_an_input_and_stays_as_mount_point(client: Client) -> None:
    link = client.soft("in", "in_1")
    target = client.file("in_1")
    text = link.read_bytes()
    assert client.plan() == Links(inputs=(("in", target),))
    assert link.read_bytes() == text


@needs_symlinks
def test_a_symbolic_link_to_an_input_becomes_a_text_file_with_the_same_target(
    client: Client,
) -> None:
    target = client.file("in_1")
    link = client.symbolic("in", "in_1")
    assert client.plan().inputs == (("in", target),)
    assert not link.is_symlink()
    assert link.read_text() == "<soft_link>../../projects/p/in_1</soft_link>\n"
    assert soft_link_target(link) == client.slot / "../../projects/p/in_1"


def test_a_link_to_a_file_not_there_yet_is_an_output_and_goes(client: Client) -> None:
    link = client.soft("out", "result_1_0")
    assert client.plan() == Links(outputs=(("out", client.project / "result_1_0"),))
    assert not os.path.lexists(link)


@needs_symlinks
def test_a_dangling_symbolic_link_is_an_output_as_well(client: Client) -> None:
    link = client.symbolic("out", "result_1_0")
    assert client.plan().outputs == (("out", client.project / "result_1_0"),)
    assert not os.path.lexists(link)


def test_the_plan_is_remembered_when_the_links_are_gone(client: Client) -> None:
    client.soft("out", "result_1_0")
    client.soft("in", "in_1")
    client.file("in_1")
    first = client.plan()
    assert client.plan() == first
    assert remembered(client.slot, client.project) == first


def test_killed_between_the_note_and_the_links_the_plan_is_carried_on(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = [client.soft(f"out{i}", f"result_{i}") for i in range(3)]

    def killed(path: Path) -> None:
        raise KeyboardInterrupt(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            client.plan()
    assert all(link.exists() for link in links)
    assert [name for name, _ in client.plan().outputs] == ["out0", "out1", "out2"]
    assert not any(link.exists() for link in links)


def test_a_link_made_after_the_plan_is_the_jobs_and_counts_for_nothing(client: Client) -> None:
    client.plan()
    made = client.soft("evil", "not_there_yet")
    assert client.plan() == Links()
    assert made.exists()


@pytest.mark.parametrize("name", ["Dockerfile", "job.toml", "docker_wrapper", "docker_wrapper_1_x"])
def test_our_own_files_links_stay_and_are_not_mounted(client: Client, name: str) -> None:
    link = client.soft(name, f"{name}_1")
    client.file(f"{name}_1")
    assert client.plan() == Links()
    assert link.exists()


@pytest.mark.parametrize("target", ["../q/secret", "../../client_state.xml", "", "."])
def test_a_link_that_leads_out_of_the_project_is_left_and_told(client: Client, target: str) -> None:
    link = client.soft("link", target)
    links = client.plan()
    assert links.inputs == links.outputs == ()
    assert "link leads to" in links.left[0]
    assert link.exists()


@needs_symlinks
def test_a_link_through_a_link_out_of_the_project_is_left(client: Client, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (client.project / "door").symlink_to(tmp_path / "secret")
    client.soft("link", "door")
    assert client.plan().inputs == ()


def test_a_link_to_a_folder_is_left_and_told(client: Client) -> None:
    (client.project / "folder").mkdir()
    client.soft("link", "folder")
    assert "no plain file" in client.plan().left[0]


@pytest.mark.parametrize("content", [
    "", "<soft_link></soft_link>", "x<soft_link>a</soft_link>", "<soft_link>a",
])
def test_a_file_that_only_resembles_a_link_is_none(client: Client, content: str) -> None:
    (client.slot / "file").write_text(content)
    assert client.plan() == Links()


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFOs in the file system")
def test_a_fifo_in_the_slot_blocks_nobody(client: Client) -> None:
    if sys.platform != "win32":
        os.mkfifo(client.slot / "fifo")
    assert client.plan() == Links()


@pytest.mark.parametrize("note", [
    b"", b"null", b"[]", b"{}", b'{"inputs": 1, "outputs": {}, "left": []}', b"\xff",
    b'{"inputs": {}, "outputs": {"a": 1}, "left": []}',
])
def test_a_note_that_makes_no_sense_is_no_note(client: Client, note: bytes) -> None:
    (client.slot / OUTPUTS_FILE).write_bytes(note)
    assert remembered(client.slot, client.project) is None


def test_a_note_that_leads_elsewhere_delivers_nothing_there(client: Client, tmp_path: Path) -> None:
    outputs = {"a": str(tmp_path / "x"), "../b": str(client.project / "b")}
    note = {"inputs": {}, "outputs": outputs, "left": []}
    (client.slot / OUTPUTS_FILE).write_text(json.dumps(note))
    assert remembered(client.slot, client.project) == Links()


def test_links_in_folders_of_the_slot_lead_from_the_slot_as_the_client_writes_them(
    client: Client,
) -> None:
    (client.slot / "data" / "deep").mkdir(parents=True)
    (client.slot / "docker_wrapper_context").mkdir()
    link = client.soft("data/deep/in", "in_1")
    client.soft("data/out", "result_1_0")
    client.soft("docker_wrapper_context/no", "in_1")
    target = client.file("in_1")
    links = client.plan()
    assert links.inputs == (("data/deep/in", target),)
    assert links.outputs == (("data/out", client.project / "result_1_0"),)
    assert link.exists()
    assert not os.path.lexists(client.slot / "data" / "out")
    assert remembered(client.slot, client.project) == links
    (client.slot / "data" / "out").write_text("result")
    assert deliver(client.slot, links.outputs) == Delivered(moved=("data/out",))
    assert (client.project / "result_1_0").read_text() == "result"


@needs_symlinks
def test_a_folder_that_the_job_replaced_by_a_link_is_not_reached_through(
    client: Client, tmp_path: Path
) -> None:
    (client.slot / "data").mkdir()
    client.soft("data/in", "in_1")
    client.soft("data/out", "result_1_0")
    client.file("in_1")
    links = client.plan()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "out").write_text("secret")
    (client.slot / "data" / "in").unlink()
    (client.slot / "data").rmdir()
    (client.slot / "data").symlink_to(elsewhere)
    assert client.plan() == links
    assert deliver(client.slot, links.outputs) == Delivered(missing=("data/out",))
    assert [path.name for path in elsewhere.iterdir()] == ["out"]


def made(client: Client, name: str = "out", content: str = "result") -> tuple[str, Path]:
    (client.slot / name).write_text(content)
    return name, client.project / f"{name}_1"


def test_an_output_is_moved_to_its_place(client: Client) -> None:
    pair = made(client)
    assert deliver(client.slot, [pair]) == Delivered(moved=("out",))
    assert pair[1].read_text() == "result"
    assert not (client.slot / "out").exists()


def test_an_output_moved_earlier_counts_as_moved(client: Client) -> None:
    pair = made(client)
    assert deliver(client.slot, [pair]) == deliver(client.slot, [pair])


def test_an_output_that_was_not_made_is_told_and_no_error(client: Client) -> None:
    missing = ("out", client.project / "out_1")
    assert deliver(client.slot, [missing]) == Delivered(missing=("out",))


def other_device(*_: object) -> None:
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def test_an_output_for_another_device_is_copied(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = made(client, content="x" * 3_000_000)
    replace = os.replace
    monkeypatch.setattr(
        os, "replace",
        lambda old, new: other_device() if old == client.slot / "out" else replace(old, new))
    assert deliver(client.slot, [pair]) == Delivered(moved=("out",))
    assert pair[1].read_text() == "x" * 3_000_000
    assert sorted(os.listdir(client.project)) == ["out_1"]
    assert not (client.slot / "out").exists()


def test_killed_after_the_copy_the_delivery_is_finished(client: Client) -> None:
    pair = made(client, content="result")
    pair[1].write_text("result")
    assert deliver(client.slot, [pair]) == Delivered(moved=("out",))
    assert not (client.slot / "out").exists()


def test_another_file_at_the_target_is_not_overwritten(client: Client) -> None:
    pair = made(client)
    pair[1].write_text("somebody else's")
    refused = deliver(client.slot, [pair]).refused
    assert "another file stands at" in refused[0]
    assert pair[1].read_text() == "somebody else's"


@needs_symlinks
def test_a_symbolic_link_as_output_never_lets_a_file_of_the_host_out(
    client: Client, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s")
    (client.slot / "out").symlink_to(secret)
    assert "not a plain file" in deliver(client.slot, [("out", client.project / "o")]).refused[0]
    assert os.listdir(client.project) == []


def test_a_folder_as_output_is_refused_and_stays(client: Client) -> None:
    (client.slot / "out").mkdir()
    assert "not a plain file" in deliver(client.slot, [("out", client.project / "o")]).refused[0]
    assert (client.slot / "out").is_dir()


def test_one_refused_output_does_not_keep_the_others_back(client: Client) -> None:
    (client.slot / "bad").mkdir()
    good = made(client, "good")
    delivered = deliver(client.slot, [("bad", client.project / "bad_1"), good])
    assert delivered.moved == ("good",)
    assert len(delivered.refused) == 1


def test_what_decides_on_the_host_is_guarded_if_it_is_a_plain_file(client: Client) -> None:
    client.plan()
    (client.slot / "job.toml").write_text("")
    (client.slot / "Dockerfile").mkdir()
    names = [name for name, _ in guarded(client.slot, ["job.toml", "Dockerfile", "nothing"])]
    assert names == ["job.toml", OUTPUTS_FILE]


def test_what_is_not_there_yet_is_sealed_by_an_empty_file(client: Client) -> None:
    seal(client.slot, "job.toml", empty=True)
    seal(client.slot, "Dockerfile")
    assert [name for name, _ in guarded(client.slot, ["job.toml", "Dockerfile"])] == ["job.toml"]
    assert (client.slot / "job.toml").read_bytes() == b""


def test_what_is_there_is_sealed_as_it_is(client: Client) -> None:
    link = client.soft("job.toml", "t")
    text = link.read_bytes()
    seal(client.slot, "job.toml", empty=True)
    assert link.read_bytes() == text


@pytest.mark.parametrize("name", ["../job.toml", "deep/job.toml"])
def test_nothing_is_made_outside_the_slot(client: Client, name: str) -> None:
    seal(client.slot, name, empty=True)
    assert list(client.slot.parent.iterdir()) == [client.slot]
    assert list(client.slot.iterdir()) == []


@needs_symlinks
def test_a_symbolic_link_is_sealed_by_a_text_that_leads_to_the_same_place(client: Client) -> None:
    link = client.symbolic("job.toml", "t")
    before = soft_link_target(link)
    seal(client.slot, "job.toml")
    assert not link.is_symlink()
    assert soft_link_target(link) == before
    assert [name for name, _ in guarded(client.slot, ["job.toml"])] == ["job.toml"]


def test_a_file_in_a_folder_is_guarded_where_it_is(client: Client, tmp_path: Path) -> None:
    (client.slot / "conf").mkdir()
    (client.slot / "conf" / "job.toml").write_text("verbose = 1\n")
    (tmp_path / "job.toml").write_text("verbose = 1\n")
    found = guarded(client.slot, ["./conf/job.toml", str(tmp_path / "job.toml"), "../../job.toml"])
    assert found == (("conf/job.toml", client.slot / "conf" / "job.toml"),)


def test_a_folder_is_not_inside_itself(tmp_path: Path) -> None:
    assert inside(tmp_path, tmp_path) is None
    assert inside(tmp_path / "a" / "..", tmp_path) is None
    assert inside(tmp_path / "a", tmp_path) == Path(os.path.realpath(tmp_path)) / "a"
    assert inside(Path(f"{tmp_path}x"), tmp_path) is None


class Killed(BaseException):
    """The process ends here."""


def ended_at(step: int, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> bool:
    """Act, but be killed just before the step-th change of the disk; whether it came to that."""
    done = itertools.count()

    def until(change: Callable[..., None]) -> Callable[..., None]:
        def changed(*args: object, **more: object) -> None:
            if next(done) == step:
                raise Killed
            change(*args, **more)
        return changed

    with monkeypatch.context() as patch:
        for name in ("unlink", "replace", "fsync"):
            patch.setattr(os, name, until(getattr(os, name)))
        try:
            act()
        except Killed:
            return True
    return False


def all_files(client: Client) -> dict[str, str]:
    """All but temporary files of ours, which the client clears away with the slot."""
    paths = (path for root in (client.slot, client.project) for path in root.iterdir())
    return {f"{path.parent.name}/{path.name}": path.read_text()
            for path in paths if not path.name.startswith(".")}


@pytest.mark.parametrize("across", [False, True], ids=["one device", "two devices"])
def test_killed_before_any_step_the_next_run_ends_as_if_nothing_had_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, across: bool
) -> None:
    if across:
        two_devices(monkeypatch)
    ends = []
    for step in itertools.count(-1):
        client = Client(tmp_path / str(step))
        client.soft("in", "in_1")
        client.file("in_1")
        client.soft("a", "a_1")
        client.soft("b", "b_1")
        killed = ended_at(step, monkeypatch, partial(whole_life, client))
        whole_life(client)
        here = str(client.slot.parent.parent)
        ends.append({name: text.replace(here.replace("\\", "\\\\"), "").replace(here, "")
                     for name, text in all_files(client).items()})
        if step >= 0 and not killed:
            break
    assert len(ends) > 6
    assert ends[0]["p/a_1"] == "result of a"
    assert all(end == ends[0] for end in ends)


def whole_life(client: Client) -> None:
    """What a wrapper does: plan, let the job run (if it has not), deliver."""
    links = client.plan()
    for name, target in links.outputs:
        if not target.exists() and not (client.slot / name).exists():
            (client.slot / name).write_text(f"result of {name}")
    deliver(client.slot, links.outputs)


def two_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace

    def replaced(old: Path, new: Path) -> None:
        if Path(old).parent != Path(new).parent:
            other_device()
        replace(old, new)

    monkeypatch.setattr(os, "replace", replaced)
