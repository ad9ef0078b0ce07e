"""A function run in a process of its own."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from wrapper.apart import NoAnswer, apart

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")


def test_the_result_comes_back_from_another_process() -> None:
    assert int(apart(lambda: str(os.getpid()))()) != os.getpid()


def test_a_large_result_comes_back_whole() -> None:
    assert apart(lambda: "\u00e9" * (1 << 20))() == "\u00e9" * (1 << 20)


def test_this_process_goes_on_while_the_other_works() -> None:
    reader, writer = os.pipe()
    answer = apart(lambda: os.read(reader, 100).decode())
    os.write(writer, b"from here")
    assert answer() == "from here"
    os.close(reader)
    os.close(writer)


def _refuse() -> str:
    raise ValueError("no such thing")


def test_an_error_comes_back_with_where_it_was() -> None:
    with pytest.raises(NoAnswer, match=r"(?s)_refuse.*ValueError: no such thing"):
        apart(_refuse)()


def test_a_process_that_dies_without_a_word_is_an_error() -> None:
    with pytest.raises(NoAnswer, match="said nothing"):
        apart(lambda: os._exit(3))()


def test_one_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    monkeypatch.setattr("wrapper.apart._LIMIT", 0.2)
    with pytest.raises(NoAnswer, match="does not answer"):
        apart(lambda: str(os.read(reader, 1)))()
    os.close(reader)
    os.close(writer)


def test_where_no_process_can_be_had_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NoAnswer, match=r"no process can be had.*temporarily unavailable"):
        apart(lambda: "")
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_it_imports_does_not_stay() -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from wrapper.reading import reading\n"
        "reading(Path('no-such-file'), (), b'no record')()\n"
        "assert not {'pydantic', 'tomli', 'transitions'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
