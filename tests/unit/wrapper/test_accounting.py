"""What is told of a job's use of the machine: never less than before, and every run counted."""

from __future__ import annotations

import pytest

from wrapper.accounting import Accounts
from wrapper.engine.usage import Sample, Usage


def test_earlier_runs_and_this_one_are_added() -> None:
    accounts = Accounts(10.0, 10.0)
    accounts.take(Usage(2.5, 4096))
    assert (accounts.cpu_time, accounts.wss) == (12.5, 4096)


def test_cpu_time_never_goes_back() -> None:
    accounts = Accounts(0.0, 7.0)
    accounts.take(Usage(2.0, 1))
    assert accounts.cpu_time == 7.0
    accounts.take(Usage(8.0, 1))
    assert accounts.cpu_time == 8.0


def test_a_run_that_begins_again_counts_on_top_of_what_was_used() -> None:
    accounts = Accounts(0.0, 0.0)
    accounts.take(Usage(5.0, 100))
    accounts.begin_again()
    assert accounts.wss == 0
    accounts.take(Usage(1.0, 100))
    assert accounts.cpu_time == 6.0


def test_an_estimate_takes_podmans_time_as_it_is() -> None:
    accounts = Accounts(3.0, 3.0)
    accounts.estimate(Sample(cpu=4.0, rate=0.5, wss=10), now=100.0)
    assert (accounts.cpu_time, accounts.wss) == (7.0, 10)


def test_an_estimate_stretches_dockers_rate_over_the_time_since_the_last() -> None:
    accounts = Accounts(0.0, 0.0)
    accounts.estimate(Sample(cpu=None, rate=2.0, wss=10), now=100.0)
    assert accounts.cpu_time == 0.0
    accounts.estimate(Sample(cpu=None, rate=1.5, wss=10), now=160.0)
    assert accounts.cpu_time == 90.0


def test_dockers_rate_counts_from_when_the_job_runs_until_it_rests() -> None:
    accounts = Accounts(0.0, 0.0)
    accounts.going(100.0)
    accounts.estimate(Sample(cpu=None, rate=2.0, wss=10), now=102.0)
    accounts.rest(105.0)
    assert accounts.cpu_time == 10.0
    accounts.rest(200.0)
    accounts.going(300.0)
    accounts.going(301.0)
    accounts.rest(304.0)
    assert accounts.cpu_time == 18.0


def test_podmans_time_is_stretched_to_the_end_as_fast_as_it_last_went() -> None:
    accounts = Accounts(1.0, 1.0)
    accounts.going(0.0)
    accounts.estimate(Sample(cpu=0.5, rate=0.1, wss=10), now=5.0)
    accounts.rest(7.0)
    accounts.going(100.0)
    accounts.estimate(Sample(cpu=4.5, rate=0.1, wss=10), now=102.0)
    accounts.rest(104.0)
    assert accounts.cpu_time == pytest.approx(1.0 + 4.5 + 2.0)


def test_a_run_that_somebody_else_began_is_stretched_by_its_average() -> None:
    accounts = Accounts(0.0, 50.0)
    accounts.going(0.0)
    accounts.estimate(Sample(cpu=60.0, rate=0.5, wss=10), now=0.5)
    accounts.rest(4.5)
    assert accounts.cpu_time == pytest.approx(62.0)


def test_an_end_long_before_it_was_noticed_adds_nothing() -> None:
    accounts = Accounts(0.0, 0.0)
    accounts.going(100.0)
    accounts.estimate(Sample(cpu=None, rate=2.0, wss=10), now=102.0)
    accounts.rest(90.0)
    assert accounts.cpu_time == 4.0


def test_there_is_nothing_to_read_before_a_container_is_followed() -> None:
    assert Accounts(0.0, 0.0).blind
