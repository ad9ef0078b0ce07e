"""These tests are Windows Python's: `make test-windows` runs them."""

from __future__ import annotations

import sys

collect_ignore_glob = [] if sys.platform == "win32" else ["test_*.py"]
