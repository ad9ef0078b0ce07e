"""Facts about what a killed `podman create` leaves, by what Podman lists."""

from __future__ import annotations

import json

import pytest

from tests.unit.engine.test_conversations import converse
from wrapper.engine.answers import EngineKind, Unknown
from wrapper.engine.cli import Engine
from wrapper.engine.hosts.base import Reply
from wrapper.engine.remains import remains

PODMAN = Engine(EngineKind.PODMAN)
ENTRY = {"Id": "f13f", "Names": ["job"], "State": "storage"}
OTHER = {"Id": "beef", "Names": ["job_2"], "State": "running"}


def listed(*rows: object) -> Reply:
    return Reply(0, json.dumps(rows).encode())


def test_an_entry_that_is_no_container_is_what_is_left() -> None:
    _, told = converse(remains(PODMAN, "job"), listed(ENTRY, OTHER), listed(OTHER))
    assert told == "f13f"


def test_a_container_is_never_taken_for_it() -> None:
    _, told = converse(remains(PODMAN, "job"), listed(ENTRY, OTHER), listed(ENTRY, OTHER))
    assert told is None


def test_a_name_that_begins_alike_is_another() -> None:
    orders, told = converse(remains(PODMAN, "job"), listed(OTHER))
    assert (len(orders), told) == (1, None)


@pytest.mark.parametrize("no_answer", [Reply(125, err=b"locked"), Reply(0, b"<html>")])
def test_no_answer_is_no_proof(no_answer: Reply) -> None:
    for replies in ((no_answer,), (listed(ENTRY), no_answer)):
        assert isinstance(converse(remains(PODMAN, "job"), *replies)[1], Unknown)


def test_docker_is_not_asked() -> None:
    orders, told = converse(remains(Engine(EngineKind.DOCKER), "job"))
    assert (orders, told) == ([], None)
