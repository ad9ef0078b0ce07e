"""A shell inside a WSL distro: a `wsl` process with three pipes, and the answers that come through
them.

Each answer is framed by a random token in both streams and carries the exit status; what is outside
of frames (a greeting, a warning) is noise. Pipes are read and written by threads, since Windows can
neither wait for a pipe nor read it without waiting. Knows nothing of engines and of orders.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from wrapper.engine.hosts.capture import Capture
from wrapper.engine.hosts.wsl_words import Marks, hello

_CHUNK = 65536
_NOISE = 2000
# How long the second stream's end may come after the first's, in seconds.
_STRAGGLER = 1.0
_LONGEST_STATUS = 16


class Frame:
    """One answer. Written by the threads that read, and read once it is complete."""

    def __init__(self, head: int, tail: int) -> None:
        """``head`` and ``tail`` bound what is kept of each stream, in bytes."""
        self.marks = Marks(os.urandom(16).hex())
        self.out = Capture(head, tail)
        self.err = Capture(head, tail)
        self.status = ""
        self.lost = False
        """Whether the shell ended first: there is no status, and more may have been said."""
        self._both = threading.Event()
        self._left = 2
        self._first_at = 0.0

    @property
    def complete(self) -> bool:
        """Whether all was said, or nothing more will be."""
        late = bool(self.status) and time.monotonic() - self._first_at > _STRAGGLER
        return self.lost or late or self._both.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait until it is complete; whether it is."""
        self._both.wait(seconds)
        return self.complete

    def close(self, status: str, is_out: bool) -> None:
        """One of the streams has ended."""
        if is_out:
            self._first_at = time.monotonic()
            self.status = status
        self._left -= 1
        if self._left <= 0:
            self._both.set()

    def lose(self) -> None:
        """There will be no more of it."""
        if not self._both.is_set():
            self.lost = True
            self._both.set()


class Stream:
    """Finds the frames in one of the two streams, byte by byte as they were said."""

    def __init__(self, is_out: bool) -> None:
        self._is_out = is_out
        self._awaited: deque[Frame] = deque()
        self._inside = False
        self._rest = b""
        self.noise = Capture(_NOISE, 0)
        self.noisy = False

    def expect(self, frame: Frame) -> None:
        """A frame that will come after those that are awaited already."""
        self._awaited.append(frame)

    def feed(self, piece: bytes) -> bool:
        """The next bytes; whether a frame's end was among them."""
        self._rest += piece
        ended = False
        while self._awaited:
            step = self._leave if self._inside else self._enter
            if not step(self._awaited[0]):
                return ended
            ended = ended or not self._inside
        self._drop(len(self._rest))
        return ended

    def end(self) -> None:
        """The stream has ended: what it held back is all there is."""
        if self._inside:
            self._capture(self._awaited[0]).feed(self._rest)
            self._rest = b""
        else:
            self._drop(len(self._rest))

    def lose(self) -> None:
        """The shell has ended: what was to come is lost."""
        self.end()
        self._inside = False
        while self._awaited:
            self._awaited.popleft().lose()

    def _enter(self, frame: Frame) -> bool:
        begin = frame.marks.begin
        at = self._rest.find(begin)
        if at < 0:
            self._drop(len(self._rest) - len(begin) + 1)
            return False
        self._drop(at)
        self._rest = self._rest[len(begin):]
        self._inside = True
        return True

    def _leave(self, frame: Frame) -> bool:
        end = frame.marks.end
        at = self._rest.find(end)
        sure = at if at >= 0 else max(0, len(self._rest) - len(end) + 1)
        self._capture(frame).feed(self._rest[:sure])
        self._rest = self._rest[sure:]
        line, newline, rest = self._rest[len(end):].partition(b"\n")
        if at < 0 or not newline:
            return False
        self._rest = rest
        self._inside = False
        self._awaited.popleft()
        status = line.strip()[:_LONGEST_STATUS].decode("ascii", "replace")
        frame.close(status or "?", self._is_out)
        return True

    def _capture(self, frame: Frame) -> Capture:
        return frame.out if self._is_out else frame.err

    def _drop(self, count: int) -> None:
        """Noise: kept a little, for a person."""
        if count > 0:
            self.noisy = True
            self.noise.feed(self._rest[:count])
            self._rest = self._rest[count:]


class Shell:
    """A shell that is opening, open or ended."""

    def __init__(
        self, words: Sequence[str], cwd: Path, environment: Mapping[str, str],
        names: Sequence[str], wake: Callable[[], None], deaf: bool = False,
    ) -> None:
        """Start to open it. ``wake`` is called, from another thread, when something happened.

        Raises:
            OSError: there is no such program, or it cannot be started.
        """
        self._wake = wake
        self._lock = threading.Lock()
        self._streams = (Stream(True), Stream(False))
        self._told: SimpleQueue[bytes | None] = SimpleQueue()
        self._opened = threading.Event()
        self._no_more_errors = threading.Event()
        self.ended = False
        self.busy = False
        """For whoever opened it: whether it has a command to carry out."""
        self.began = time.monotonic()
        self._process = start_quietly(words, cwd, environment)
        self._hello = self._expect(4096, 0)
        self._threads = self._start_threads(hello(self._hello.marks, names, deaf))

    @property
    def is_open(self) -> bool:
        """Whether it has answered, and not ended."""
        return not self.ended and self._hello.complete and not self._hello.lost

    @property
    def noisy(self) -> bool:
        """Whether something talks in it unasked, since it answered."""
        return any(stream.noisy for stream in self._streams)

    @property
    def pid(self) -> int:
        """Its process in the distro; 0 before it is open."""
        number = self._hello.out.kept.partition(b" ")[0]
        return int(number) if number.isdigit() else 0

    @property
    def directory(self) -> str:
        """The directory it started in, as the distro knows it; empty before it is open."""
        where = self._hello.out.kept.partition(b" ")[2]
        return where.decode("utf-8", "surrogateescape")

    @property
    def words(self) -> str:
        """What it said outside of all answers, for a person."""
        said = [readable(stream.noise.kept) for stream in self._streams]
        return " ".join(" ".join(said).split())[:600]

    @property
    def last_words(self) -> str:
        """How a shell that has ended did so, for a person: its exit status, and what it said."""
        status = self._process.poll()
        how = "closed its output" if status is None else f"ended with exit status {_shown(status)}"
        return f"wsl {how}, and said {f'this: {self.words}' if self.words else 'nothing'}"

    def wait_open(self, seconds: float) -> bool:
        """Wait until it is open; whether it is."""
        return self._hello.wait(seconds) and self.is_open

    def ask(self, program: str, head: int = 65536, tail: int = 0) -> Frame:
        """Say a program, whose exit status it leaves in `$s`; the answer comes after those that
        are due already.

        Raises:
            UnicodeEncodeError: it holds what cannot be said.
        """
        frame = Frame(head, tail)
        told = frame.marks.around(program).encode("utf-8", "surrogateescape")
        with self._lock:
            if self.ended:
                frame.lose()
                return frame
            for stream in self._streams:
                stream.expect(frame)
            self._told.put(told)
        return frame

    def close(self) -> None:
        """End its input, once all was said to it: it ends by itself then."""
        self._told.put(None)

    def kill(self) -> None:
        """End the process that holds it, at once. What it runs in the distro is not ended."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self._opened.set()
        self.close()

    def gone(self, seconds: float = 0.0) -> bool:
        """Whether its process has ended; waits for that a while."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        for thread in self._threads:
            thread.join(min(seconds, 1.0))
        return True

    def _expect(self, head: int, tail: int) -> Frame:
        frame = Frame(head, tail)
        for stream in self._streams:
            stream.expect(frame)
        return frame

    def _start_threads(self, first: str) -> list[threading.Thread]:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        works: list[tuple[Callable[..., None], tuple[object, ...]]] = [
            (self._write, (process.stdin, first.encode())),
            (self._read, (process.stdout, self._streams[0])),
            (self._read, (process.stderr, self._streams[1])),
        ]
        threads = [threading.Thread(target=work, args=args, daemon=True) for work, args in works]
        for thread in threads:
            thread.start()
        return threads

    def _write(self, pipe: IO[bytes], first: bytes) -> None:
        # A shell may read ahead: until it has become ours, what was meant for it would be lost.
        with contextlib.suppress(OSError), pipe:
            _write_all(pipe, first)
            self._opened.wait()
            # Where there is no shell nothing was begun, and it may all be said to another one.
            while self.is_open and (told := self._told.get()) is not None:
                _write_all(pipe, told)

    def _read(self, pipe: IO[bytes], stream: Stream) -> None:
        with pipe:
            while piece := _next_piece(pipe):
                with self._lock:
                    news = stream.feed(piece)
                    self._note_opening()
                if news:
                    self._wake()
        with self._lock:
            stream.end()
        if stream is not self._streams[0]:
            self._no_more_errors.set()
            return  # the other one tells whether the shell has ended
        self._hear_out()
        with self._lock:
            self.ended = True
            for each in self._streams:
                each.lose()
        self._opened.set()
        self._told.put(None)
        self._wake()

    def _hear_out(self) -> None:
        """Why there is no shell, it tells by the other stream and its status: a moment for both."""
        if not self._opened.is_set():
            self._no_more_errors.wait(_STRAGGLER)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STRAGGLER)

    def _note_opening(self) -> None:
        if not self._opened.is_set() and self._hello.complete:
            for stream in self._streams:
                stream.noisy = False
            self._opened.set()


def start_quietly(
    words: Sequence[str], cwd: Path, environment: Mapping[str, str], with_input: bool = True
) -> subprocess.Popen[bytes]:
    """Start a program with pipes, and on Windows without a console window.

    Raises:
        OSError: there is no such program, or it cannot be started.
    """
    stdin = subprocess.PIPE if with_input else subprocess.DEVNULL
    if sys.platform == "win32":
        return subprocess.Popen(
            words, bufsize=0, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=cwd, env=dict(environment), creationflags=subprocess.CREATE_NO_WINDOW,
        )
    return subprocess.Popen(
        words, bufsize=0, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd=cwd, env=dict(environment), start_new_session=True,
    )


def readable(said: bytes) -> str:
    """What `wsl` itself says is UTF-16 without a mark, what the distro says UTF-8.

    UTF-8 has no NULs, and UTF-16 has them at the latest in its line's end. Where nothing but NULs
    tells it from plain text, both may be in it, one after the other.
    """
    if said.startswith(b"\xff\xfe"):
        return said[2:].decode("utf-16-le", "replace")
    plain = said.replace(b"\0", b"")
    text = plain.decode("utf-8", "replace")
    odd = [c for c in text if c == "\ufffd" or not (c.isprintable() or c.isspace())]
    if len(plain) == len(said) or not odd:
        return text
    return said.decode("utf-16-le", "replace")


def _shown(status: int) -> str:
    """Windows' own are known to people by eight digits, as 0xC0000005."""
    return f"0x{status:08X}" if status > 0xFFFF else str(status)


def _write_all(pipe: IO[bytes], told: bytes) -> None:
    """A pipe without a buffer may take a part of it only."""
    left = memoryview(told)
    while left:
        left = left[pipe.write(left) or 0:]


def _next_piece(pipe: IO[bytes]) -> bytes:
    try:
        return os.read(pipe.fileno(), _CHUNK)
    except OSError:
        return b""
