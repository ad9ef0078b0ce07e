"""job.toml: what may stand in it, and what is said when something else does."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.job_config import (
    IMPOSSIBLE,
    BadJobConfig,
    JobConfig,
    impossible,
    load_job_config,
    reaching_out,
)

FULL = """
workdir = "/work/"
project_dir_mount = "/project"
image_name = "docker.io/library/debian:12"
build_args = "--build-arg 'WHO=you and me' --network none"
create_args = ["--memory", "1g"]
use_gpu = true
web_graphics_guest_port = 8080
mount = ["/data:/data:ro"]
portmap = ["127.0.0.1:8081:81"]
verbose = 2
"""


def loaded(folder: Path, text: str | bytes) -> JobConfig:
    path = folder / "job.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_job_config(path)


def complaint(folder: Path, text: str | bytes) -> str:
    with pytest.raises(BadJobConfig) as caught:
        loaded(folder, text)
    return str(caught.value)


def test_no_file_means_all_defaults(tmp_path: Path) -> None:
    assert load_job_config(tmp_path / "job.toml") == JobConfig()


@pytest.mark.parametrize("text", ["", "# nothing\n", "\r\n\r\n"])
def test_an_empty_file_means_all_defaults(tmp_path: Path, text: str) -> None:
    assert loaded(tmp_path, text) == JobConfig()


def test_every_key_is_read(tmp_path: Path) -> None:
    assert loaded(tmp_path, FULL) == JobConfig(
        workdir="/work", project_dir_mount="/project", image_name="docker.io/library/debian:12",
        build_args=("--build-arg", "WHO=you and me", "--network", "none"),
        create_args=("--memory", "1g"), use_gpu=True, web_graphics_guest_port=8080,
        mount=("/data:/data:ro",), portmap=("127.0.0.1:8081:81",), verbose=2)


def test_the_result_is_plain_and_can_be_sent_to_another_process(tmp_path: Path) -> None:
    config = loaded(tmp_path, FULL)
    assert pickle.loads(pickle.dumps(config)) == config
    error = BadJobConfig("job.toml: no")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_arguments_are_split_as_by_a_shell_but_nothing_is_run(tmp_path: Path) -> None:
    config = loaded(tmp_path, r"""create_args = '''--env "A=$(id) `id` $HOME" -e b\ c ; rm *'''""")
    assert config.create_args == ("--env", "A=$(id) `id` $HOME", "-e", "b c", ";", "rm", "*")


@pytest.mark.parametrize(("line", "given_as", "allowed"), [
    ("use_gpu = 1", "use_gpu = 1 (a whole number)", "true or false"),
    ('use_gpu = "yes"', "use_gpu = 'yes' (a string)", "true or false"),
    ("verbose = true", "verbose = true (a boolean)", "0, 1 or 2"),
    ("verbose = 3", "verbose = 3 (a whole number)", "0, 1 or 2"),
    ("verbose = -1", "verbose = -1 ", "0, 1 or 2"),
    ("verbose = 1.0", "verbose = 1.0 (a number)", "0, 1 or 2"),
    ("workdir = 5", "workdir = 5 (a whole number)", 'such as "/app"'),
    ('workdir = "app"', "workdir = 'app' (a string)", "absolute"),
    ('workdir = "/"', "workdir = '/' ", 'not "/"'),
    ('workdir = "//./"', "workdir = '//./' ", 'not "/"'),
    ('workdir = "/a/../b"', "workdir = '/a/../b' ", 'without ".."'),
    ('workdir = "/a\\nb"', "workdir = '/a\\nb' ", "a path in the container"),
    ("project_dir_mount = []", "project_dir_mount = [] (a list)", 'such as "/project"'),
    ('project_dir_mount = "/app"', "project_dir_mount = '/app' ", "neither workdir"),
    ('image_name = "-rm"', "image_name = '-rm' ", "the name of an image"),
    ('image_name = "a b"', "image_name = 'a b' ", "the name of an image"),
    ("web_graphics_guest_port = 0", "web_graphics_guest_port = 0 ", "from 1 to 65535"),
    ("web_graphics_guest_port = 65536", "web_graphics_guest_port = 65536 ", "from 1 to 65535"),
    ('mount = "/a:/b"', "mount = '/a:/b' (a string)", "a list of strings"),
    ("mount = [1]", "mount = [1] (a list with a whole number in it)", "a list of strings"),
    ('mount = [""]', "mount = [''] ", "a list of strings"),
    ("portmap = {a = 1}", "portmap = {'a': 1} (a table)", "a list of strings"),
    ("create_args = [[]]", "create_args = [[]] (a list with a list in it)", "quoted as for"),
    ("create_args = 2026-01-01", "a date or time", "quoted as for a shell"),
    ('build_args = "\'"', "is wrong: cannot be split into words (no closing", "quoted as"),
    ('create_args = ["a\\u0000"]', "create_args = ['a\\x00'] ", "quoted as for a shell"),
])
def test_a_wrong_value_is_told_with_what_was_given_and_what_is_allowed(
    tmp_path: Path, line: str, given_as: str, allowed: str
) -> None:
    first = complaint(tmp_path, line).splitlines()[0]
    assert first.startswith("job.toml: ")
    assert given_as in first
    assert allowed in first


@pytest.mark.parametrize(("key", "hint"), [
    ("work_dir", "did you mean workdir?"),
    ("mounts", "did you mean mount?"),
    ("zzz", "there are workdir, project_dir_mount"),
])
def test_an_unknown_key_is_a_mistake_with_a_hint(tmp_path: Path, key: str, hint: str) -> None:
    assert complaint(tmp_path, f"{key} = 1") .startswith(f"job.toml: unknown key '{key}': {hint}")


def test_everything_wrong_is_told_at_once_one_line_each(tmp_path: Path) -> None:
    lines = complaint(tmp_path, "use_gpu = 1\nverbose = 9\nmount = [1, 2]").splitlines()
    assert [line.split(" ")[1] for line in lines] == ["use_gpu", "mount", "verbose"]


def test_a_long_value_is_cut_in_the_message(tmp_path: Path) -> None:
    assert len(complaint(tmp_path, f'workdir = "{"x" * 5000}"')) < 300


@pytest.mark.parametrize("project", ["/app/project", "/application", "/project"])
def test_the_projects_folder_may_be_beside_or_below_the_slot(tmp_path: Path, project: str) -> None:
    assert loaded(tmp_path, f'project_dir_mount = "{project}"').project_dir_mount == project


@pytest.mark.parametrize("word", sorted(IMPOSSIBLE))
def test_words_that_would_lose_the_container_are_refused(tmp_path: Path, word: str) -> None:
    words = complaint(tmp_path, f'create_args = "-e A=1 {word}=always"')
    assert words == f"job.toml: create_args must not hold {word}=always: {IMPOSSIBLE[word]}"


def test_a_word_that_only_begins_like_an_impossible_one_is_possible() -> None:
    assert impossible(["--rmx", "--namespace", "rm", "--pull-x"]) is None


@pytest.mark.parametrize(("text", "said"), [
    ("verbose = 1\nworkdir = \n", "not TOML: .*line 2"),
    ("a = 1\na = 2\n", "not TOML: .*line 2"),
    (b"verbose = 1\n# \xff\n", "not UTF-8 text .line 2, byte 14"),
    ("a = " + "[" * 5000, "not TOML|nested too deep"),
    ("#" * (256 * 1024 + 1), "larger than 256 KiB"),
])
def test_a_file_that_is_not_toml_is_told_with_its_place(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    with pytest.raises(BadJobConfig, match=f"^job.toml: .*({said})"):
        loaded(tmp_path, text)


def test_a_directory_is_no_job_toml(tmp_path: Path) -> None:
    (tmp_path / "job.toml").mkdir()
    with pytest.raises(BadJobConfig, match=r"^job\.toml: is not a regular file"):
        load_job_config(tmp_path / "job.toml")


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFOs in the file system")
def test_a_fifo_is_no_job_toml_and_blocks_nobody(tmp_path: Path) -> None:
    if sys.platform != "win32":
        os.mkfifo(tmp_path / "job.toml")
    with pytest.raises(BadJobConfig, match="is not a regular file"):
        load_job_config(tmp_path / "job.toml")


def test_a_soft_link_into_the_projects_folder_is_followed(tmp_path: Path) -> None:
    slot, project = tmp_path / "slot", tmp_path / "project"
    slot.mkdir()
    project.mkdir()
    (slot / "job.toml").write_text("<soft_link>../project/job_1.toml</soft_link>\n")
    (project / "job_1.toml").write_text("verbose = 1")
    assert load_job_config(slot / "job.toml", [project]).verbose == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows: needs a privilege")
@pytest.mark.parametrize("target", ["../outside.toml", "/etc/passwd"])
def test_a_link_out_of_slot_and_project_is_refused(tmp_path: Path, target: str) -> None:
    slot = tmp_path / "slot"
    slot.mkdir()
    (tmp_path / "outside.toml").write_text("verbose = 1")
    (slot / "job.toml").symlink_to(target)
    with pytest.raises(BadJobConfig, match="neither in the slot nor in the project"):
        load_job_config(slot / "job.toml", [tmp_path / "project"])


def test_a_link_to_nothing_is_a_mistake_and_not_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text("<soft_link>job_1.toml</soft_link>")
    with pytest.raises(BadJobConfig, match="there is no such file"):
        load_job_config(tmp_path / "job.toml")


@given(st.binary(max_size=200))
def test_any_bytes_are_either_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    said = "any.toml: "
    try:
        load_job_config(path)
    except BadJobConfig as error:
        said = str(error)
    assert said.startswith("any.toml: ")


@pytest.mark.parametrize(("args", "told"), [
    (("--privileged", "--env", "A=1"), ("--privileged",)),
    (("--pid=host", "--network", "host"), ("--pid=host", "--network host")),
    (("--net", "none", "--userns=auto"), ()),
    (("-v", "/:/host", "-v/etc:/e"), ("-v /:/host", "-v/etc:/e")),
    (("--cap-add", "ALL", "--device=/dev/sda"), ("--cap-add ALL", "--device=/dev/sda")),
    (("--memory", "1g", "--verbose-thing"), ()),
])
def test_what_reaches_out_of_the_container_is_named(
    args: tuple[str, ...], told: tuple[str, ...]
) -> None:
    config = JobConfig(create_args=args)
    assert reaching_out(config) == tuple(f"create_args: {words}" for words in told)


def test_every_mount_is_named() -> None:
    assert reaching_out(JobConfig(mount=("/:/h", "vol:/v"))) == ("mount: /:/h", "mount: vol:/v")


def test_the_module_alone_imports_nothing_costly() -> None:
    check = "import sys, wrapper.job_config as _; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
