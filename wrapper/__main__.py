"""`python -m wrapper`, and what the console script ``docker_wrapper`` calls."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the job of the current directory and exit with its status."""
    from wrapper.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
