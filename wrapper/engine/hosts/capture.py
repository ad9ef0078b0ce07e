"""What is kept of a stream that may be longer than anybody wants: its beginning and its end.

Knows nothing of processes or descriptors; whoever reads a stream feeds it. Memory is bounded by
head + 2 * tail.
"""

from __future__ import annotations


class Capture:
    """The first ``head`` and the last ``tail`` bytes of a stream."""

    def __init__(self, head: int, tail: int) -> None:
        """``head`` and ``tail`` are in bytes; either may be 0."""
        self._head_size = head
        self._tail_size = tail
        self._head = bytearray()
        self._tail = bytearray()
        self._seen = 0

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the stream."""
        self._seen += len(piece)
        room = self._head_size - len(self._head)
        self._head += piece[:room]
        if self._tail_size:
            self._tail += piece[room:]
            if len(self._tail) > 2 * self._tail_size:
                del self._tail[: -self._tail_size]

    @property
    def left_out(self) -> int:
        """How many bytes between head and tail were not kept."""
        return self._seen - len(self._head) - min(len(self._tail), self._tail_size)

    @property
    def kept(self) -> bytes:
        """Head and tail, one after the other."""
        return bytes(self._head) + self._last()

    def told(self) -> bytes:
        """Head and tail for a person: a line between them tells how much is missing."""
        if not self.left_out:
            return self.kept
        gap = f"\n[... {self.left_out} bytes left out ...]\n".encode()
        return bytes(self._head) + gap + self._last()

    def _last(self) -> bytes:
        return bytes(self._tail[-self._tail_size :]) if self._tail_size else b""
