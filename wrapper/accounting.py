"""What is told to the client of a job: its CPU time, its memory, how far it is.

CPU time is the cgroup's own, plus what earlier runs of the job used whose cgroups are gone. A
reading that fails keeps the last; CPU time never goes back.
"""

from __future__ import annotations

from wrapper.engine import usage
from wrapper.engine.hosts.base import Host


class Accounts:
    """The job's use of the machine. Times in s, memory in bytes."""

    def __init__(self, cpu_before: float, cpu_time: float) -> None:
        """``cpu_before`` was used by runs that are over; ``cpu_time`` is what was told last."""
        self._before = cpu_before
        self.cpu_time = max(cpu_before, cpu_time)
        self.wss = 0.0
        self._estimated: float | None = None
        self._files: usage.CgroupFiles | None = None

    @property
    def blind(self) -> bool:
        """Whether there is no cgroup to read."""
        return self._files is None

    def follow(self, host: Host, pid: int, container_id: str) -> None:
        """From now on read the cgroup of this process."""
        self._files = usage.find(host, pid, container_id)
        self.read(host)

    def read(self, host: Host) -> None:
        """Take a reading, where there is something to read."""
        if self._files is None:
            return
        told = usage.read(host, self._files)
        if told is not None:
            self.take(told)

    def take(self, told: usage.Usage) -> None:
        """Count a reading of the run that goes on."""
        self.cpu_time = max(self.cpu_time, self._before + told.cpu)
        self.wss = told.wss

    def estimate(self, told: usage.Sample, now: float) -> None:
        """Count what the engine says at ``now`` (monotonic, s) where no cgroup can be read.

        Podman tells the CPU time since the start; Docker only how busy the job is at this moment,
        which is taken for all the time since the last estimate.
        """
        elapsed = now - self._estimated if self._estimated is not None else 0.0
        self._estimated = now
        self.wss = told.wss
        if told.cpu is not None:
            self.cpu_time = max(self.cpu_time, self._before + told.cpu)
        else:
            self.cpu_time += told.rate * elapsed

    def rest(self) -> None:
        """The job stands still: what an estimate says next is not for this time."""
        self._estimated = None

    def begin_again(self) -> None:
        """The run is over without an end; the next counts from zero, on top of it."""
        self._before = self.cpu_time
        self._files = None
        self._estimated = None
        self.wss = 0.0
