"""What is told of a job's use of the machine: never less than before, and every run counted."""

from __future__ import annotations

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


def test_there_is_nothing_to_read_before_a_container_is_followed() -> None:
    assert Accounts(0.0, 0.0).blind
