"""The lab itself: what its played client shows to a wrapper is what the real client shows.

A shell script stands in for the wrapper, so no engine is needed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lab.client_home import ROOM, can_become
from tests.lab.init_data import init_data
from tests.lab.real_client import ClientTrouble, RealClient
from tests.lab.workunit import Output, Workunit

pytestmark = pytest.mark.client

LOOK_AROUND = """\
cp init_data.xml seen.xml
{ id; pwd; stat -c %s boinc_mmap_file; printf '[%s]' "$@"; } > seen.txt
echo 0 > boinc_finish_called
"""


@pytest.fixture
def work() -> Workunit:
    """A job that only looks at what the client gives it."""
    outputs = (Output("seen.xml", copy=True), Output("seen.txt", copy=True))
    return Workunit("look", outputs=outputs, arguments=("one", "two words"))


@pytest.fixture
def around(work: Workunit, request: pytest.FixtureRequest) -> Iterator[RealClient]:
    """A real client whose job has looked around, and is done; run as a user."""
    user = request.param
    if user is not None and not can_become(user):
        pytest.skip(f"needs root and a user {user}")
    with ExitStack() as stack:
        try:
            client = RealClient(work, user=user, program=LOOK_AROUND)
        except ClientTrouble as trouble:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(str(trouble))
        stack.enter_context(client)
        client.wait_until_finished(60)
        yield client


def seen(client: RealClient, name: str) -> str:
    """What the job has seen."""
    return client.output(name).read_text(encoding="utf-8")


@pytest.mark.parametrize("around", [None], indirect=True)
def test_the_played_client_writes_no_field_the_real_one_does_not(
    around: RealClient, tmp_path: Path
) -> None:
    real = set(re.findall(r"<(\w+)>", seen(around, "seen.xml")))
    played = set(re.findall(r"<(\w+)>", init_data(tmp_path / "0", tmp_path / "a" / "b" / "c")))
    # The real one leaves out the plan class of an anonymous platform's version, and its coprocs.
    assert played - real <= {"plan_class", "project_preferences"}


@pytest.mark.parametrize("around", [None], indirect=True)
def test_the_shared_memory_is_a_file_of_eight_channels(around: RealClient) -> None:
    assert seen(around, "seen.txt").splitlines()[2] == "8192"


@pytest.mark.parametrize("around", [None], indirect=True)
def test_a_job_gets_its_arguments_before_the_wrappers_options(around: RealClient) -> None:
    assert seen(around, "seen.txt").splitlines()[3] == "[one][two words][--verbose]"


@pytest.mark.parametrize("around", ["boinc"], indirect=True)
def test_a_client_of_user_boinc_works_in_the_group_docker(around: RealClient) -> None:
    who, where = seen(around, "seen.txt").splitlines()[:2]
    assert "(boinc)" in who
    assert "(docker)" in who
    assert where == str(around.home / "slots" / "0")


@pytest.mark.parametrize("around", [None], indirect=True)
def test_a_closed_client_leaves_nothing_behind(around: RealClient) -> None:
    assert around.home.parent == ROOM
    around.close()
    assert not around.home.exists()
    assert not around.alive()
