"""What tests of several modules need: steady hypothesis (no files, no time limits), and a FIFO."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

steady = settings(
    deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def make_fifo(path: Path) -> None:
    """A FIFO, which would hold up whoever opens it without care. Unix only."""
    if sys.platform != "win32":
        os.mkfifo(path)
