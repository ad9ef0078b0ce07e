"""Why no engine answers on a Mac: mostly because Podman's virtual machine is stopped."""

from __future__ import annotations

import json

from wrapper.engine.hosts.base import Asking
from wrapper.engine.hosts.mac import MACHINES


def why_not() -> Asking[str]:
    """What a volunteer can do about it; empty where Podman does not say."""
    reply = yield MACHINES
    return advice(reply.out) if reply.ok else ""


def advice(said: bytes) -> str:
    """From the answer of ``podman machine list --format json``."""
    try:
        machines = json.loads(said)
        running = [bool(machine["Running"]) for machine in machines]
    except (ValueError, TypeError, LookupError):
        return ""
    if not running:
        return ("Podman has no virtual machine yet: please run `podman machine init` and "
                "`podman machine start`.")
    if not any(running):
        return "Podman's virtual machine is stopped: please run `podman machine start`."
    return ""
