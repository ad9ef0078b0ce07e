"""How hypothesis works here: no limit of time for one example, since a busy machine is no bug, and
no file of examples left behind.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("quiet", deadline=None, database=None, derandomize=True)
settings.load_profile("quiet")
