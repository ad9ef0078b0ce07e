"""What a container is to be, as words of ``create``. That engines obey is tested on engines."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.container_order import (
    DEFAULT_SHARES,
    MOST_ARGUMENT_BYTES,
    BadPath,
    Bind,
    ContainerSpec,
    TooLong,
    cpu_shares,
    create_environment,
    create_words,
    mount_word,
)
from wrapper.engine.answers import EngineKind
from wrapper.engine.cli import LOG_OPTIONS

SPEC = ContainerSpec("boinc__p__r_0", "boinc__p__w", "/var/lib/boinc/slots/0")
DOCKER, PODMAN = EngineKind.DOCKER, EngineKind.PODMAN
both = pytest.mark.parametrize("kind", list(EngineKind))
paths = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"))


def values(words: tuple[str, ...], option: str) -> list[str]:
    """Everything that follows this option."""
    return [value for word, value in pairwise(words) if word == option]


@both
def test_a_plain_container_has_its_name_the_slot_and_its_image(kind: EngineKind) -> None:
    words = create_words(SPEC, kind)
    assert words[:2] == ("--name", "boinc__p__r_0")
    assert words[-1] == "boinc__p__w"
    assert values(words, "--mount") == ["type=bind,source=/var/lib/boinc/slots/0,target=/app"]


@both
def test_a_stopping_daemon_kills_and_the_log_is_bounded(kind: EngineKind) -> None:
    words = create_words(SPEC, kind)
    assert values(words, "--stop-signal") == ["KILL"]
    assert " ".join(LOG_OPTIONS[kind]) in " ".join(words)


def test_labels_are_given_as_they_are() -> None:
    words = create_words(SPEC._replace(labels={"boinc.docker_wrapper": "r 0=,x"}), DOCKER)
    assert values(words, "--label") == ["boinc.docker_wrapper=r 0=,x"]


def test_the_label_that_says_whose_container_it_is_is_no_matter_of_the_projects() -> None:
    given = ("--label", "boinc.docker_wrapper=mine")
    spec = SPEC._replace(labels={"boinc.docker_wrapper": "r_0"}, create_args=given)
    assert values(create_words(spec, DOCKER), "--label")[-1] == "boinc.docker_wrapper=r_0"


@pytest.mark.parametrize(("ncpus", "host", "expected"), [
    (0.0, 8, []), (-1.0, 8, []), (1.0, 8, ["1"]), (0.5, None, ["0.5"]), (16.0, 8, ["8"]),
    (1e-9, 8, ["0.01"]), (2.999, 8, ["3"]), (100.0, 128, ["100"]), (3.25, 2, ["2"]),
    (20.0, None, ["20"]), (2.0, 0, ["2"]),
])
def test_cpus_are_at_most_the_hosts_and_never_in_exponents(
    ncpus: float, host: int | None, expected: list[str]
) -> None:
    words = create_words(SPEC._replace(ncpus=ncpus, host_ncpus=host), DOCKER)
    assert values(words, "--cpus") == expected


@given(st.floats(min_value=0, max_value=1e9))
def test_any_number_of_cpus_is_a_plain_number(ncpus: float) -> None:
    for word in values(create_words(SPEC._replace(ncpus=ncpus), PODMAN), "--cpus"):
        assert re.fullmatch(r"[0-9]+(\.[0-9]{1,2})?", word)
        assert float(word) > 0


@pytest.mark.parametrize(("priority", "fallback", "no_change", "expected"), [
    (-1, -1, False, DEFAULT_SHARES), (0, 0, False, DEFAULT_SHARES), (1, -1, False, 16),
    (3, 1, False, 1024), (-1, 2, False, 128), (5, -1, True, None), (99, -1, False, DEFAULT_SHARES),
])
def test_the_clients_priority_becomes_a_weight(
    priority: int, fallback: int, no_change: bool, expected: int | None
) -> None:
    assert cpu_shares(priority, fallback, no_change) == expected


def test_a_higher_priority_never_weighs_less() -> None:
    weights = [cpu_shares(priority) or 0 for priority in range(1, 6)]
    assert weights == sorted(weights)
    assert 2 <= weights[0] < weights[-1] <= 262144


def test_shares_are_given_only_when_there_are_any() -> None:
    assert values(create_words(SPEC._replace(shares=128), DOCKER), "--cpu-shares") == ["128"]
    assert values(create_words(SPEC, DOCKER), "--cpu-shares") == []


def test_the_projects_folder_comes_after_the_slot() -> None:
    spec = SPEC._replace(project_dir="/boinc/projects/p", project_dir_mount="/project")
    assert values(create_words(spec, DOCKER), "--mount")[1:] == [
        "type=bind,source=/boinc/projects/p,target=/project"]


def test_the_projects_folder_is_mounted_only_where_it_was_asked_for() -> None:
    spec = SPEC._replace(project_dir="/boinc/projects/p")
    assert len(values(create_words(spec, DOCKER), "--mount")) == 1


def test_inputs_are_mounted_over_their_names_in_the_slot() -> None:
    spec = SPEC._replace(binds=(Bind("/boinc/projects/p/in_1", "/app/in", readonly=True),))
    assert values(create_words(spec, PODMAN), "--mount")[1:] == [
        "type=bind,source=/boinc/projects/p/in_1,target=/app/in,readonly"]


@given(paths, paths, st.booleans())
def test_any_path_can_be_read_back_from_the_word_of_its_mount(
    source: str, target: str, readonly: bool
) -> None:
    (row,) = csv.reader([mount_word(Bind(source, target, readonly))], strict=True)
    assert row == ["type=bind", f"source={source}", f"target={target}",
                   *(["readonly"] if readonly else [])]


@pytest.mark.parametrize("letter", ["\n", "\r", "\0"])
def test_a_path_with_a_line_break_is_refused_in_words(letter: str) -> None:
    with pytest.raises(BadPath, match="rename it"):
        create_words(SPEC._replace(slot=f"/a{letter}b"), DOCKER)


def test_the_projects_own_mounts_and_ports_are_handed_on() -> None:
    spec = SPEC._replace(mounts=("/d:/d:ro", "v:/v"), portmap=("127.0.0.1:81:80",))
    words = create_words(spec, DOCKER)
    assert values(words, "-v") == ["/d:/d:ro", "v:/v"]
    assert values(words, "-p") == ["127.0.0.1:81:80"]


@pytest.mark.parametrize(("host", "word"), [(None, "127.0.0.1::8080"), (99, "127.0.0.1:99:8080")])
def test_graphics_are_reachable_from_this_computer_only(host: int | None, word: str) -> None:
    assert values(create_words(SPEC._replace(graphics=(8080, host)), PODMAN), "-p") == [word]


@both
def test_the_projects_words_come_last_before_the_image(kind: EngineKind) -> None:
    spec = SPEC._replace(gpu=("--gpus", "all"), create_args=("--memory", "1g"))
    assert create_words(spec, kind)[-5:] == ("--gpus", "all", "--memory", "1g", "boinc__p__w")


@both
def test_arguments_and_proxies_are_named_but_not_seen(kind: EngineKind) -> None:
    spec = SPEC._replace(words=("--token", "hush"), proxies={"http_proxy": "http://u:secret@h"})
    words = create_words(spec, kind)
    assert values(words, "--env") == ["http_proxy", "ARGS", "ARGS_JSON"]
    assert "hush" not in " ".join(words)
    assert "secret" not in " ".join(words) + repr(spec)
    assert create_environment(spec)["http_proxy"] == "http://u:secret@h"


def test_args_are_joined_by_one_space() -> None:
    environment = create_environment(SPEC._replace(words=("a", "b  c", "$(d)")))
    assert environment["ARGS"] == "a b  c $(d)"


def test_no_arguments_are_an_empty_string_and_an_empty_list() -> None:
    assert create_environment(SPEC) == {"ARGS": "", "ARGS_JSON": "[]"}


@given(st.lists(st.text(st.characters(exclude_characters="\0"))))
def test_every_argument_comes_out_of_args_json_as_it_went_in(words: list[str]) -> None:
    environment = create_environment(SPEC._replace(words=tuple(words)))
    assert json.loads(environment["ARGS_JSON"]) == words


def test_letters_of_any_script_stay_readable_in_args_json() -> None:
    assert create_environment(SPEC._replace(words=("é世",)))["ARGS_JSON"] == '["é世"]'


def test_arguments_that_fit_no_process_are_refused_in_words() -> None:
    create_environment(SPEC._replace(words=("x" * (MOST_ARGUMENT_BYTES - 4),)))
    with pytest.raises(TooLong, match=r"1 arguments take 131,\d+ bytes .* input file"):
        create_environment(SPEC._replace(words=("x" * (MOST_ARGUMENT_BYTES + 1),)))


def test_the_limit_counts_bytes_and_not_letters() -> None:
    with pytest.raises(TooLong):
        create_environment(SPEC._replace(words=("é" * (MOST_ARGUMENT_BYTES // 2 + 1),)))


def test_args_json_is_left_out_where_only_args_fits() -> None:
    spec = SPEC._replace(words=('"' * 100_000,))
    assert create_environment(spec) == {"ARGS": '"' * 100_000}
    assert values(create_words(spec, EngineKind.DOCKER), "--env") == ["ARGS"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has another limit")
def test_the_longest_arguments_that_are_allowed_reach_a_process() -> None:
    spec = SPEC._replace(words=("x" * (MOST_ARGUMENT_BYTES - 4),))
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(len(os.environ['ARGS_JSON']))"],
        env={**os.environ, **create_environment(spec)}, capture_output=True, text=True, check=True)
    assert int(done.stdout) == MOST_ARGUMENT_BYTES
