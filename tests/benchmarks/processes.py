"""What the kernel tells of processes: who is born, whose memory is what, who is whose parent.

Births come from the kernel's process connector (connector/cn_proc), which slows nobody and misses
nobody however short a life was; it needs root and Linux.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

_AF_NETLINK = 16  # only Linux's socket module names it
_NETLINK_CONNECTOR = 11
_CN_PROC = (1, 1)  # CN_IDX_PROC, CN_VAL_PROC
_LISTEN = 1  # PROC_CN_MCAST_LISTEN
_FORK = 1  # PROC_EVENT_FORK
_SO_RCVBUFFORCE = 33
_HEADERS = 16 + 20  # struct nlmsghdr, struct cn_msg
_EVENT = struct.Struct("=IIQ")  # what, cpu, timestamp_ns
_FORKED = struct.Struct("=IIII")  # parent's pid and tgid, child's pid and tgid


class Births:
    """Listens for processes that a family has: those given, and all that descend from them."""

    def __init__(self) -> None:
        """From now on.

        Raises:
            OSError: this kernel does not tell us.
        """
        self._socket = socket.socket(_AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_CONNECTOR)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 << 20)
            self._socket.bind((0, _CN_PROC[0]))
            self._socket.send(listen_message())
        except OSError:
            self._socket.close()
            raise

    def count(self, family: Iterable[int]) -> int:
        """How many were born into a family since the beginning. Ends listening.

        Raises:
            OSError: there was more to tell than fits.
        """
        known, born = set(family), 0
        with self._socket:
            while True:
                try:
                    message = self._socket.recv(4096)
                except BlockingIOError:
                    return born
                parent, child = forked(message)
                if parent in known:
                    known.add(child)
                    born += 1

    def close(self) -> None:
        """End listening."""
        self._socket.close()


def listen_message() -> bytes:
    """The request to be told (linux/netlink.h, linux/connector.h, linux/cn_proc.h)."""
    body = struct.pack("=IIIIHHI", *_CN_PROC, 0, 0, 4, 0, _LISTEN)
    return struct.pack("=IHHII", 16 + len(body), 3, 0, 0, 0) + body


def forked(message: bytes) -> tuple[int, int]:
    """Parent and child of a new process; (0, 0) when the message tells of something else."""
    what, _, _ = _EVENT.unpack_from(message, _HEADERS)
    if what != _FORK:
        return 0, 0
    _, parent, child, group = _FORKED.unpack_from(message, _HEADERS + _EVENT.size)
    return (parent, child) if child == group else (0, 0)  # else it is a thread


def pss(pid: int) -> int:
    """A process's share of memory, in bytes: its own, and its part of what it shares."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no Pss in smaps_rollup of {pid}")


def own_memory(pid: int) -> int:
    """What only this process has, in bytes: what its end would give back."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return 1024 * sum(
        int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_")
    )


def parent_of(pid: int) -> int:
    """A process's parent."""
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def cpu_of(pid: int) -> float:
    """CPU time of all threads of one process, in s; exact where /proc/PID/schedstat is."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        total += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    return total / 1e9
