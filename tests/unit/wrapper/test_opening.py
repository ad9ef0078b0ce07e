"""What is taken of an ``init_data.xml`` that is written anew while a job goes on."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from wrapper.boinc.init_data import InitData
from wrapper.journal import Journal
from wrapper.opening import reread
from wrapper.work import Work

BEFORE = InitData(project_dir="/p", wu_name="w", result_name="w_0", fraction_done_end=0.5)


def read_again(slot: Path, body: str) -> Work:
    (slot / "init_data.xml").write_text(f"<app_init_data>\n{body}\n</app_init_data>\n")
    journal = Journal(io.StringIO())
    work = cast(Work, SimpleNamespace(slot=slot, init=BEFORE, journal=journal, proxies={}))
    reread(work)
    return work


def test_what_changed_is_taken(tmp_path: Path) -> None:
    work = read_again(tmp_path, "<fraction_done_end>0.75</fraction_done_end>\n<proxy_info>"
                      "<use_http_proxy/><http_server_name>h</http_server_name></proxy_info>")
    assert work.init is not None
    assert work.init.fraction_done_end == 0.75
    assert work.proxies["http_proxy"] == "http://h"


def test_whose_job_it_is_and_where_its_files_lie_stays_as_it_was(tmp_path: Path) -> None:
    work = read_again(tmp_path, "<project_dir>/</project_dir><result_name>evil</result_name>")
    assert work.init is not None
    assert (work.init.project_dir, work.init.result_name) == ("/p", "w_0")


def test_a_file_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "init_data.xml").mkdir()
    work = cast(Work, SimpleNamespace(slot=tmp_path, init=BEFORE, journal=Journal(io.StringIO())))
    reread(work)
    assert work.init is BEFORE
