"""Part of the Windows Python that setup.sh makes: where Wine fails to start a process, it tries
again.

Wine 8 says "internal error" once in some thousand times, more often on a busy machine: the new
process ended before it began with its program, so nothing is done twice. Each time is noted in the
file that WSL_STANDIN_NOTES names.
"""

from __future__ import annotations

import os
import sys
from typing import Any

TRIES = 5
INTERNAL_ERROR = 1359

if sys.platform == "win32":
    import _winapi

    _create = _winapi.CreateProcess

    def _patiently(*words: Any) -> Any:
        for _ in range(TRIES - 1):
            try:
                return _create(*words)
            except OSError as error:
                if error.winerror != INTERNAL_ERROR:
                    raise
                _note(f"a start of {words[0] or words[1]}\n"[:200])
        return _create(*words)

    def _note(line: str) -> None:
        path = os.environ.get("WSL_STANDIN_NOTES")
        if path:
            with open(path, "a", encoding="utf-8") as notes:
                notes.write(line)

    vars(_winapi)["CreateProcess"] = _patiently
