"""A tolerant, bounded reader for the XML-like text that the BOINC client prints.

The client prints its files with ``printf`` and escapes only some of the values, so a strict XML
parser may refuse a real file. This one looks for ``<name>`` and the next ``</name>`` and takes what
is between as it is. It knows no attributes, no comments and no DTD, and works on bytes, since the
client escapes a non-ASCII character byte by byte. It does not know what any tag means.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

MOST_UNCLOSED = 100
"""How many tags without an end one text may hold; each of them costs a search of the whole text."""

_OPEN = re.compile(rb"<([A-Za-z_][A-Za-z0-9_.:-]{0,63})\s{0,8}(/?)>")
_ENTITY = re.compile(rb"&(?:(lt|gt|amp|quot|apos)|#(\d{1,7}));")
_NUMBER = re.compile(rb"[-+]?(?:\d{1,320}\.?\d{0,320}|\.\d{1,320})(?:[eE][-+]?\d{1,5})?")
_NAMED = {b"lt": b"<", b"gt": b">", b"amp": b"&", b"quot": b'"', b"apos": b"'"}


def children(text: bytes) -> Iterator[tuple[str, bytes | None]]:
    """The elements of a text in their order, each with its raw content; None for ``<name/>``.

    What an element holds is not looked into. A tag that is never closed is passed over.

    Raises:
        ValueError: more tags without an end than any client would print.
    """
    position = 0
    unclosed = 0
    while match := _OPEN.search(text, position):
        position = match.end()
        name = match[1].decode("ascii")
        if match[2]:
            yield name, None
            continue
        end = text.find(b"</" + match[1] + b">", position)
        if end >= 0:
            yield name, text[position:end]
            position = end + len(match[1]) + 3
            continue
        unclosed += 1
        if unclosed > MOST_UNCLOSED:
            raise ValueError(f"more than {MOST_UNCLOSED} tags without an end")


def unescaped(raw: bytes) -> bytes:
    """A value without the white space around it and with its entities decoded, each once.

    ``&#N;`` below 256 stands for one byte, the client's way to write what is not ASCII. What looks
    like an entity and is none stays as it is.
    """
    return _ENTITY.sub(_decoded, raw.strip())


def _decoded(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return _NAMED[match[1]]
    code = int(match[2])
    if code < 256:
        return bytes((code,))
    try:
        return chr(code).encode("utf-8")
    except (ValueError, UnicodeEncodeError):
        return match[0]


def number(raw: bytes | None) -> float | None:
    """A finite number printed by ``%d``, ``%f`` or ``%e``; None for anything else."""
    word = (raw or b"").strip()
    if not _NUMBER.fullmatch(word):
        return None
    value = float(word)
    return value if math.isfinite(value) else None


def whole_number(raw: bytes | None) -> int | None:
    """A whole number of 64 bits at most, also when printed as ``3.000000``; None for others."""
    value = number(raw)
    if value is None or value != int(value) or abs(value) >= 2.0**63:
        return None
    word = (raw or b"").strip()
    return int(word) if word.lstrip(b"+-").isdigit() else int(value)


def flag(raw: bytes | None) -> bool | None:
    """A truth: ``<name/>`` (None here) is true, as is a number but 0; None where it is neither."""
    if raw is None:
        return True
    word = raw.strip().lower()
    if word in (b"true", b"false"):
        return word == b"true"
    value = number(word)
    return None if value is None else value != 0
