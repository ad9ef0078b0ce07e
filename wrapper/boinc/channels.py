"""The shared memory between the BOINC client and a job: eight channels for one short text each.

The layout is that of ``MSG_CHANNEL`` and ``SHARED_MEM`` in BOINC's ``lib/app_ipc.h``: 1,024 bytes a
channel; byte 0 is 1 while a text waits and 0 else, then comes the text, ended by a NUL. This module
moves texts and opens the segment on each system. What the texts mean is not known here.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from wrapper.boinc.files import open_regular

CHANNEL_SIZE = 1024
LONGEST_TEXT = CHANNEL_SIZE - 2
"""Bytes of a text that fit between the flag and the NUL."""
NAMES = (
    "process_control_request",
    "process_control_reply",
    "graphics_request",
    "graphics_reply",
    "heartbeat",
    "app_status",
    "trickle_up",
    "trickle_down",
)
"""The channels in the order in which they lie in the segment."""
SEGMENT_SIZE = CHANNEL_SIZE * len(NAMES)
MMAP_FILE = "boinc_mmap_file"
UNASKED = b"\0"
"""The flag of a channel that nothing waits in."""


class Channel:
    """One channel. One side only writes to it, the other one only reads it."""

    __slots__ = ("_bytes", "_parts")

    def __init__(self, memory: memoryview) -> None:
        """``memory``: the bytes of the channel, writable."""
        if len(memory) != CHANNEL_SIZE or memory.readonly:
            raise ValueError(f"a channel needs {CHANNEL_SIZE} writable bytes")
        self._bytes = memory
        self._parts: dict[int, memoryview] = {}

    @property
    def waiting(self) -> bool:
        """Whether there is a text that was not read yet."""
        return self._bytes[0] != 0

    def beginning(self, size: int) -> memoryview:
        """The first bytes, as they are at any time until :meth:`release`."""
        if size not in self._parts:
            self._parts[size] = self._bytes[:size]
        return self._parts[size]

    def clear(self) -> None:
        """Take the waiting text away."""
        self._bytes[0] = 0

    def read(self) -> str | None:
        """Take the waiting text out; None where there is none."""
        if self._bytes[0] == 0:
            return None
        text = bytes(self._bytes[1:])
        self._bytes[0] = 0
        return text.split(b"\0", 1)[0].decode("utf-8", "replace")

    def write(self, text: str) -> bool:
        """Put a text in if there is none, and tell whether it was put in.

        Raises:
            ValueError: the text is longer than 1,022 bytes or holds a NUL.
        """
        content = _content(text)
        if self._bytes[0] != 0:
            return False
        self._put(content)
        return True

    def overwrite(self, text: str) -> None:
        """Put a text in, in the place of one that was not read.

        Raises:
            ValueError: the text is longer than 1,022 bytes or holds a NUL.
        """
        content = _content(text)
        self._bytes[0] = 0
        self._put(content)

    def _put(self, content: bytes) -> None:
        """The text first, the flag last: the other side looks at any time."""
        self._bytes[1 : 1 + len(content)] = content
        self._bytes[0] = 1

    def release(self) -> None:
        """Let go of the memory, so that it can be unmapped."""
        for part in self._parts.values():
            part.release()
        self._bytes.release()


def _content(text: str) -> bytes:
    """A text as it lies in the memory, with its NUL."""
    content = text.encode("utf-8", "surrogateescape")
    if len(content) > LONGEST_TEXT:
        raise ValueError(f"a text of {len(content)} bytes, a channel holds {LONGEST_TEXT}")
    if b"\0" in content:
        raise ValueError("a text for a channel cannot hold a NUL")
    return content + b"\0"


class Segment:
    """The eight channels, by their names."""

    def __init__(
        self,
        memory: mmap.mmap | bytearray | memoryview,
        unmap: Callable[[], object] | None = None,
        descriptor: int = -1,
    ) -> None:
        """``memory``: at least 8,192 writable bytes; ``unmap`` gives them back at the end.

        ``descriptor``: the file behind it, owned by this object from now on.
        """
        self._unmap = unmap
        self._descriptor = descriptor
        self._memory = memoryview(memory).cast("B")
        if len(self._memory) < SEGMENT_SIZE:
            raise ValueError(f"a segment needs {SEGMENT_SIZE} bytes, not {len(self._memory)}")
        self._channels = {
            name: Channel(self._memory[start : start + CHANNEL_SIZE])
            for name, start in zip(NAMES, range(0, SEGMENT_SIZE, CHANNEL_SIZE), strict=True)
        }
        self.process_control_request = self._channels["process_control_request"]
        self.process_control_reply = self._channels["process_control_reply"]
        self.graphics_request = self._channels["graphics_request"]
        self.graphics_reply = self._channels["graphics_reply"]
        self.heartbeat = self._channels["heartbeat"]
        self.app_status = self._channels["app_status"]
        self.trickle_up = self._channels["trickle_up"]
        self.trickle_down = self._channels["trickle_down"]

    def whole(self) -> bool:
        """Whether the memory is still there.

        A job can cut its own slot's ``boinc_mmap_file`` short; to touch the mapping then would end
        this process by SIGBUS.
        """
        return self._descriptor < 0 or os.fstat(self._descriptor).st_size >= SEGMENT_SIZE

    def glance(self, name: str, size: int = 1) -> Callable[[], bytes]:
        """A function that gives the first ``size`` bytes of the channel of that name, or fewer when
        the memory was cut short; it never ends this process. The first is :data:`UNASKED` as long
        as nothing waits there.
        """
        if sys.platform == "win32" or self._descriptor < 0:
            return partial(bytes, self._channels[name].beginning(size))
        return partial(os.pread, self._descriptor, size, CHANNEL_SIZE * NAMES.index(name))

    def close(self) -> None:
        """Let go of the memory. No channel can be used after that."""
        for channel in self._channels.values():
            channel.release()
        self._memory.release()
        if self._unmap is not None:
            self._unmap()
            self._unmap = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def open_unix(slot: Path) -> Segment | None:
    """Map the ``boinc_mmap_file`` of a slot; None where it is missing, too short or no file."""
    try:
        descriptor = open_regular(slot / MMAP_FILE, os.O_RDWR)
    except OSError:
        return None
    try:
        if os.fstat(descriptor).st_size < SEGMENT_SIZE:
            os.close(descriptor)
            return None
        memory = mmap.mmap(descriptor, SEGMENT_SIZE)
    except (OSError, ValueError):
        os.close(descriptor)
        return None
    return Segment(memory, memory.close, descriptor)


def open_sysv(shm_key: int) -> Segment | None:
    """Attach to the System V segment of an old client; None where there is none by this key."""
    if sys.platform == "win32" or shm_key <= 0:
        return None
    import ctypes  # not at the top: it costs memory, and few clients need it

    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    libc.shmat.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
    libc.shmdt.argtypes = (ctypes.c_void_p,)
    identifier = libc.shmget(ctypes.c_int(shm_key), ctypes.c_size_t(SEGMENT_SIZE), 0)
    if identifier < 0:
        return None
    address = libc.shmat(identifier, None, 0)
    if address is None or address == ctypes.c_void_p(-1).value:
        return None
    memory = (ctypes.c_ubyte * SEGMENT_SIZE).from_address(address)
    return Segment(memoryview(memory), partial(libc.shmdt, address))


def open_windows(comm_obj_name: str) -> Segment | None:
    """Map the named segment of a client on Windows; None where there is none by this name.

    ``mmap`` of the standard library would make an empty one then, so the system is asked itself.
    """
    if sys.platform != "win32" or not comm_obj_name:
        return None
    import ctypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenFileMappingW.restype = ctypes.c_void_p
    kernel.OpenFileMappingW.argtypes = (ctypes.c_uint32, ctypes.c_int, ctypes.c_wchar_p)
    kernel.MapViewOfFile.restype = ctypes.c_void_p
    kernel.MapViewOfFile.argtypes = (
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_size_t,
    )
    kernel.UnmapViewOfFile.argtypes = (ctypes.c_void_p,)
    kernel.CloseHandle.argtypes = (ctypes.c_void_p,)
    read_and_write = 0x0002 | 0x0004
    for name in windows_names(comm_obj_name):
        handle = kernel.OpenFileMappingW(read_and_write, 0, name)
        if not handle:
            continue
        address = kernel.MapViewOfFile(handle, read_and_write, 0, 0, SEGMENT_SIZE)
        kernel.CloseHandle(handle)  # the view keeps the mapping alive
        if address:
            memory = (ctypes.c_ubyte * SEGMENT_SIZE).from_address(address)
            return Segment(memoryview(memory), partial(kernel.UnmapViewOfFile, address))
    return None


def windows_names(comm_obj_name: str) -> tuple[str, str, str]:
    """The names a mapping may have: a client that runs as a service makes a global one."""
    name = f"shm_{comm_obj_name}"
    return (name, f"Local\\{name}", f"Global\\{name}")
