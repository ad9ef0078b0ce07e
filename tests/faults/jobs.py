"""Jobs that tell how often they were started, and what must be true of one when all is over.

A job appends to ``starts`` in its slot each time it begins, counts in ``count``, and ends when
somebody makes the file ``stop``. Knows the lab's engines and its played client.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from tests.lab.engines import Lab
from tests.lab.played_client import PlayedClient
from tests.lab.workunit import Output, Workunit, script_job

SEAMS = (sys.executable, str(Path(__file__).with_name("seams.py")))
"""The command that starts the wrapper with a knife at every seam."""

COUNT = """
cd /app
echo start >>starts
i=0
while [ ! -e stop ]; do i=$((i+1)); echo $i >count; sleep 0.05; done
echo "counted from $(cat starts)" >out
echo last words
exit {code}
"""


def counting(name: str = "counting", code: int = 0, **fields: Any) -> Workunit:
    """A job that counts until it is told to stop, and ends with a code. Its output is linked."""
    return script_job(name, COUNT.format(code=code), outputs=(Output("out"),), **fields)


def surroundings(lab: Lab) -> dict[str, str]:
    """The lab's environment, with a folder for what a killed build leaves behind."""
    folder = lab.path / "tmp"
    folder.mkdir(exist_ok=True)
    return {**lab.environment, "TMPDIR": str(folder)}


def starts(client: PlayedClient) -> int:
    """How often the job was started."""
    with contextlib.suppress(OSError):
        return len((client.slot / "starts").read_text().splitlines())
    return 0


def count(client: PlayedClient) -> int:
    """How far it has counted."""
    with contextlib.suppress(OSError, ValueError):
        return int((client.slot / "count").read_text())
    return 0


def stop(client: PlayedClient) -> None:
    """Tell the job to end."""
    (client.slot / "stop").touch()


def container_name(client: PlayedClient) -> str:
    """The job's container, by what the client knows."""
    project = client.project.name.lower()
    return f"boinc__{project}__{client.fields['result_name']}".lower()


def status(lab: Lab, client: PlayedClient) -> str:
    """The container's status in the engine's word; ``gone`` where there is none."""
    done = lab.cli("inspect", "--type", "container", "--format", "{{.State.Status}}",
                   container_name(client), check=False)
    return done.stdout.strip() or "gone"


def container_id(lab: Lab, client: PlayedClient) -> str:
    """The container's id; empty where there is none."""
    done = lab.cli("inspect", "--type", "container", "--format", "{{.Id}}",
                   container_name(client), check=False)
    return done.stdout.strip()


def counts_on(client: PlayedClient, limit: float = 60) -> None:
    """See the job count, from now on."""
    before = count(client)
    client.wait_for("the job counts", lambda: count(client) > before, limit)


def running(client: PlayedClient) -> PlayedClient:
    """Start the job and see it count."""
    client.start()
    counts_on(client)
    client.wait_for_state("running")
    return client


def see_through(client: PlayedClient, limit: float = 90) -> int:
    """Start the wrapper as often as it leaves without having finished; its last exit status.

    A temporary exit is not waited for.
    """
    for _ in range(5):
        if not client.alive():
            client.start()
        code = client.wait_exit(limit)
        if client.finish() is not None:
            return code
    raise AssertionError(f"five starts and no end\n{client.story()}")


def wrongs(lab: Lab, client: PlayedClient, code: int, runs: int = 1) -> list[str]:
    """What is not as it should be, now that the job is over; an empty list when all is well."""
    told = client.finish()
    found = []
    if told is None or told.number != code:
        found.append(f"the finish file says {told}, not {code}")
    if starts(client) != runs:
        found.append(f"the job was started {starts(client)} times, not {runs}")
    if not client.output("out").read_text().startswith("counted from start"):
        found.append("the output is not where it belongs")
    if client.state().get("state") != "done":
        found.append(f"the state is {client.state().get('state')}")
    return found + leftovers(lab, client)


def leftovers(lab: Lab, client: PlayedClient) -> list[str]:
    """What is still there of a job that is over."""
    found = [f"container {name}" for name in lab.containers() if name == container_name(client)]
    image = f"boinc__{client.project.name}__{client.fields['wu_name']}".lower()
    if not lab.cli("image", "inspect", image, check=False).returncode:
        found.append(f"image {image}")
    found += [f"file {name}" for name in os.listdir(client.slot)
              if name.startswith("docker_wrapper_context")]
    return found
