"""A function run in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from wrapper.apart import apart

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")


def test_the_result_comes_back_from_another_process() -> None:
    assert apart(os.getpid) != os.getpid()


def test_a_large_result_comes_back_whole() -> None:
    assert apart(lambda: b"x" * (1 << 20)) == b"x" * (1 << 20)


def _refuse() -> int:
    raise ValueError("no such thing")


def test_an_error_comes_back_as_itself() -> None:
    with pytest.raises(ValueError, match="no such thing"):
        apart(_refuse)


def test_a_process_that_dies_without_a_word_is_an_error() -> None:
    with pytest.raises(OSError, match="without a word"):
        apart(lambda: os._exit(3))


def test_what_it_imports_does_not_stay() -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from wrapper.apart import apart\n"
        "from wrapper.job_config import load_job_config\n"
        "apart(lambda: load_job_config(Path('no-such-file')))\n"
        "assert 'pydantic' not in sys.modules and 'tomli' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
