"""Hypothesis without a clock and a folder of its own: a busy machine is no reason to fail."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "steady", deadline=None, database=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")
