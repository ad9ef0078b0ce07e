"""What the benchmark works out and prints, without measuring anything."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.benchmarks import figures, processes, table
from tests.benchmarks.__main__ import chosen, report, subjects
from tests.benchmarks.rows import ALL


@pytest.mark.parametrize(("value", "shown"), [
    (0.01234, "0.012 s"), (0.5, "0.500 s"), (1.234, "1.23 s"), (12.34, "12.3 s"), (0.0, "0.000 s"),
])
def test_a_time_has_the_digits_that_mean_something(value: float, shown: str) -> None:
    assert figures.seconds(value) == shown


def test_a_spread_is_the_median_and_the_worst() -> None:
    assert figures.spread([0.1, 9.0, 0.3]) == "0.300 / 9.00 s"


def test_a_spread_of_one_is_that_one_and_of_none_a_dash() -> None:
    assert figures.spread([0.25]) == "0.250 s"
    assert figures.spread([]) == figures.NONE


def test_a_rate_is_for_a_minute() -> None:
    assert figures.a_minute(0.01, 10) == pytest.approx(0.06)


def test_a_deviation_has_a_sign_and_needs_something_to_deviate_from() -> None:
    assert figures.deviation(10.1, 10.0) == "+1.00 %"
    assert figures.deviation(9.9, 10.0) == "-1.00 %"
    assert figures.deviation(1.0, 0.0) == figures.NONE


def test_a_size_is_in_mebibytes() -> None:
    assert figures.mebibytes(3 << 19) == "1.5 MiB"


def test_all_lines_of_a_table_are_equally_long() -> None:
    lines = table.aligned([["a", "bb"], ["ccc", ""], ["", "dddd"]]).splitlines()
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1
    assert lines[1] == "|-----|------|"
    assert lines[2] == "| ccc |      |"


BEGIN, END = "<!-- bench -->", "<!-- /bench -->"


def test_a_document_keeps_all_but_what_is_between_the_markers(tmp_path: Path) -> None:
    path, other = tmp_path / "doc.md", "<!-- scale -->\nmany\n<!-- /scale -->\n"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\n{other}")
    table.write(path, "new\n")
    assert path.read_text() == f"before\n{BEGIN}\nnew\n{END}\n{other}"
    table.write(path, "newer")
    table.write(path, "more", "scale")
    other = other.replace("many", "more")
    assert path.read_text() == f"before\n{BEGIN}\nnewer\n{END}\n{other}"


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{END} {BEGIN}"])
def test_a_document_without_a_place_for_the_table_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no place"):
        table.between_markers(text, "new")


def test_a_new_process_is_told_from_a_thread_and_from_an_end() -> None:
    def message(what: int, parent: int, child: int, group: int) -> bytes:
        return bytes(36) + struct.pack("=IIQIIII", what, 0, 0, parent, parent, child, group)

    assert processes.forked(message(1, 10, 11, 11)) == (10, 11)
    assert processes.forked(message(1, 10, 12, 10)) == (0, 0)
    assert processes.forked(message(1 << 31, 10, 11, 11)) == (0, 0)


def test_each_measurement_has_a_name_of_its_own_and_rows() -> None:
    assert len({measurement.key for measurement in ALL}) == len(ALL)
    assert all(measurement.rows for measurement in ALL)


def test_only_what_is_named_is_measured() -> None:
    assert chosen("") == ALL
    assert [found.key for found in chosen("end, start")] == ["start", "end"]
    with pytest.raises(SystemExit, match="no such measurement: nonsense"):
        chosen("nonsense")


def test_a_reference_stands_beside_ours_on_each_engine() -> None:
    found = subjects("", "/opt/wrapper")
    assert [subject.title for subject in found] == [
        "podman", "docker", "reference, podman", "reference, docker"]
    assert found[2].command == ("/opt/wrapper",)
    assert [subject.title for subject in subjects("docker", "")] == ["docker"]


def test_a_report_has_a_line_for_each_row_and_a_column_for_each_subject() -> None:
    lines = report(chosen("suspend"), ["podman"], [["1 s", "2 s", "3 s", "4 s"]]).splitlines()
    assert len(lines) == 2 + 4
    assert lines[0].split("|")[4].strip() == "podman"
    assert [line.split("|")[4].strip() for line in lines[2:]] == ["1 s", "2 s", "3 s", "4 s"]
