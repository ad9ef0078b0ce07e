"""Files of a slot, where the job may have put anything by any name."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.boinc.steady import make_fifo
from wrapper.boinc import files
from wrapper.boinc.files import NotRegular, read_regular, replace_file

unix = pytest.mark.skipif(sys.platform == "win32", reason="needs links and FIFOs of Unix")


def test_a_file_is_read_up_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"0123456789")
    assert read_regular(tmp_path / "f", 4) == b"0123"
    assert read_regular(tmp_path / "f", 100) == b"0123456789"


def test_no_file_is_none_and_not_an_error(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    assert read_regular(tmp_path / "g", 4) is None
    assert read_regular(tmp_path / "f" / "g", 4) is None


@unix
def test_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "f").symlink_to("secret")
    with pytest.raises(NotRegular):
        read_regular(tmp_path / "f", 100)
    (tmp_path / "g").symlink_to("nowhere")
    with pytest.raises(NotRegular):
        read_regular(tmp_path / "g", 100)


@unix
def test_a_fifo_holds_nobody_up(tmp_path: Path) -> None:
    make_fifo(tmp_path / "f")
    with pytest.raises(NotRegular):
        read_regular(tmp_path / "f", 100)
    with pytest.raises(NotRegular):
        files.open_regular(tmp_path / "f", os.O_WRONLY)


@unix
@pytest.mark.parametrize("name", ["/dev/null", "/"])
def test_a_device_or_a_directory_is_not_read(name: str) -> None:
    with pytest.raises(NotRegular):
        read_regular(Path(name), 100)


def test_what_was_there_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("something longer")
    replace_file(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["f"]


@unix
def test_a_link_in_the_way_is_replaced_and_what_it_names_is_not_written(tmp_path: Path) -> None:
    outside, slot = tmp_path / "outside", tmp_path / "slot"
    outside.write_text("precious")
    slot.mkdir()
    (slot / "f").symlink_to(outside)
    replace_file(slot / "f", b"new")
    assert outside.read_text() == "precious"
    assert not (slot / "f").is_symlink()
    assert (slot / "f").read_bytes() == b"new"


@unix
def test_a_fifo_in_the_way_is_replaced(tmp_path: Path) -> None:
    make_fifo(tmp_path / "f")
    replace_file(tmp_path / "f", b"new")
    assert stat.S_ISREG(os.lstat(tmp_path / "f").st_mode)
    assert (tmp_path / "f").read_bytes() == b"new"


def test_a_directory_in_the_way_is_moved_aside(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "kept").write_text("kept")
    replace_file(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"new"
    aside = [name for name in os.listdir(tmp_path) if name != "f"]
    assert len(aside) == 1
    assert aside[0].startswith("f.was_a_directory.")
    assert (tmp_path / aside[0] / "kept").read_text() == "kept"


def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device", str(descriptor))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_text() == "old"
    assert os.listdir(tmp_path) == ["f"]


def test_a_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, list[str]]] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        seen.append(("fsync", sorted(os.listdir(tmp_path))))
        fsync(descriptor)

    def noted_replace(source: Path, target: Path) -> None:
        seen.append(("replace", sorted(os.listdir(tmp_path))))
        replace(source, target)

    monkeypatch.setattr("os.fsync", noted_fsync)
    monkeypatch.setattr("os.replace", noted_replace)
    replace_file(tmp_path / "f", b"new")
    assert [what for what, _ in seen][:2] == ["fsync", "replace"]
    assert "f" not in seen[1][1]
    if sys.platform != "win32":
        assert seen[2:] == [("fsync", ["f"])]


WRITER = """
import sys
from pathlib import Path
from wrapper.boinc.files import replace_file
path = Path(sys.argv[1])
print("ready", flush=True)
while True:
    for letter in b"ab":
        replace_file(path, bytes([letter]) * 100_000, durable=False)
"""


@unix
def test_a_reader_never_meets_half_a_file_even_if_the_writer_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        seen: set[bytes] = set()
        limit = time.monotonic() + 30
        while len(seen) < 2 and time.monotonic() < limit:
            content = read_regular(path, 200_000)
            if content is not None:
                seen.add(content)
        writer.kill()
    last = read_regular(path, 200_000)
    assert seen | {last} == {b"a" * 100_000, b"b" * 100_000}
