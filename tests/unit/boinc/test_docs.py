"""The program in ``docs/boinc-client.md`` runs as it stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.boinc.test_session import PlayedClient
from wrapper.boinc.channels import NAMES
from wrapper.boinc.slot import finish_written

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "boinc-client.md").read_text(encoding="utf-8")
PROGRAM = DOCUMENT.split("```python\n")[1].split("```")[0]


def start(slot: Path) -> subprocess.Popen[bytes]:
    """Start the program in a slot, with enough input for 1,000 steps."""
    (slot / "program.py").write_text(PROGRAM, encoding="utf-8")
    (slot / "input").write_bytes(bytes(1000))
    (slot / "in").write_text("<soft_link>input</soft_link>")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "program.py"], cwd=slot, env=environment)


def test_the_program_runs_by_hand(tmp_path: Path) -> None:
    with start(tmp_path) as program:
        assert program.wait(60) == 0
    assert finish_written(tmp_path) == 0


def init_data(client_pid: int) -> str:
    """What a client would write for the second half of a job."""
    return (
        "<app_init_data>\n<slot>0</slot>\n<wu_cpu_time>1000.000000</wu_cpu_time>\n"
        "<fraction_done_start>0.500000</fraction_done_start>\n"
        f"<fraction_done_end>1.000000</fraction_done_end>\n<client_pid>{client_pid}</client_pid>\n"
        "</app_init_data>\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="the played client is one of Unix")
def test_the_program_runs_under_a_client(tmp_path: Path) -> None:
    client = PlayedClient(tmp_path)
    try:
        (tmp_path / "init_data.xml").write_text(init_data(client.process.pid))
        with start(tmp_path) as program:
            assert program.wait(60) == 0
        told = client.do("get 5")
    finally:
        client.end()
    assert finish_written(tmp_path) == 0
    assert "<fraction_done>1.000000e+00</fraction_done>" in told
    assert "<current_cpu_time>1.000" in told


@pytest.mark.skipif(sys.platform == "win32", reason="the played client is one of Unix")
@pytest.mark.parametrize(("request_", "status"), [("<quit/>", 0), ("<abort/>", 194)])
def test_the_program_obeys_a_client(tmp_path: Path, request_: str, status: int) -> None:
    client = PlayedClient(tmp_path)
    try:
        (tmp_path / "init_data.xml").write_text(init_data(client.process.pid))
        assert client.do(f"put 0 {request_}") == "ok"
        with start(tmp_path) as program:
            assert program.wait(60) == status
    finally:
        client.end()
    assert finish_written(tmp_path) is None


def test_the_document_names_every_channel_in_its_place() -> None:
    rows = [line.split("|") for line in DOCUMENT.splitlines() if line.startswith("| ")]
    found = {cells[1].strip(): cells[2].strip(" `") for cells in rows if len(cells) > 5}
    assert [found.get(str(number)) for number in range(8)] == list(NAMES)
