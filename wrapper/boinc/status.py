"""What a job tells the client about itself, and the message for it (``app_status``).

The message is what BOINC's ``client/app_control.cpp`` reads in ``get_app_status_msg``.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Status(NamedTuple):
    """What a job tells about itself. What is None is not told."""

    cpu_time: float = 0.0
    """CPU time of all episodes, in s."""
    checkpoint_cpu_time: float = 0.0
    """The same at the last checkpoint."""
    fraction_done: float | None = None
    """0..1, of the whole job; see :func:`scaled`."""
    wss: float | None = None
    """Working set in bytes, where the client cannot see it by itself."""
    want_network: bool = False
    sporadic_ac: int | None = None
    """State of a sporadic job, as it wrote it into its file ``ac``."""
    other_pid: int | None = None
    """A process of the job's that the client is to account for as well."""

    def text(self) -> str:
        """The message for ``app_status``."""
        # in one piece, since it is made each second; what is not a number is left out
        said = (
            f"<current_cpu_time>{self.cpu_time:e}</current_cpu_time>\n"
            f"<checkpoint_cpu_time>{self.checkpoint_cpu_time:e}</checkpoint_cpu_time>\n"
        )
        if self.fraction_done is not None:
            said += f"<fraction_done>{self.fraction_done:e}</fraction_done>\n"
        if self.wss is not None:
            said += f"<wss>{self.wss:e}</wss>\n"
        if self.want_network:
            said += "<want_network>1</want_network>\n"
        if self.sporadic_ac is not None:
            said += f"<sporadic_ac>{self.sporadic_ac}</sporadic_ac>\n"
        if self.other_pid is not None:
            said += f"<other_pid>{self.other_pid}</other_pid>\n"
        return _NO_NUMBER.sub("", said) if ">nan<" in said or "inf<" in said else said


_NO_NUMBER = re.compile(r"<(\w+)>(?:nan|-?inf)</\1>\n")


def scaled(fraction: float, start: float, end: float) -> float:
    """What is done of the whole job, where this program does its part from ``start`` to ``end``.

    All are 0..1; ``start`` and ``end`` are ``fraction_done_start`` and ``_end`` of the init data.
    """
    return start + min(max(fraction, 0.0), 1.0) * (end - start)
