"""What is said to a shell in a distro, tried on a plain `sh`; and how its two streams are read."""

from __future__ import annotations

import ntpath
import posixpath
import shutil
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wrapper.engine.hosts import wsl_words
from wrapper.engine.hosts.base import Order
from wrapper.engine.hosts.wsl_paths import below, guessed
from wrapper.engine.hosts.wsl_shell import Frame, Stream, readable

needs_sh = pytest.mark.skipif(shutil.which("sh") is None or sys.platform == "win32",
                              reason="a POSIX shell is needed")
words = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]))


def said_by_sh(program: str) -> bytes:
    return subprocess.run(["sh"], input=program.encode(), capture_output=True, check=True).stdout


@needs_sh
@settings(max_examples=40, deadline=None)
@given(st.lists(words, min_size=1, max_size=6))
def test_a_quoted_word_is_the_word(some: list[str]) -> None:
    line = "printf '%s\\0' " + " ".join(wsl_words.quoted(word) for word in some)
    assert said_by_sh(line).split(b"\0")[:-1] == [word.encode() for word in some]


@needs_sh
@settings(max_examples=20, deadline=None)
@given(words)
def test_a_variable_has_its_value_and_is_gone_afterwards(value: str) -> None:
    order = Order(("printenv", "A_VALUE"), environment={"A_VALUE": value})
    program = wsl_words.carried_out(order) + "\nprintf '%s' \"$s${A_VALUE-none}\""
    assert said_by_sh(program) == value.encode() + b"\n0none"


def test_a_value_is_in_no_words_of_a_command() -> None:
    line = wsl_words.command(("docker", "create", "--env", "A"), {"A": "hunter2"})
    export, _, command = line.partition("exec ")
    assert "hunter2" in export
    assert "hunter2" not in command


def test_what_no_shell_can_be_told_is_refused() -> None:
    for order in (Order(()), Order(("a\0",)), Order(("a",), environment={"1a": ""}),
                  Order(("a",), environment={"A;B": ""}), Order(("a",), environment={"A": "\0"})):
        with pytest.raises(ValueError):
            wsl_words.carried_out(order)


def test_an_echo_of_what_was_said_has_no_token_in_it() -> None:
    marks = wsl_words.Marks("0123456789abcdef" * 2)
    assert marks.token not in marks.around("true")


def test_the_first_line_is_one_line() -> None:
    line = wsl_words.hello(wsl_words.Marks("ab" * 16), ("docker_wrapper", "mark"), True)
    assert line.count("\n") == 1
    assert line.endswith("\n")


def framed(frame: Frame, said: bytes, status: bytes = b"0") -> bytes:
    return frame.marks.begin + said + frame.marks.end + status + b"\n"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4), st.data())
def test_frames_are_found_however_the_stream_is_cut(said: list[bytes], data: st.DataObject) -> None:
    frames = [Frame(1000, 0) for _ in said]
    stream = Stream(True)
    for frame in frames:
        stream.expect(frame)
    whole = b"motd\r\n" + b"noise".join(
        framed(frame, text, b"%d" % number)
        for number, (frame, text) in enumerate(zip(frames, said, strict=True))
    )
    while whole:
        size = data.draw(st.integers(1, 50))
        stream.feed(whole[:size])
        whole = whole[size:]
    assert [frame.out.kept for frame in frames] == said
    assert [frame.status for frame in frames] == [str(number) for number in range(len(said))]
    assert stream.noise.kept.startswith(b"motd\r\n")


def test_parts_of_a_token_are_output() -> None:
    frame, stream = Frame(1000, 0), Stream(True)
    stream.expect(frame)
    text = frame.marks.end[:-1] + frame.marks.begin[:-2] + frame.marks.token.encode() + b">"
    assert stream.feed(framed(frame, text))
    assert frame.out.kept == text


def test_a_frame_is_complete_when_both_streams_say_so() -> None:
    frame = Frame(100, 0)
    out, err = Stream(True), Stream(False)
    out.expect(frame)
    err.expect(frame)
    out.feed(framed(frame, b"o", b"3"))
    assert not frame.complete
    err.feed(framed(frame, b"e", b"3"))
    assert frame.complete
    assert (frame.status, frame.out.kept, frame.err.kept) == ("3", b"o", b"e")


def test_the_end_of_a_shell_loses_what_was_to_come() -> None:
    first, second, stream = Frame(100, 0), Frame(100, 0), Stream(True)
    stream.expect(first)
    stream.expect(second)
    stream.feed(first.marks.begin + b"half an answer")
    stream.lose()
    assert first.out.kept == b"half an answer"
    assert (first.lost, second.lost, first.status) == (True, True, "")
    stream.feed(b"what another process of the shell still says")
    stream.end()
    assert first.out.kept == b"half an answer"


@pytest.mark.parametrize("text", [
    "Das Windows-Subsystem für Linux muss aktualisiert werden.\r\n",
    "Подсистема Windows для Linux не установлена.\r\n",
    "适用于上述 Linux 的 Windows 子系统没有已安装的分发版。\r\n",
    "指定された名前のディストリビューションはありません。\r\n",
    "Εκτελέστε την εντολή 'wsl.exe --update'.\r\n", "There is none.\r\n", "motd of ä distro\n",
])
def test_words_of_windows_can_be_read_in_any_language(text: str) -> None:
    assert readable(text.encode("utf-16-le")) == text
    assert readable(text.encode()) == text


def test_words_of_windows_and_of_a_distro_can_be_read_together() -> None:
    both = "wsl: no drive E:\r\n".encode("utf-16-le") + "grüß Gott\n".encode()
    assert readable(both) == "wsl: no drive E:\r\ngrüß Gott\n"


def test_what_windows_says_can_be_read() -> None:
    assert readable("Bitte 'wsl --update' ausführen\r\n".encode("utf-16-le")).startswith("Bitte")
    assert readable("\ufeffä".encode("utf-16")) .lstrip("\ufeff") == "ä"
    assert readable("plain ä".encode()) == "plain ä"
    assert readable(b"") == ""


@pytest.mark.parametrize(("here", "name"), [
    ("/d/BOINC Data/slots/0", "/mnt/c/d/BOINC Data/slots/0"),
    ("/d/BOINC Data/slots/0/a/b", "/mnt/c/d/BOINC Data/slots/0/a/b"),
    ("/d/BOINC Data/projects/p/f", "/mnt/c/d/BOINC Data/projects/p/f"),
    ("/elsewhere", "/mnt/c/elsewhere"),
])
def test_a_path_follows_from_the_slots(here: str, name: str) -> None:
    there = "/mnt/c/d/BOINC Data/slots/0"
    assert below("/d/BOINC Data/slots/0", there, here, posixpath) == name


def test_paths_of_windows_follow_too() -> None:
    slot, there = r"C:\ProgramData\BOINC\slots\0", "/mnt/c/ProgramData/BOINC/slots/0"
    project = r"C:\ProgramData\BOINC\projects\p q\ü"
    assert below(slot, there, project, ntpath) == "/mnt/c/ProgramData/BOINC/projects/p q/ü"
    assert below(slot, there, r"D:\elsewhere", ntpath) is None
    assert guessed(slot, there, r"D:\else where\f") == "/mnt/d/else where/f"
    desktop = "/mnt/host/c/ProgramData/BOINC/slots/0"
    assert guessed(slot, desktop, r"E:\f") == "/mnt/host/e/f"
