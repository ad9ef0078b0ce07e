"""The command line: our words and the job's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.options import BadOptions, Options, parse

OURS = {"--verbose", "--sporadic", "--config", "--dockerfile", "--"}


def test_no_words_give_the_defaults() -> None:
    assert parse([]) == Options(False, "job.toml", "Dockerfile", False, ())


def test_all_options_are_understood() -> None:
    argv = ["--verbose", "--config", "my.toml", "--dockerfile", "Dockerfile.gpu", "--sporadic"]
    assert parse(argv) == Options(True, "my.toml", "Dockerfile.gpu", True, ())


def test_an_option_between_the_jobs_words_is_ours() -> None:
    options = parse(["--nsteps", "10", "--verbose", "-x", "--config", "a.toml", "end"])
    assert options.words == ("--nsteps", "10", "-x", "end")
    assert options.verbose
    assert options.config == "a.toml"


def test_after_two_dashes_every_word_is_the_jobs_and_so_are_the_dashes() -> None:
    options = parse(["a", "--", "--verbose", "--config"])
    assert options.words == ("a", "--", "--verbose", "--config")
    assert not options.verbose


def test_the_last_of_two_files_counts() -> None:
    assert parse(["--config", "a", "--config", "b"]).config == "b"


@pytest.mark.parametrize("option", ["--config", "--dockerfile"])
@pytest.mark.parametrize("rest", [[], [""], ["--verbose"], ["--"]])
def test_an_option_without_its_file_is_refused_with_words(option: str, rest: list[str]) -> None:
    with pytest.raises(BadOptions, match=f"^{option} needs the name of a file"):
        parse([option, *rest])


@pytest.mark.parametrize("word", ["--config=a", "--Verbose", "-v", "--verbosely", "", "--conf"])
def test_a_word_that_only_looks_like_ours_is_the_jobs(word: str) -> None:
    assert parse([word]) == Options(words=(word,))


@given(st.lists(st.text().filter(lambda word: word not in OURS)))
def test_the_jobs_words_arrive_untouched_and_in_order(words: list[str]) -> None:
    assert parse(words).words == tuple(words)
