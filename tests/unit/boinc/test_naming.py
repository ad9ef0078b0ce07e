"""Names of images and containers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.boinc.steady import steady
from wrapper.boinc.init_data import InitData
from wrapper.boinc.naming import LONGEST, container_name, image_name, project_dir_name

SLOT = Path("/var/lib/boinc/slots/0")
# From the grammar of the distribution project's "reference" package, and of container names.
ENGINES_TAKE_IMAGE = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*")
ENGINES_TAKE_CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


def job(project: str = "p", workunit: str = "w", result: str = "w_0") -> InitData:
    """Init data that name a job."""
    return InitData(project_dir=project, wu_name=workunit, result_name=result)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/var/lib/boinc/projects/boinc.example.org_test", "boinc.example.org_test"),
        ("/var/lib/boinc/projects/p/", "p"),
        ("C:\\ProgramData\\BOINC/projects/p", "p"),
        ("C:\\ProgramData\\BOINC\\projects\\p\\", "p"),
        ("p", "p"),
        ("", ""),
    ],
)
def test_the_project_is_the_last_part_of_its_directory(path: str, name: str) -> None:
    assert project_dir_name(job(path)) == name


def test_names_are_those_of_the_client() -> None:
    """``boinc__<project dir name>__<workunit or result>``, in lower case."""
    data = job("/b/projects/boinc.example.org_Test", "Run_7-a.b", "Run_7-a.b_1")
    assert image_name(data, SLOT) == "boinc__boinc.example.org_test__run_7-a.b"
    assert container_name(data, SLOT) == "boinc__boinc.example.org_test__run_7-a.b_1"


def test_the_name_of_a_container_has_looser_rules_than_that_of_an_image() -> None:
    data = job("p", "run_-3", "run_-3_0")
    assert container_name(data, SLOT) == "boinc__p__run_-3_0"
    assert re.fullmatch(r"boinc__p__run-3__[0-9a-f]{16}", image_name(data, SLOT))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("run 1", "run/1"),
        ("run_", "run__"),
        ("ä", "ö"),
        ("x" * 250 + "1", "x" * 250 + "2"),
        ("", "___"),
    ],
)
def test_names_that_are_changed_stay_different(one: str, other: str) -> None:
    assert image_name(job("p", one), SLOT) != image_name(job("p", other), SLOT)


def test_a_changed_name_is_the_same_each_time() -> None:
    assert image_name(job("p", "run 1"), SLOT) == image_name(job("p", "run 1"), Path("/other"))


def test_standalone_the_slot_names_the_job(tmp_path: Path) -> None:
    name = container_name(None, tmp_path)
    assert name == image_name(None, tmp_path)
    assert re.fullmatch(r"boinc__standalone__[0-9a-f]{16}", name)
    assert container_name(None, tmp_path / "." / "x" / "..") == name
    assert container_name(None, tmp_path / "other") != name
    assert container_name(InitData(), tmp_path) == name


ANY = st.text(st.characters(), max_size=300)


@steady
@given(ANY, ANY, ANY)
def test_engines_take_any_name(project: str, workunit: str, result: str) -> None:
    data = job(project, workunit, result)
    image, container = image_name(data, SLOT), container_name(data, SLOT)
    assert ENGINES_TAKE_IMAGE.fullmatch(image)
    assert ENGINES_TAKE_CONTAINER.fullmatch(container)
    assert max(len(image), len(container)) <= LONGEST
    assert image.startswith("boinc__")
    assert container.startswith("boinc__")


@steady
@given(st.text("ab_.- ", max_size=12), st.text("ab_.- ", max_size=12))
def test_two_workunits_of_a_project_have_two_images(one: str, other: str) -> None:
    if one and other and one != other:
        assert image_name(job("p", one), SLOT) != image_name(job("p", other), SLOT)
