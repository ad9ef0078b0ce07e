"""When the client is looked at, with clients of all kinds, in a time that is only reckoned."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.boinc.rhythm import BEHIND, FINE, LONGEST, MEMORY, Rhythm

UNKNOWN = 0.25
REAL = 1.0013
"""Seconds between the heartbeats of Debian's client 7.20."""


@dataclass
class Scene:
    """A client, and somebody who looks at it as a rhythm says."""

    period: float = REAL
    jitter: float = 0.001
    lateness: float = 0.002
    """Seconds that a look comes too late at most."""
    work: float = 0.0
    """Seconds more that the client takes for a pass, on average."""
    now: float = 100.3
    halve: bool = True
    looks: int = 0
    lost: int = 0
    """How often a heartbeat did not come."""
    heard: list[float] = field(default_factory=list)
    """Seconds from each request until it was seen."""

    def __post_init__(self) -> None:
        self.rhythm = Rhythm()
        self.chance = random.Random(1)
        self.next_beat = self.now + 0.77
        self.waiting = False
        self.asked_at: list[float] = []
        self.rhythm.begin(self.now)

    def ask(self, at: float) -> None:
        """A request at some time to come."""
        self.asked_at = sorted([*self.asked_at, at])

    def ask_in_step(self, behind: float = 0.001) -> None:
        """A request just behind the next heartbeat."""
        self.ask(self.next_beat + behind)

    def look(self) -> None:
        """Wait as long as the rhythm says, and look."""
        pause = self.rhythm.pause(self.now, UNKNOWN, self.halve)
        assert 0 < pause <= (LONGEST if self.halve else 1.7)
        self.now += pause + self.chance.random() * self.lateness
        self.looks += 1
        while self.next_beat <= self.now:
            self.waiting = True
            self.next_beat += self.period + self.chance.uniform(-self.jitter, self.jitter)
            self.next_beat += self.chance.expovariate(1 / self.work) if self.work else 0.0
        asked = [at for at in self.asked_at if at <= self.now]
        self.asked_at = self.asked_at[len(asked):]
        self.heard += [self.now - at for at in asked]
        beats = self.waiting and self.rhythm.awaits
        self.lost += self.rhythm.looked(self.now, beats, bool(asked))
        self.waiting = self.waiting and not beats

    def until(self, end: float) -> float:
        """Look until then; how many looks a second that took."""
        start, before = self.now, self.looks
        while self.now < end:
            self.look()
        return (self.looks - before) / (self.now - start)

    def last(self, seconds: float) -> float:
        """Go on for so long."""
        return self.until(self.now + seconds)

    def steady(self) -> Scene:
        """The same, some seconds later."""
        self.last(10)
        return self


@pytest.mark.parametrize("period", [1.0, 1.0005, REAL, 1.004])
def test_a_client_that_only_beats_is_looked_at_little_more_than_twice_a_second(
    period: float,
) -> None:
    assert Scene(period).steady().last(3600) < 2.2


def test_one_look_for_each_heartbeat_does_where_no_more_are_wanted() -> None:
    scene = Scene(halve=False).steady()
    scene.last(120)
    assert scene.last(3600) < 1.2
    scene.ask_in_step()
    scene.last(3)
    assert scene.heard[0] < 2 * BEHIND + FINE
    scene.ask(scene.next_beat + 0.5)
    scene.last(3)
    assert scene.heard[1] < 1.1


def test_requests_with_a_heartbeat_are_heard_at_once_however_long_it_goes_on() -> None:
    scene = Scene().steady()
    for _ in range(500):
        scene.last(17)
        scene.ask_in_step()
        scene.last(1.5)
    assert len(scene.heard) == 500
    assert max(scene.heard) < 2 * BEHIND + FINE
    assert scene.last(60) < 2.2, "none of them was taken for one that came at any time"


@pytest.mark.parametrize("halve", [True, False])
@pytest.mark.parametrize("period", [0.999, 1.01, 1.05, 1.1, 1.3])
def test_a_clients_own_beat_is_learned(period: float, halve: bool) -> None:
    scene = Scene(period, halve=halve).steady()
    scene.last(120)
    assert scene.last(600) < (2.5 if halve else 1.3)
    for _ in range(100):
        scene.last(31)
        scene.ask_in_step()
        scene.last(1.5)
    scene.heard.sort()
    assert scene.heard[50] < 0.08
    assert scene.heard[-1] < (0.7 if halve else 1.4)


@pytest.mark.parametrize("halve", [True, False])
@pytest.mark.parametrize(
    ("jitter", "work"), [(0.01, 0), (0.05, 0), (0.2, 0), (0.3, 0), (0, 0.03), (0, 0.1), (0, 0.4)]
)
def test_an_uneven_beat_never_costs_many_looks(jitter: float, work: float, halve: bool) -> None:
    scene = Scene(1.0, jitter, work=work, halve=halve)
    assert scene.last(3600) < 4.6


@pytest.mark.parametrize(("jitter", "work"), [(0.005, 0), (0.02, 0), (0, 0.005), (0, 0.01)])
def test_a_client_with_some_work_is_heard_soon_in_general(jitter: float, work: float) -> None:
    scene = Scene(1.0, jitter, work=work)
    scene.last(120)
    assert scene.last(600) < 2.3
    for _ in range(100):
        scene.last(31)
        scene.ask_in_step()
        scene.last(1.5)
    scene.heard.sort()
    assert scene.heard[50] < 0.15
    assert scene.heard[-1] < 0.7


def test_a_heartbeat_that_always_waits_never_costs_many_looks() -> None:
    scene = Scene(0.001, 0.0)
    assert scene.last(600) < 4.6


def test_requests_as_of_a_cpu_limit_are_expected_however_they_fall() -> None:
    for offset in range(20):
        scene = Scene().steady()
        for number in range(1, 5):
            scene.ask(scene.now + number + offset / 20)
        scene.last(6)
        scene.heard.clear()
        for number in range(1, 60):
            scene.ask(scene.now + number + offset / 20)
        scene.last(62)
        assert max(scene.heard) < UNKNOWN + 0.01


def test_a_request_at_any_other_time_is_heard_within_half_a_second() -> None:
    for offset in range(1, 20):
        scene = Scene().steady()
        scene.ask(scene.next_beat + offset / 20)
        scene.last(3)
        assert scene.heard[0] < LONGEST


def test_after_one_at_another_time_requests_may_come_at_any_time_for_a_while() -> None:
    scene = Scene().steady()
    scene.ask(scene.next_beat + 0.3)
    scene.last(3)
    scene.heard.clear()
    for number in range(100):
        scene.ask(scene.now + number % 10 / 10)
        scene.last(2)
    assert max(scene.heard) < UNKNOWN + 0.01
    assert scene.last(60) < 4.6
    scene.last(MEMORY + 10)
    assert scene.last(60) < 2.2, "that is forgotten in the end"


def test_without_a_heart_it_looks_as_often_as_it_is_told() -> None:
    scene = Scene(period=1e9)
    scene.next_beat = 1e12
    assert scene.last(60) == pytest.approx(1 / UNKNOWN, rel=0.02)


def test_a_client_that_was_stopped_and_goes_on_at_another_time_is_found_again() -> None:
    scene = Scene().steady()
    scene.next_beat = scene.now + 20.4
    assert scene.last(20) < 6, "as often as without a heart, after some looks for the heartbeat"
    assert scene.lost == 1
    scene.steady()
    scene.last(60)
    assert scene.last(60) < 2.2
    scene.ask_in_step()
    scene.last(1.5)
    assert scene.heard[0] < 2 * BEHIND + FINE


def test_heartbeats_that_others_took_meanwhile_are_not_missed() -> None:
    scene = Scene().steady()
    for number in range(50):
        # an order of 0.1 to 2 s, in which somebody else hears the client
        scene.now += 0.1 + number % 20 / 10
        while scene.next_beat <= scene.now:
            scene.next_beat += scene.period
        scene.rhythm.begin(scene.now)
        assert scene.last(4) < 4
    scene.ask_in_step()
    scene.last(1.5)
    assert scene.heard[-1] < 2 * BEHIND + FINE


def test_a_look_that_comes_late_does_not_lose_the_beat() -> None:
    scene = Scene(lateness=0.15).steady()
    assert scene.last(600) < 6
    scene.lateness = 0.002
    scene.steady()
    assert scene.last(60) < 2.2


@given(
    st.lists(st.tuples(st.floats(0.001, 40), st.booleans(), st.booleans(), st.booleans())),
    st.floats(0, 1e6),
)
def test_whatever_is_seen_there_is_a_next_look_and_soon(
    seen: list[tuple[float, bool, bool, bool]], now: float
) -> None:
    rhythm = Rhythm()
    rhythm.begin(now)
    for late, beats, asked, begins in seen:
        pause = rhythm.pause(now, UNKNOWN, True)
        assert 0 < pause <= LONGEST
        now += pause + late
        rhythm.looked(now, beats, asked)
        if begins:
            rhythm.begin(now)
