"""Runs a function in a process of its own, so that what it imports does not stay in this one.

A wrapper lives for days and there may be one for each thread of a machine, so its memory counts;
pydantic, a TOML parser and `transitions` are wanted for a moment at its start only. Where a process
cannot be forked the function runs right here.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

from wrapper.waiting import waiting_for

_LIMIT = 60.0
"""Seconds that an answer may take; what is read are a few small files, perhaps of a slow disk."""
_WELL = b"+"
_BADLY = b"-"


class NoAnswer(Exception):
    """No process could be had, or it died, or of an error: with its traceback."""


def apart(function: Callable[[], str]) -> Callable[[], str]:
    """Begin to work out a text in a forked process; the answer gives it, and may be asked once.

    The answer raises:
        NoAnswer: the function raised something, or the process died or took over a minute.

    Raises:
        NoAnswer: no process could be had.
    """
    if sys.platform == "win32":
        return function
    reader, writer = os.pipe()
    try:
        child = os.fork()
    except OSError as error:
        os.close(reader)
        os.close(writer)
        raise NoAnswer(
            f"no process can be had to read the job's files ({error.strerror}); "
            "too many processes, or too little memory?"
        ) from error
    if child == 0:
        os.close(reader)
        _answer(function, writer)
    os.close(writer)
    return lambda: _answered(child, reader)


def _answered(child: int, reader: int) -> str:
    told, wait, until = b"", waiting_for((reader,)), time.monotonic() + _LIMIT
    while (left := until - time.monotonic()) > 0:
        if wait(left * 1000):
            piece = os.read(reader, 65536)
            if not piece:
                break
            told += piece
    else:
        if sys.platform != "win32":
            os.kill(child, signal.SIGKILL)
    os.close(reader)
    _, status = os.waitpid(child, 0)
    text = told[1:].decode()
    if status or told[:1] != _WELL:
        died = f"the process that reads the job's files died (status {status})"
        why = "too little memory, or a disk that does not answer?"
        raise NoAnswer(f"{died}; {why} {text or 'It said nothing.'}")
    return text


def _answer(function: Callable[[], str], writer: int) -> None:
    """The child's whole life: one answer, and out without any of the parent's clean-up."""
    status = 1
    try:
        try:
            told = _WELL + function().encode()
        except Exception:
            from traceback import format_exc

            told = _BADLY + format_exc().encode("utf-8", "backslashreplace")
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(told)
        status = 0
    finally:
        os._exit(status)
