"""What a Dockerfile says before it is built: which images it starts from, which files it takes.

Knows the file's outer form (instructions, continued lines, here-documents) and the few instructions
that name images or files. It is no builder: what it cannot tell for certain it says so, and the
engine has the last word.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator

_ESCAPE = re.compile(r"#\s*escape\s*=\s*(\S)\s*$", re.IGNORECASE)
_DIRECTIVE = re.compile(r"#\s*\w+\s*=")
_HERE_DOCUMENT = re.compile(r"<<-?\s*([\"']?)([A-Za-z_]\w*)\1")
_FLAG = re.compile(r"--[a-z]+(=\S*)?\s+")
# A mount without a type is a bind.
_BIND = re.compile(r"--mount=(?!\S*\btype=(?!bind\b))")
_WILD = re.compile(r"[*?\[$\\]")


class Uncertain(Exception):
    """The Dockerfile does not say by itself which files it takes."""


def base_images(text: str) -> tuple[str, ...]:
    """The images outside this file that its stages start from, each once, in order.

    Not ``scratch``, no stage of the file itself, and none whose name holds a variable.
    """
    stages: set[str] = set()
    images: dict[str, None] = {}
    for verb, rest in instructions(text):
        words = [word for word in rest.split() if not word.startswith("--")]
        if verb != "FROM" or not words:
            continue
        image = words[0]
        if "$" not in image and image.lower() not in stages and image != "scratch":
            images[image] = None
        if len(words) == 3 and words[1].lower() == "as":
            stages.add(words[2].lower())
    return tuple(images)


def copied_names(text: str) -> frozenset[str]:
    """Which names at the top of the context the file takes with COPY and ADD.

    Raises:
        Uncertain: it takes all, or by a pattern, a variable or a bind; or its base image may.
    """
    names: set[str] = set()
    for verb, rest in instructions(text):
        if verb in ("COPY", "ADD"):
            names.update(_sources(rest))
        elif verb == "RUN" and _BIND.search(rest):
            raise Uncertain("RUN with a bind")
        elif verb == "FROM" and "onbuild" in rest.lower():
            raise Uncertain("a base image that takes files by itself")
    return frozenset(names)


def _sources(rest: str) -> Iterator[str]:
    """The first part of each source's path; none for another stage's or the network's."""
    flags = ""
    while found := _FLAG.match(rest):
        flags, rest = flags + found[0], rest[found.end():]
    if "--from=" in flags or _HERE_DOCUMENT.search(rest):
        return
    for source in _arguments(rest)[:-1]:
        if "://" not in source and not source.startswith("git@"):
            yield _top(source)


def _arguments(rest: str) -> list[str]:
    if rest.startswith("["):
        try:
            return [str(word) for word in json.loads(rest)]
        except (ValueError, TypeError):
            pass  # Then it is the plain form, as the builders have it.
    return rest.split()


def _top(source: str) -> str:
    path = posixpath.normpath(source.lstrip("/") or ".")
    first = path.partition("/")[0]
    if "$" in path or _WILD.search(first) or first in (".", ".."):
        raise Uncertain(f"COPY or ADD of {source}")
    return first


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction in capitals and the rest of it on one line; no here-documents."""
    lines = text.removeprefix("\ufeff").splitlines()
    escape = _escape(lines)
    at = 0
    while at < len(lines):
        line, at = _continued(lines, at, escape)
        verb, _, rest = line.partition(" ")
        if verb:
            yield verb.upper(), rest.strip()
        for found in _HERE_DOCUMENT.finditer(rest):
            at = _after(lines, at, found[2])


def _escape(lines: list[str]) -> str:
    """The character that continues a line; a directive may set it before anything else."""
    for line in lines:
        found = _ESCAPE.match(line.strip())
        if found:
            return found[1]
        if not _DIRECTIVE.match(line.strip()):
            break
    return "\\"


def _continued(lines: list[str], at: int, escape: str) -> tuple[str, int]:
    """An instruction's whole line from ``at`` on, and where the next begins; empty for none."""
    parts: list[str] = []
    while at < len(lines):
        line = lines[at].strip()
        at += 1
        if line.startswith("#") or (parts and not line):
            continue
        parts.append(line.removesuffix(escape).strip())
        if not line.endswith(escape):
            break
    return " ".join(" ".join(parts).split()), at


def _after(lines: list[str], at: int, end: str) -> int:
    """Behind the here-document that begins at ``at``; ``at`` where it has no end: it is none."""
    for behind, line in enumerate(lines[at:], at + 1):
        if line.strip() == end:
            return behind
    return at
