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
        self._since: float | None = None
        # when what is estimated was brought up to date; None: the job rests
        self._rate, self._ran = 0.0, 0.0
        self._exact: float | None = None
        # how many processors it keeps busy; and since its use was last told exactly, for how many s
        # it has run, and what it had used then
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

    def going(self, now: float) -> None:
        """The job runs from ``now`` on (monotonic, s); where it did, nothing changes."""
        if self._since is None:
            self._since = now

    def estimate(self, told: usage.Sample, now: float) -> None:
        """Count what the engine says at ``now`` (monotonic, s) where no cgroup can be read.

        Podman tells the CPU time since the start; Docker only how busy the job is at this moment,
        which is taken for all the time since the last estimate.
        """
        elapsed = now - self._since if self._since is not None else 0.0
        self._since, self.wss, self._rate = now, told.wss, told.rate
        if told.cpu is None:
            self.cpu_time += told.rate * elapsed
            return
        ran = self._ran + elapsed
        if self._exact is not None and ran > 0:  # else an average since its start has to do
            self._rate = max(0.0, told.cpu - self._exact) / ran
        self._ran, self._exact = 0.0, told.cpu
        self.cpu_time = max(self.cpu_time, self._before + told.cpu)

    def rest(self, now: float) -> None:
        """The job stands still since ``now``, or has ended: until then, and since the last
        estimate, it has worked as before.
        """
        if self._since is None:
            return
        ran, self._since = max(0.0, now - self._since), None
        self._ran += ran
        self.cpu_time += self._rate * ran

    def begin_again(self) -> None:
        """The run is over without an end; the next counts from zero, on top of it."""
        self._before = self.cpu_time
        self._files = None
        self._since, self._rate, self._exact, self._ran = None, 0.0, None, 0.0
        self.wss = 0.0
