"""The shared memory, byte by byte, and the ways to open it."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.boinc.steady import make_fifo, steady
from wrapper.boinc.channels import (
    CHANNEL_SIZE,
    LONGEST_TEXT,
    MMAP_FILE,
    NAMES,
    SEGMENT_SIZE,
    Channel,
    Segment,
    open_sysv,
    open_unix,
    open_windows,
    windows_names,
)

unix = pytest.mark.skipif(sys.platform == "win32", reason="a segment of Unix")


def channel_of(memory: bytearray) -> Channel:
    """A channel over 1,024 bytes."""
    return Channel(memoryview(memory))


def test_the_channels_lie_in_the_order_of_the_client() -> None:
    memory = bytearray(SEGMENT_SIZE)
    segment = Segment(memory)
    for index, name in enumerate(NAMES):
        channel = getattr(segment, name)
        assert isinstance(channel, Channel)
        assert channel.write(f"for {name}")
        text = f"\x01for {name}\0".encode()
        assert memory[index * 1024 : index * 1024 + len(text)] == text
    assert len(memory) == 8192
    assert NAMES.index("heartbeat") == 4
    assert NAMES.index("app_status") == 5


def test_a_text_lies_between_its_flag_and_a_nul() -> None:
    memory = bytearray(b"\0" + b"x" * (CHANNEL_SIZE - 1))
    assert channel_of(memory).write("<quit/>")
    assert memory[:10] == b"\x01<quit/>\0x"


def test_a_full_channel_takes_no_second_text() -> None:
    memory = bytearray(CHANNEL_SIZE)
    channel = channel_of(memory)
    assert channel.write("first")
    assert channel.waiting
    assert not channel.write("other")
    assert channel.read() == "first"


def test_reading_clears_the_flag_and_nothing_else() -> None:
    memory = bytearray(b"\x01<resume/>\0".ljust(CHANNEL_SIZE, b"\0"))
    channel = channel_of(memory)
    assert channel.read() == "<resume/>"
    assert memory == b"\0<resume/>\0".ljust(CHANNEL_SIZE, b"\0")
    assert not channel.waiting
    assert channel.read() is None


def test_overwriting_puts_a_text_in_the_place_of_another() -> None:
    memory = bytearray(CHANNEL_SIZE)
    channel = channel_of(memory)
    channel.write("a long text that nobody reads")
    channel.overwrite("new")
    assert memory[:5] == b"\x01new\0"
    assert channel.read() == "new"


class Watched(bytearray):
    """Memory that notes in which order it is touched."""

    readonly = False
    touched: ClassVar[list[str]] = []

    def __getitem__(self, index: Any) -> Any:
        self.touched.append("read flag" if index == 0 else "read text")
        return super().__getitem__(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.touched.append(f"flag {value}" if index == 0 else "write text")
        super().__setitem__(index, value)


def test_the_other_side_never_sees_half_a_text() -> None:
    """The flag is set after the text was written, and cleared after it was copied."""
    memory = Watched(CHANNEL_SIZE)
    channel = Channel(cast(memoryview, memory))
    memory.touched.clear()
    assert channel.write("new")
    assert memory.touched == ["read flag", "write text", "flag 1"]
    memory.touched.clear()
    assert channel.read() == "new"
    assert memory.touched == ["read flag", "read text", "flag 0"]
    memory.touched.clear()
    channel.overwrite("newer")
    assert memory.touched == ["flag 0", "write text", "flag 1"]


def test_the_longest_text_leaves_room_for_flag_and_nul() -> None:
    memory = bytearray(b"\0" + b"x" * (CHANNEL_SIZE - 1))
    channel = channel_of(memory)
    assert channel.write("t" * LONGEST_TEXT)
    assert memory == b"\x01" + b"t" * 1022 + b"\0"
    assert channel.read() == "t" * LONGEST_TEXT


@pytest.mark.parametrize("text", ["t" * (LONGEST_TEXT + 1), "ö" * 600, "a\0b"])
def test_a_text_that_does_not_fit_is_refused_and_nothing_changed(text: str) -> None:
    memory = bytearray(CHANNEL_SIZE)
    channel = channel_of(memory)
    with pytest.raises(ValueError, match="channel"):
        channel.write(text)
    with pytest.raises(ValueError, match="channel"):
        channel.overwrite(text)
    assert memory == bytes(CHANNEL_SIZE)


def test_a_text_without_a_nul_ends_with_its_channel() -> None:
    memory = bytearray(SEGMENT_SIZE)
    segment = Segment(memory)
    memory[0:CHANNEL_SIZE] = b"\x01" + b"x" * (CHANNEL_SIZE - 1)
    segment.process_control_reply.write("next")
    assert segment.process_control_request.read() == "x" * 1023


def test_bytes_that_are_no_text_are_read_all_the_same() -> None:
    channel = channel_of(bytearray(b"\xff\xfe<quit/>\0".ljust(CHANNEL_SIZE, b"\0")))
    assert channel.read() == "\ufffd<quit/>"


@steady
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=255))
def test_what_is_written_is_read(text: str) -> None:
    channel = channel_of(bytearray(CHANNEL_SIZE))
    assert channel.write(text)
    assert channel.read() == text


def test_too_little_or_read_only_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="8192 bytes"):
        Segment(bytearray(SEGMENT_SIZE - 1))
    with pytest.raises(ValueError, match="writable"):
        Segment(memoryview(bytes(SEGMENT_SIZE)))
    with pytest.raises(ValueError, match="1024"):
        channel_of(bytearray(CHANNEL_SIZE + 1))


def test_more_memory_than_needed_is_fine() -> None:
    """A client rounds the segment up to whole pages."""
    memory = bytearray(SEGMENT_SIZE * 2)
    segment = Segment(memory)
    assert segment.trickle_down.write("x")
    assert not any(memory[SEGMENT_SIZE:])


@unix
def test_two_mappings_of_the_file_share_their_texts(tmp_path: Path) -> None:
    (tmp_path / MMAP_FILE).write_bytes(bytes(SEGMENT_SIZE))
    ours, theirs = open_unix(tmp_path), open_unix(tmp_path)
    assert ours is not None
    assert theirs is not None
    assert theirs.heartbeat.write("<heartbeat/>")
    assert (tmp_path / MMAP_FILE).read_bytes()[4096:4110] == b"\x01<heartbeat/>\0"
    assert ours.heartbeat.read() == "<heartbeat/>"
    assert not theirs.heartbeat.waiting
    ours.close()
    theirs.close()


@unix
@pytest.mark.parametrize("size", [0, SEGMENT_SIZE - 1])
def test_a_file_that_is_too_short_is_no_segment(tmp_path: Path, size: int) -> None:
    (tmp_path / MMAP_FILE).write_bytes(bytes(size))
    assert open_unix(tmp_path) is None


@unix
def test_what_is_no_file_is_no_segment(tmp_path: Path) -> None:
    path = tmp_path / MMAP_FILE
    assert open_unix(tmp_path) is None
    path.mkdir()
    assert open_unix(tmp_path) is None
    path.rmdir()
    make_fifo(path)
    assert open_unix(tmp_path) is None
    path.unlink()
    (tmp_path / "other").write_bytes(bytes(SEGMENT_SIZE))
    path.symlink_to("other")
    assert open_unix(tmp_path) is None


@unix
def test_a_file_that_was_cut_short_is_noticed_before_it_is_touched(tmp_path: Path) -> None:
    (tmp_path / MMAP_FILE).write_bytes(bytes(SEGMENT_SIZE))
    segment = open_unix(tmp_path)
    assert segment is not None
    assert segment.whole()
    os.truncate(tmp_path / MMAP_FILE, 0)
    assert not segment.whole()
    segment.close()


@unix
def test_closing_gives_the_descriptors_back(tmp_path: Path) -> None:
    (tmp_path / MMAP_FILE).write_bytes(bytes(SEGMENT_SIZE))
    first = os.dup(0)
    os.close(first)
    for _ in range(3):
        segment = open_unix(tmp_path)
        assert segment is not None
        segment.close()
        segment.close()
    again = os.dup(0)
    os.close(again)
    assert again == first


@unix
def test_a_system_v_segment_is_found_by_its_key() -> None:
    if sys.platform == "win32":
        return
    libc = ctypes.CDLL(None)
    key = 0x62000000 + os.getpid() % 0x1000000
    identifier = libc.shmget(key, ctypes.c_size_t(SEGMENT_SIZE), 0o1600 | 0o2000)
    assert identifier >= 0
    try:
        ours, theirs = open_sysv(key), open_sysv(key)
        assert ours is not None
        assert theirs is not None
        theirs.process_control_request.write("<quit/>")
        assert ours.process_control_request.read() == "<quit/>"
        assert ours.whole()
        ours.close()
        theirs.close()
    finally:
        libc.shmctl(identifier, 0, None)
    assert open_sysv(key) is None


@pytest.mark.parametrize("key", [-1, 0])
def test_a_key_that_is_none_opens_nothing(key: int) -> None:
    assert open_sysv(key) is None


def test_a_windows_mapping_is_looked_for_by_three_names() -> None:
    assert windows_names("boinc_0") == (
        "shm_boinc_0",
        "Local\\shm_boinc_0",
        "Global\\shm_boinc_0",
    )
    assert open_windows("") is None
    assert open_windows("boinc_of_nobody") is None


@pytest.mark.skipif(sys.platform != "win32", reason="a segment of Windows")
def test_a_windows_mapping_is_found_by_its_name() -> None:
    if sys.platform == "win32":
        import mmap

        name = f"boinc_test_{os.getpid()}"
        memory = mmap.mmap(-1, SEGMENT_SIZE, tagname=f"shm_{name}")
        segment = open_windows(name)
        assert segment is not None
        segment.app_status.write("told")
        assert memory[5 * CHANNEL_SIZE : 5 * CHANNEL_SIZE + 6] == b"\x01told\0"
        segment.close()
        memory.close()
        assert open_windows(name) is None
