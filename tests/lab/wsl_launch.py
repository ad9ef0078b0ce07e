"""Starts the wrapper of this checkout as if it ran on Windows: its engines live in WSL distros.

The client's side stays this machine's. To be run in a slot, with a `wsl` on PATH.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

if __name__ == "__main__":
    from wrapper import cli
    from wrapper.beginning import begin

    vars(cli)["begin"] = functools.partial(begin, platform="win32")
    sys.exit(cli.main())
