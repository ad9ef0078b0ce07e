"""Our standard error: what is in it, and what never is."""

from __future__ import annotations

import errno
import io
import re
import time
from typing import TextIO
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.journal import Journal


def written(text: str, *secrets: str, verbose: int = 0) -> str:
    stream = io.StringIO()
    Journal(stream, secrets, verbose).say(text)
    return stream.getvalue()


def test_a_line_has_date_time_and_name() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d docker_wrapper: hello\n", written("hello"))


def test_without_a_standard_error_nothing_is_said_and_nothing_fails() -> None:
    journal = Journal(None, verbose=2)
    journal.say("hello")
    journal.trace("hello")
    journal.raw(b"hello")


def test_the_time_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    there = time.struct_time((2026, 3, 1, 15, 0, 0, 6, 60, 0))
    monkeypatch.setattr("time.localtime", lambda: there)
    assert written("x").startswith("2026-03-01 15:00:00 ")


def test_detail_is_indented_below_its_first_line() -> None:
    assert written("first\nsecond\r\n\nthird\n").split("docker_wrapper: ")[1] == (
        "first\n    second\n    third\n")


@pytest.mark.parametrize("form", ["a b&c@/", quote("a b&c@/", safe=""), quote("a b&c@/"),
                                  "a b&amp;c@/"])
def test_a_secret_is_hidden_in_every_form(form: str) -> None:
    text = written(f"proxy http://u:{form}@h refused", "a b&c@/")
    assert "docker_wrapper: proxy http://u:***@h refused" in text


def test_a_secret_inside_another_leaves_nothing_behind() -> None:
    assert written("<abcdef>", "abc", "abcdef").endswith(": <***>\n")


def test_an_empty_secret_hides_nothing() -> None:
    assert written("all is well", "").endswith(": all is well\n")


def test_a_secret_learnt_later_is_hidden_as_well() -> None:
    stream = io.StringIO()
    journal = Journal(stream, ["first"])
    journal.hide(["second"])
    journal.say("first second")
    assert stream.getvalue().endswith(": *** ***\n")


def test_a_secret_in_the_jobs_output_is_hidden() -> None:
    stream = io.StringIO()
    Journal(stream, ["pass1234"]).raw(b"my proxy is http://u:pass1234@h\n")
    assert "pass1234" not in stream.getvalue()
    assert "http://u:***@h" in stream.getvalue()


def test_no_secret_is_in_the_journals_own_repr() -> None:
    assert "pass1234" not in repr(Journal(io.StringIO(), ["pass1234"]))


@given(st.text())
def test_no_text_can_pass_for_another_line(text: str) -> None:
    lines = written(text).split("\n")
    assert lines.pop() == ""
    assert " docker_wrapper: " in lines[0]
    assert all(line.startswith("    ") for line in lines[1:])
    assert all(ord(letter) >= 32 or letter == "\t" for line in lines for letter in line)


def test_control_characters_are_escaped() -> None:
    assert written("a\x1b[2Jb\x00c\rd").endswith(r": a\x1b[2Jb\x00c\rd" + "\n")


def test_the_jobs_output_stands_between_markers() -> None:
    stream = io.StringIO()
    Journal(stream).raw(b"one\ntwo \xff\x00", title="log")
    assert stream.getvalue() == (
        "-------- log --------\none\ntwo \ufffd\\x00\n-------- end of log --------\n")


@pytest.mark.parametrize(("verbose", "expected"), [(0, "s"), (1, "sd"), (2, "sdt")])
def test_verbose_chooses_what_is_written(verbose: int, expected: str) -> None:
    stream = io.StringIO()
    journal = Journal(stream, verbose=verbose)
    journal.say("s")
    journal.detail("d")
    journal.trace("t")
    assert "".join(line[-1] for line in stream.getvalue().splitlines()) == expected


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", text[:1])


def closed() -> TextIO:
    stream = io.StringIO()
    stream.close()
    return stream


def ascii_only() -> TextIO:
    return io.TextIOWrapper(io.BytesIO(), encoding="ascii")


@pytest.mark.parametrize("make", [FullDisk, closed, ascii_only])
def test_trouble_with_writing_never_reaches_the_caller(make: type[TextIO]) -> None:
    journal = Journal(make())
    journal.say("ä line nobody will read")
    journal.raw("ä".encode())
