"""What a build gets to see of the slot: the job's files, and none of the client's."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from wrapper import build_context
from wrapper.build_context import (
    CONTEXT_DIR,
    Context,
    NoDockerfile,
    TooManyFiles,
    make_context,
    remove_context,
)

needs_symlinks = pytest.mark.skipif(sys.platform == "win32", reason="Windows: needs a privilege")
CLIENTS = ("init_data.xml", "boinc_lockfile", "boinc_mmap_file", "stderr.txt", "docker_wrapper",
           "docker_wrapper_state.json", "fraction_done", "ac", "ca", "boinc_finish_called")


class Slot:
    """A slot and a project's directory."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "slots" / "0"
        self.project = folder / "projects" / "p"
        self.path.mkdir(parents=True)
        self.project.mkdir(parents=True)
        self.write("Dockerfile", "FROM debian:12\nCOPY . /app\n")

    def write(self, name: str, content: str = "content") -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def context(self, dockerfile: str = "Dockerfile") -> Context:
        return make_context(self.path, self.project, dockerfile)

    def seen(self, context: Context) -> list[str]:
        """The files in the context, in order."""
        found = (path for path in context.path.rglob("*") if not path.is_dir())
        return sorted(path.relative_to(context.path).as_posix() for path in found)


@pytest.fixture
def slot(tmp_path: Path) -> Slot:
    return Slot(tmp_path)


def test_the_jobs_files_are_seen_under_their_names(slot: Slot) -> None:
    slot.write("main", "binary")
    slot.write("data/deep/set", "numbers")
    context = slot.context()
    assert context.path == slot.path / CONTEXT_DIR
    assert context.dockerfile_path == context.path / "Dockerfile"
    assert slot.seen(context) == ["Dockerfile", "data/deep/set", "main"]
    assert (context.path / "data/deep/set").read_text() == "numbers"
    assert context.bases == ("debian:12",)
    assert context.left == ()


def test_files_are_second_names_and_no_copies(slot: Slot) -> None:
    main = slot.write("main")
    assert (slot.context().path / "main").samefile(main)


@pytest.mark.parametrize("name", CLIENTS)
def test_no_file_of_the_clients_is_seen(slot: Slot, name: str) -> None:
    slot.write(name, "<authenticator>secret</authenticator>")
    assert slot.seen(slot.context()) == ["Dockerfile"]


def test_the_authenticator_is_not_given_even_where_the_dockerfile_asks_for_it(slot: Slot) -> None:
    slot.write("init_data.xml")
    slot.write("Dockerfile", "FROM scratch\nCOPY init_data.xml main /\n")
    context = slot.context()
    assert slot.seen(context) == ["Dockerfile"]
    assert "init_data.xml" in context.left[0]


def test_only_what_the_dockerfile_names_is_gathered(slot: Slot) -> None:
    for name in ("main", "big_input", "lib/a", "lib/b"):
        slot.write(name)
    slot.write(".dockerignore", "x")
    slot.write("Dockerfile", "FROM scratch\nCOPY main /bin/\nADD lib/a /lib/\n")
    assert slot.seen(slot.context()) == [".dockerignore", "Dockerfile", "lib/a", "lib/b", "main"]


def test_a_soft_link_shows_the_file_it_stands_for(slot: Slot) -> None:
    target = slot.project / "main_1.0"
    target.write_text("binary")
    slot.write("main", "<soft_link>../../projects/p/main_1.0</soft_link>\n")
    context = slot.context()
    assert (context.path / "main").samefile(target)
    assert not (context.path / "main").is_symlink()


@needs_symlinks
def test_a_symbolic_link_shows_the_file_it_stands_for(slot: Slot) -> None:
    target = slot.project / "main_1.0"
    target.write_text("binary")
    (slot.path / "main").symlink_to("../../projects/p/main_1.0")
    assert (slot.context().path / "main").samefile(target)
    assert not (slot.context().path / "main").is_symlink()


def test_the_dockerfile_may_be_a_soft_link_with_any_name(slot: Slot) -> None:
    (slot.project / "docker_1").write_text("FROM alpine\n")
    slot.write("Dockerfile_gpu", "<soft_link>../../projects/p/docker_1</soft_link>")
    context = slot.context("Dockerfile_gpu")
    assert context.bases == ("alpine",)
    assert context.dockerfile_path.read_text() == "FROM alpine\n"


@needs_symlinks
@pytest.mark.parametrize("target", ["/etc/passwd", "../../client_state.xml", "init_data.xml", "."])
def test_a_link_to_what_is_not_the_jobs_is_left_out_and_told(slot: Slot, target: str) -> None:
    slot.write("init_data.xml")
    slot.write("../../client_state.xml")
    (slot.path / "evil").symlink_to(target)
    context = slot.context()
    assert slot.seen(context) == ["Dockerfile"]
    assert context.left[0].startswith("evil leads to")


@needs_symlinks
def test_a_link_within_the_slot_is_followed(slot: Slot) -> None:
    slot.write("main")
    (slot.path / "alias").symlink_to("main")
    assert (slot.context().path / "alias").samefile(slot.path / "main")


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFOs in the file system")
def test_a_fifo_is_left_out_and_told(slot: Slot) -> None:
    if sys.platform != "win32":
        os.mkfifo(slot.path / "fifo")
    assert slot.context().left == ("fifo is no plain file",)


def test_a_soft_link_for_an_output_is_left_out_and_not_worth_a_word(slot: Slot) -> None:
    slot.write("out", "<soft_link>../../projects/p/result_0</soft_link>")
    context = slot.context()
    assert slot.seen(context) == ["Dockerfile"]
    assert context.left == ()


def test_a_soft_link_to_a_folder_is_left_out_and_told(slot: Slot) -> None:
    (slot.project / "folder").mkdir()
    slot.write("link", "<soft_link>../../projects/p/folder</soft_link>")
    assert "no plain file" in slot.context().left[0]


@pytest.mark.parametrize("name", ["boinc_app", "acid", "stderr.txt.gz", "my_docker_wrapper"])
def test_a_file_of_the_jobs_with_a_name_like_the_clients_is_seen(slot: Slot, name: str) -> None:
    slot.write(name)
    assert name in slot.seen(slot.context())


def test_what_an_earlier_context_left_behind_is_gone(slot: Slot) -> None:
    slot.write(f"{CONTEXT_DIR}/half/made", "x")
    slot.write("main")
    assert slot.seen(slot.context()) == ["Dockerfile", "main"]
    assert slot.seen(slot.context()) == ["Dockerfile", "main"]


def test_removing_the_context_leaves_the_jobs_files_alone(slot: Slot) -> None:
    main = slot.write("main", "binary")
    slot.context()
    remove_context(slot.path)
    remove_context(slot.path)
    assert sorted(os.listdir(slot.path)) == ["Dockerfile", "main"]
    assert main.read_text() == "binary"


@needs_symlinks
def test_removing_a_context_follows_no_link_in_it(slot: Slot) -> None:
    slot.write("keep/it")
    inner = slot.context().path
    (inner / "folder_link").symlink_to(slot.path / "keep")
    (inner / "file_link").symlink_to(slot.path / "keep" / "it")
    remove_context(slot.path)
    assert (slot.path / "keep" / "it").exists()
    assert not inner.exists()


@needs_symlinks
def test_a_link_in_the_contexts_place_is_removed_and_not_followed(
    slot: Slot, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "keep").write_text("x")
    (slot.path / CONTEXT_DIR).symlink_to(elsewhere)
    context = slot.context()
    assert not context.path.is_symlink()
    assert os.listdir(elsewhere) == ["keep"]


def no_link(*_: object) -> None:
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def test_files_on_another_device_are_copied_with_their_mode(
    slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = slot.write("main", "binary")
    main.chmod(0o755)
    monkeypatch.setattr(os, "link", no_link)
    copy = slot.context().path / "main"
    assert not copy.samefile(main)
    assert copy.read_text() == "binary"
    assert copy.stat().st_mode == main.stat().st_mode


def test_too_many_files_are_refused_in_words(slot: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_context, "MOST_FILES", 3)
    for i in range(3):
        slot.write(f"f{i}")
    with pytest.raises(TooManyFiles, match="more than 3 files"):
        slot.context()


@pytest.mark.parametrize(("name", "content", "said"), [
    ("missing", None, "there is no missing in the slot"),
    ("Empty", " \n", "Empty is empty"),
    ("Large", "# x\n" * 300_000, "Large is larger"),
    ("../Dockerfile", None, "leads out of the slot"),
    ("Link", "<soft_link>../../../etc</soft_link>", "leads out of the slot"),
    ("Dangling", "<soft_link>../../projects/p/none</soft_link>", "there is no Dangling"),
])
def test_without_a_dockerfile_there_is_no_context_and_words_why(
    slot: Slot, name: str, content: str | None, said: str
) -> None:
    if content is not None:
        slot.write(name, content)
    with pytest.raises(NoDockerfile, match=said):
        slot.context(name)


def test_a_folder_is_no_dockerfile(slot: Slot) -> None:
    (slot.path / "folder").mkdir()
    with pytest.raises(NoDockerfile, match="folder cannot be read"):
        slot.context("folder")


def test_a_slot_without_a_project_has_a_context_as_well(slot: Slot) -> None:
    slot.write("main")
    assert slot.seen(make_context(slot.path, None)) == ["Dockerfile", "main"]
