"""Each example runs as its README says, on both engines, under a client played by the test."""

from __future__ import annotations

from typing import ClassVar

import pytest

from tests.client.conftest import Play
from tests.lab.engines import ENGINE_ROOM, Lab
from tests.lab.played_client import PlayedClient
from tests.lab.workunit import EXAMPLES, NoSuchExample, example, examples


def run(client: PlayedClient, limit: float = 90) -> None:
    """Run a job to its end, which must be a good one."""
    client.start()
    status = client.wait_exit(limit)
    ending = client.finish()
    assert (status, ending and ending.number) == (0, 0), client.story()


def test_there_are_the_examples_the_docs_speak_of() -> None:
    assert examples() == ("buda", "files", "hello", "multicore")


@pytest.mark.parametrize("name", examples())
def test_an_example_says_what_it_is_and_brings_all_its_files(name: str) -> None:
    work = example(name)
    missing = [entry.name for entry in work.inputs if entry.source and not entry.source.is_file()]
    assert not missing
    assert (EXAMPLES / name / "README.md").read_text(encoding="utf-8").strip()
    assert f"| `{name}` |" in (EXAMPLES / "README.md").read_text(encoding="utf-8")


def test_an_unknown_example_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(NoSuchExample, match="buda, files, hello, multicore"):
        example("no-such")


class TestOnAnEngine:
    """Those that need a real one."""

    pytestmark: ClassVar = [*ENGINE_ROOM, pytest.mark.client]

    def test_hello_leaves_its_output_and_tells_its_progress_and_cpu_time(self, play: Play) -> None:
        client = play(example("hello"))
        run(client)
        assert "Hello, BOINC!" in client.output("hello.txt").read_text(encoding="utf-8")
        fractions = [told.fraction_done for told in client.statuses]
        assert fractions == sorted(fractions)
        assert len(set(fractions)) > 4, client.statuses
        assert client.statuses[-1].cpu_time > 1, client.statuses[-1:]

    @pytest.mark.parametrize("symlinks", [False, True], ids=["soft_link", "symlink"])
    def test_files_finds_inputs_and_delivers_outputs(self, play: Play, symlinks: bool) -> None:
        client = play(example("files"), symlinks=symlinks)
        run(client)
        assert client.output("count.txt").read_text(encoding="utf-8").strip() == "5"
        words = client.output("sorted.txt").read_text(encoding="utf-8").split()
        assert words == ["asteroid", "comet", "magnetar", "pulsar", "quasar"]

    def test_multicore_counts_with_two_workers(self, play: Play) -> None:
        client = play(example("multicore"))
        run(client)
        total = client.output("total.txt").read_text(encoding="utf-8")
        assert total == "2 workers counted to 400000\n"

    def test_buda_gets_its_arguments_and_its_options(self, play: Play) -> None:
        client = play(example("buda"))
        run(client)
        out = client.output("out").read_text(encoding="utf-8")
        assert out == "hello: --nsec 10 --label a b\n5 words\nwhat went in\n"

    def test_the_engine_keeps_nothing_of_a_finished_job(self, play: Play, engine_lab: Lab) -> None:
        client = play(example("files"))
        run(client)
        assert engine_lab.containers() == []
        names = engine_lab.cli("images", "--format", "{{.Repository}}").stdout
        assert "boinc__" not in names
