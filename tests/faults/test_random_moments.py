"""A few kills at random moments; more of them by `make soak`. The seed is told where it fails."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Play
from tests.faults.jobs import counting
from tests.faults.random_moments import Tally, torment
from tests.lab.engines import ENGINE_ROOM, Lab

pytestmark = [*ENGINE_ROOM, pytest.mark.timeout(300)]


@pytest.mark.parametrize("seed", [20261129])
def test_killed_at_random_moments_it_is_one_run_and_one_finish(
    play: Play, engine_lab: Lab, seed: int
) -> None:
    client = play(counting("random", 4))
    tally = Tally()
    assert torment(engine_lab, client, seed, 6, 4, tally) == [], client.story()
    assert (tally.lost, tally.jobs) == (0, 1)
