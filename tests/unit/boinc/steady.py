"""How hypothesis is used here: the same examples each time, no files, no limit that load can hit."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

steady = settings(
    deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
