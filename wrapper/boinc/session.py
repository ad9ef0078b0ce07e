"""A job's conversation with the BOINC client, or with nobody.

:class:`Session` speaks over the shared memory, :class:`Standalone` stands in where there is no
client; both show the same face, :class:`Client`. Nothing here waits, reads a clock or does what the
client asks for: it notes what was asked, and the caller acts. What the messages look like is in
BOINC's ``api/boinc_api.cpp`` and ``client/app_control.cpp``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from wrapper.boinc.channels import (
    CHANNEL_SIZE,
    LONGEST_TEXT,
    UNASKED,
    Segment,
    open_sysv,
    open_unix,
    open_windows,
)
from wrapper.boinc.client_process import ClientProcess
from wrapper.boinc.init_data import InitData
from wrapper.boinc.status import Status
from wrapper.boinc.tags import children, flag, number, whole_number

HEARTBEAT_LIMIT = 30.0
"""Seconds without a heartbeat after which a client without a known pid is dead."""
PID_INTERVAL = 5.0
"""Seconds between two looks at the client's process, where its end does not wake us."""
LONGEST_GAP = 10.0
"""A longer time (s) between two polls means that we were stopped or asleep, not the client."""


class Client(ABC):
    """What is known of the client, and what can be told to it.

    Times called ``now`` are seconds of a clock that never goes back, ``time.monotonic()``.
    """

    def __init__(self) -> None:
        self.suspended = False
        """Whether the job is to stand still."""
        self.quit_asked = False
        """The client wants us to end, and will start us again."""
        self.abort_asked = False
        """The client gave the job up."""
        self.network_suspended = False
        self.sporadic_ca: int | None = None
        """The client's state towards a sporadic job, for its file ``ca``."""
        self.max_wss: float | None = None
        """The largest working set in bytes that the client would let pass."""
        self.reread_asked = False
        """``init_data.xml`` was written anew; see :meth:`take_reread`."""
        self.trickle_down_asked = False
        """There is a new ``trickle_down`` file in the slot."""
        self.upload_status_asked = False
        """There is a new ``boinc_ufs_`` file in the slot."""

    def take_reread(self) -> bool:
        """Whether to read ``init_data.xml`` again; says so once for each time it was asked."""
        asked, self.reread_asked = self.reread_asked, False
        return asked

    @property
    @abstractmethod
    def standalone(self) -> bool:
        """Whether there is no client."""

    @abstractmethod
    def poll(self, now: float) -> None:
        """Take what the client said, send what waits. Cheap; to be called about 10 times a s."""

    @abstractmethod
    def hear(self, now: float) -> bool:
        """Take no more than the heartbeat, which :meth:`poll` does too; whether there was one."""

    @abstractmethod
    def glance(self) -> Callable[[], bytes]:
        """A function that tells ``UNASKED`` as long as the client has asked for nothing that
        :meth:`poll` has not taken yet. A heartbeat asks for nothing.

        As cheap as can be, for a loop that has nothing else to do; good until the next
        :meth:`poll`. It raises OSError where only :meth:`poll` can say what has happened.
        """

    @abstractmethod
    def client_gone(self, now: float) -> str | None:
        """How we know that the client is dead, in words; None while it is not."""

    def handles(self) -> tuple[int, ...]:
        """Descriptors that become readable when the client ends, until that is known; there may be
        none although it can end.
        """
        return ()

    @abstractmethod
    def report(self, status: Status) -> bool:
        """Tell how the job does; False if that has to wait until the client has read the last.

        What waits is sent by :meth:`poll`; of several the newest is sent, the others never.
        """

    @abstractmethod
    def last(self, status: Status, insist: bool = False) -> bool:
        """Tell how the job ended up, and nothing after that; True once it is told.

        To be called again until it is True, or until patience is at its end: ``insist`` puts it in
        the place of what the client has not read. The client reads once more after we are gone.
        """

    @abstractmethod
    def tell_graphics(self, url: str) -> None:
        """Tell where the job shows itself; waits until the channel is free.

        Raises:
            ValueError: the address does not fit into a message.
        """

    @abstractmethod
    def tell_trickle_up(self) -> None:
        """Tell that there is a ``trickle_up.xml`` to be sent; waits until the channel is free."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the client."""


class Standalone(Client):
    """Nobody is there: never asks for anything, is never gone, and hears nothing."""

    @property
    def standalone(self) -> bool:
        """True."""
        return True

    def poll(self, now: float) -> None:
        """Nothing to take."""

    def hear(self, now: float) -> bool:  # noqa: ARG002
        """There is no heart."""
        return False

    def glance(self) -> Callable[[], bytes]:
        """Nobody ever asks."""
        return _unasked

    def client_gone(self, now: float) -> str | None:  # noqa: ARG002 - the face has it
        """Never."""
        return None

    def report(self, status: Status) -> bool:  # noqa: ARG002
        """Nothing has to wait."""
        return True

    def last(self, status: Status, insist: bool = False) -> bool:  # noqa: ARG002
        """Nothing has to wait."""
        return True

    def tell_graphics(self, url: str) -> None:
        """Nobody would look."""

    def tell_trickle_up(self) -> None:
        """Nobody would send it."""

    def close(self) -> None:
        """Nothing to let go of."""


class Session(Client):
    """A client that speaks to us over a segment of shared memory."""

    def __init__(self, segment: Segment, client_pid: int, now: float) -> None:
        """``client_pid``: 0 where the client did not tell it."""
        super().__init__()
        self._segment = segment
        self._process = ClientProcess(client_pid) if client_pid > 0 else None
        self._last_poll = now
        self._last_beat = now
        self._next_look = now
        self._gone: str | None = None
        self._status: str | None = None
        self._graphics: str | None = None
        self._trickle_up = False
        self._ended = False
        self._last = ""
        self._look_for_beat = segment.glance("heartbeat", CHANNEL_SIZE)
        self._heard = b""

    @property
    def standalone(self) -> bool:
        """False."""
        return False

    def poll(self, now: float) -> None:
        """Take what the client said, send what waits."""
        if not self._reachable():
            return
        self.hear(now)
        segment = self._segment
        if segment.process_control_request.waiting:
            self._obey(segment.process_control_request.read() or "")
        if segment.trickle_down.waiting:
            self._note_trickle_down(segment.trickle_down.read() or "")
        self._send_waiting()

    def hear(self, now: float) -> bool:
        """Take the heartbeat, if there is one. Most say what the one before said."""
        if self._gone is not None:
            return False
        if now - self._last_poll > LONGEST_GAP:
            self._last_beat = now
        self._last_poll = now
        said = self._look_for_beat()
        if said[:1] == UNASKED or len(said) < CHANNEL_SIZE:
            return False
        self._segment.heartbeat.clear()
        self._last_beat = now
        if said != self._heard:
            self._heard = said
            self._understand(said[1:].partition(b"\0")[0])
        return True

    def glance(self) -> Callable[[], bytes]:
        """Looks at the flag of a request; without a client, at nothing."""
        return self._segment.glance("process_control_request") if self._gone is None else _unasked

    def client_gone(self, now: float) -> str | None:
        """By its process where that is known, else by the heartbeat."""
        if self._gone is None and self._process is not None:
            if now >= self._next_look or self._process.handle is not None:
                self._next_look = now + PID_INTERVAL
                if not self._process.alive():
                    self._gone = f"the client's process {self._process.pid} is gone"
        elif self._gone is None and now - self._last_beat > HEARTBEAT_LIMIT:
            silence = now - self._last_beat
            self._gone = f"no heartbeat of the client for {silence:.0f} s"
        return self._gone

    def handles(self) -> tuple[int, ...]:
        """The client's process, where it can wake us."""
        if self._gone is not None or self._process is None or self._process.handle is None:
            return ()
        return (self._process.handle,)

    def report(self, status: Status) -> bool:
        """Tell how the job does; the newest waits while the channel is full."""
        if self._ended:
            return False
        self._status = status.text()
        return self._send_status()

    def last(self, status: Status, insist: bool = False) -> bool:
        """Tell how the job ended up, and nothing after that."""
        text = status.text()
        if self._ended and self._status is None and text == self._last:
            return True  # poll() has sent it since
        self._ended, self._status, self._last = True, text, text
        if insist and self._reachable():
            self._segment.app_status.overwrite(self._status)
            self._status = None
            return True
        return self._send_status()

    def tell_graphics(self, url: str) -> None:
        """Tell where the job shows itself."""
        escaped = url.replace("&", "&amp;").replace("<", "&lt;")
        text = f"<web_graphics_url>{escaped}</web_graphics_url>"
        if len(text.encode("utf-8")) > LONGEST_TEXT or "\0" in text:
            raise ValueError(f"an address of {len(url)} characters cannot be told to the client")
        self._graphics = text
        self._send_waiting()

    def tell_trickle_up(self) -> None:
        """Tell that there is a ``trickle_up.xml`` to be sent."""
        self._trickle_up = True
        self._send_waiting()

    def close(self) -> None:
        """Unmap the shared memory, and let go of the process."""
        self._gone = self._gone or "the session was closed"
        if self._process is not None:
            self._process.close()
        self._segment.close()

    def _reachable(self) -> bool:
        """Whether the memory can be touched; a client without it cannot be spoken with again."""
        if self._gone is None and not self._segment.whole():
            self._gone = "the memory shared with the client was cut short"
        return self._gone is None

    def _obey(self, text: str) -> None:
        """A request of the client. What is not known here asks for nothing."""
        if "<suspend/>" in text:
            self.suspended = True
        if "<resume/>" in text:
            self.suspended = False
        if "<quit/>" in text:
            self.quit_asked = True
        if "<abort/>" in text:
            self.abort_asked = True
        if "<reread_app_info/>" in text:
            self.reread_asked = True

    def _understand(self, text: bytes) -> None:
        """What comes with a heartbeat."""
        found = _said(text)
        # The client of 7.x and 8.x writes the first name, BOINC's own API looks for the second.
        names = ("network_suspended", "suspend_network")
        self.network_suspended = any(flag(found[name]) for name in names if name in found)
        max_wss = number(found.get("max_wss"))
        if max_wss is not None:
            self.max_wss = max_wss
        sporadic_ca = whole_number(found.get("sporadic_ca"))
        if sporadic_ca is not None:
            self.sporadic_ca = sporadic_ca

    def _note_trickle_down(self, text: str) -> None:
        if "<have_trickle_down/>" in text:
            self.trickle_down_asked = True
        if "<upload_file_status/>" in text:
            self.upload_status_asked = True

    def _send_waiting(self) -> None:
        """Send what could not be sent before. Without a client it waits for ever."""
        waits = self._status is not None or self._graphics is not None or self._trickle_up
        if not waits or not self._reachable():
            return
        self._send_status()
        if self._graphics is not None and self._segment.graphics_reply.write(self._graphics):
            self._graphics = None
        if self._trickle_up and self._segment.trickle_up.write("<have_new_trickle_up/>\n"):
            self._trickle_up = False

    def _send_status(self) -> bool:
        """Whether there is nothing left to tell."""
        if self._status is None:
            return True
        if self._reachable() and self._segment.app_status.write(self._status):
            self._status = None
            return True
        return False


def open_session(slot: Path, init_data: InitData | None, now: float) -> Client:
    """Meet the client of a slot; :class:`Standalone` where there is no init data or no segment."""
    if init_data is None:
        return Standalone()
    segment = (
        open_windows(init_data.comm_obj_name)
        or open_sysv(init_data.shm_key)
        or open_unix(slot)
    )
    if segment is None:
        return Standalone()
    return Session(segment, init_data.client_pid, now)


def _unasked() -> bytes:
    return UNASKED


def _said(text: bytes) -> dict[str, bytes | None]:
    """The elements of a message; nothing where it is garbage."""
    try:
        return dict(children(text))
    except ValueError:
        return {}
