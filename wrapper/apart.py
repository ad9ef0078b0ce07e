"""Runs a function in a process of its own, so that what it imports does not stay in this one.

A wrapper lives for days and there may be one for each thread of a machine, so its memory counts;
pydantic and a TOML parser are wanted for a moment at its start only. Where a process cannot be
forked the function runs right here.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def apart(function: Callable[[], T]) -> T:
    """What ``function`` returns, worked out in a forked process.

    The result has to be picklable and made of classes that this process has imported already.

    Raises:
        Exception: whatever the function raised.
        OSError: no process could be had, or it died without a word.
    """
    if sys.platform == "win32":
        return function()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(function, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    if not told:
        raise OSError("the process that reads files died without a word")
    well, value = pickle.loads(told)
    if not well:
        raise value
    result: T = value
    return result


def _answer(function: Callable[[], T], writer: int) -> None:
    """The child's whole life: one answer, and out without any of the parent's clean-up."""
    status = 1
    try:
        try:
            told = pickle.dumps((True, function()))
        except Exception as error:
            told = pickle.dumps((False, error))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(told)
        status = 0
    finally:
        os._exit(status)
