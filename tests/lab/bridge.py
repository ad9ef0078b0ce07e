"""A network bridge with an address, by the kernel's own calls: `ip` and `brctl` need not be
installed.

For a Docker daemon that must not share docker0 with another. The numbers are from linux/sockios.h,
the layout of the request (struct ifreq) from netdevice(7).
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys

if sys.platform != "win32":
    import fcntl

_SIOCBRADDBR, _SIOCBRDELBR = 0x89A0, 0x89A1
_SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C
_UP = 1


def make(name: str, address: str) -> None:
    """A bridge that is up, with an address of its own /24. One that a killed run left is taken."""
    with contextlib.suppress(FileExistsError):
        _call(_SIOCBRADDBR, _padded(name))
    _call(_SIOCSIFADDR, _with_address(name, address))
    _call(_SIOCSIFNETMASK, _with_address(name, "255.255.255.0"))
    _call(_SIOCSIFFLAGS, struct.pack("16sh22x", name.encode(), _UP))


def remove(name: str) -> None:
    """Take it down and away; it may be gone already."""
    with contextlib.suppress(OSError):
        _call(_SIOCSIFFLAGS, struct.pack("16sh22x", name.encode(), 0))
        _call(_SIOCBRDELBR, _padded(name))


def _call(what: int, request: bytes) -> None:
    if sys.platform != "win32":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, what, request)


def _padded(name: str) -> bytes:
    return struct.pack("16s24x", name.encode())


def _with_address(name: str, address: str) -> bytes:
    return struct.pack(
        "16sHH4s16x", name.encode(), socket.AF_INET, 0, socket.inet_aton(address)
    )
