"""The facts that the documents for people state about the code, compared with the code."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from pathlib import Path

import pytest

from states.record import Job, new_record, to_json
from wrapper.job_config import JobConfig
from wrapper.options import Options, parse

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"),
                    *(ROOT / "job_examples").rglob("*.md")])
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|^    .*?$|`[^`\n]*`", re.DOTALL | re.MULTILINE)


def table(name: str) -> list[list[str]]:
    """The rows of the README's table between two markers, without its head."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", README, re.DOTALL)
    assert found is not None, f"no table {name}"
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in found[1].splitlines()]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def names(cell: str) -> list[str]:
    """What stands in backticks in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def targets(document: Path) -> list[str]:
    """What a document links to, outside of code."""
    return LINK.findall(CODE.sub("", document.read_text("utf-8")))


def anchors(document: Path) -> set[str]:
    """The places in a document that can be linked to, by GitHub's rule for headings."""
    heads = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    dead = []
    for link in targets(document):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_there_are_links_and_they_are_found() -> None:
    assert "docs/app-version.md" in targets(ROOT / "README.md")
    assert "the-state-file" in anchors(ROOT / "README.md")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_command_exists(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    there = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    said = set(re.findall(r"(?:^    |`)make ([a-z]+)", document.read_text("utf-8"), re.MULTILINE))
    assert said - there == set()


def test_the_readme_s_two_commands_are_there() -> None:
    assert re.findall(r"^    make (demo|test)$", README, re.MULTILINE) == ["demo", "test"]


def test_the_table_of_options_is_whole() -> None:
    named = [names(row[0])[0].split() for row in table("options")]
    expected = {f"--{name}" for name in Options._fields} - {"--words"}
    assert {words[0] for words in named} == expected
    for words in named:
        assert parse(words) != Options(), f"{words[0]} changes nothing"
        assert parse(words).words == ()


def test_the_table_of_options_names_the_defaults() -> None:
    rows = {names(row[0])[0].split()[0]: names(row[1]) for row in table("options")}
    assert rows["--config"] == [Options().config]
    assert rows["--dockerfile"] == [Options().dockerfile]


def test_the_table_of_job_toml_is_whole_and_its_defaults_are_true() -> None:
    defaults = {names(row[0])[0]: row[1].strip("`") for row in table("job.toml")}
    plain = JobConfig._field_defaults
    empty: dict[object, str] = {None: "", (): "[]"}
    assert defaults == {key: empty.get(value, json.dumps(value)) for key, value in plain.items()}


def test_the_table_of_the_state_file_is_whole() -> None:
    record = new_record(Job("p", "w", "r"), datetime(2026, 1, 1, tzinfo=timezone.utc))
    told = [name for row in table("state file") for name in names(row[0])]
    assert sorted(told) == sorted(json.loads(to_json(record)))


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")
