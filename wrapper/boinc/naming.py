"""The names of a job's image and container: ``boinc__<project dir name>__<workunit or result>``.

The BOINC client (8.1 and later) forms the same names and removes, at its start, whatever is called
``boinc__...`` and belongs to no job it has; so a name is changed only where no engine would take
it. Knows what names engines take, and asks none.
"""

from __future__ import annotations

import re
from pathlib import Path

from wrapper.boinc.init_data import InitData

PREFIX = "boinc__"
LONGEST = 200
"""Characters of a name. Engines take about 237, with the registry they put before an image."""
STANDALONE = "standalone"
"""The project dir name of a job that no client started."""

_IMAGE = re.compile(r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*")
_CONTAINER = re.compile(r"[a-z0-9][a-z0-9_.-]+")


def project_dir_name(init_data: InitData) -> str:
    """The last part of the project directory; it may be written with either slash."""
    return re.split(r"[/\\]", init_data.project_dir.rstrip("/\\"))[-1]


def image_name(init_data: InitData | None, slot: Path) -> str:
    """The name of the image that is built for a job; ``slot`` names it where there is no client."""
    if init_data is None or not init_data.wu_name:
        return _standalone(slot)
    return _name(project_dir_name(init_data), init_data.wu_name, _IMAGE)


def container_name(init_data: InitData | None, slot: Path) -> str:
    """The name of a job's container; ``slot`` names it where there is no client."""
    if init_data is None or not init_data.result_name:
        return _standalone(slot)
    return _name(project_dir_name(init_data), init_data.result_name, _CONTAINER)


def _standalone(slot: Path) -> str:
    """One name for one slot directory, however its path is written."""
    return f"{PREFIX}{STANDALONE}__{_digest(str(slot.resolve()))}"


def _name(project: str, job: str, allowed: re.Pattern[str]) -> str:
    """The name as it is, in lower case, or as near to it as engines allow with a digest of it."""
    wanted = f"{PREFIX}{project}__{job}".lower()
    if len(wanted) <= LONGEST and allowed.fullmatch(wanted):
        return wanted
    digest = _digest(f"{project}\n{job}")
    parts = (_plain(project, 80), _plain(job, LONGEST - len(PREFIX) - len(digest) - 80 - 4))
    return PREFIX + "__".join((*parts, digest))


def _plain(text: str, longest: int) -> str:
    """Letters and digits with single separators between; ``x`` where nothing of that is left."""
    plain = re.sub(r"[^a-z0-9.-]+", "_", text.lower())
    plain = re.sub(r"[_.-]*([_.-])", r"\1", plain)[:longest]
    return plain.strip("_.-") or "x"


def _digest(text: str) -> str:
    """16 hexadecimal digits that stand for a text."""
    import hashlib  # not at the top: it brings the whole of OpenSSL, and is rarely needed

    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
