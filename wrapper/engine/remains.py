"""What is left of a `podman create` that was killed in the middle: an entry in Podman's storage
that has the container's name, and no container with it.

Such an entry is in no usual listing, `inspect` does not know it, and no container can be created
under its name until it is removed (Podman 4.3). With Docker the daemon creates: it leaves none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wrapper.engine.answers import EngineKind, Unknown, read_rows
from wrapper.engine.cli import LOOK_LIMIT, Engine
from wrapper.engine.hosts.base import Asking, Order


def remains(engine: Engine, name: str) -> Asking[str | Unknown | None]:
    """The id of the entry that has exactly this name and is no container; None where there is none.

    By two listings, one with and one without what is only in the storage.
    """
    if engine.kind is not EngineKind.PODMAN:
        return None
    with_storage = yield from _listed(engine, "--external")
    if isinstance(with_storage, Unknown):
        return with_storage
    found = [str(row.get("Id") or "") for row in with_storage if name in (row.get("Names") or ())]
    if len(found) != 1 or not found[0]:
        return None
    containers = yield from _listed(engine)
    if isinstance(containers, Unknown):
        return containers
    return None if found[0] in [row.get("Id") for row in containers] else found[0]


def _listed(engine: Engine, *options: str) -> Asking[list[Mapping[str, Any]] | Unknown]:
    words = ("ps", "--all", "--no-trunc", *options, "--format", "json")
    reply = yield Order((engine.program, *engine.root_args, *words), LOOK_LIMIT)
    if not reply.ok:
        return Unknown(reply.words)
    try:
        return read_rows(reply.out, engine.kind)
    except ValueError as error:
        return Unknown(f"it answered, but not sensibly ({error})")
