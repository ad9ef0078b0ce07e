"""The tolerant reader of what the client prints."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.boinc.steady import steady
from wrapper.boinc.tags import (
    MOST_UNCLOSED,
    children,
    flag,
    number,
    unescaped,
    whole_number,
)


def test_elements_come_in_their_order_with_raw_content() -> None:
    found = list(children(b"<a>1</a> words <b/>\n<c><a>2</a></c><d></d>"))
    assert found == [("a", b"1"), ("b", None), ("c", b"<a>2</a>"), ("d", b"")]


def test_a_value_ends_at_its_own_end_tag_whatever_it_holds() -> None:
    text = b"<wu_name>a < b & c <i> </nothing></wu_name><slot>1</slot>"
    assert list(children(text)) == [
        ("wu_name", b"a < b & c <i> </nothing>"),
        ("slot", b"1"),
    ]


def test_a_tag_without_an_end_is_passed_over() -> None:
    assert list(children(b"<lost><slot>1</slot>")) == [("slot", b"1")]


def test_declarations_and_comments_are_no_elements() -> None:
    text = b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e 'boom'>]><!-- --><a>&e;</a>"
    assert list(children(text)) == [("a", b"&e;")]


def test_more_unclosed_tags_than_a_client_prints_are_refused() -> None:
    text = b"".join(b"<x%d>" % number for number in range(MOST_UNCLOSED + 1))
    with pytest.raises(ValueError, match="without an end"):
        list(children(text))


@pytest.mark.parametrize(
    "text",
    [
        b"<a>" * 1_000_000,
        b"<" * 4_000_000,
        b"<a" + b" " * 4_000_000,
        b"<" + b"a" * 4_000_000,
        b"</a>" * 1_000_000,
        b"<a>" + b"</b>" * 1_000_000,
    ],
)
def test_hostile_text_costs_bounded_time(text: bytes) -> None:
    start = time.process_time()
    with contextlib.suppress(ValueError):
        assert list(children(text)) == []
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b" a&lt;b&gt; &quot;c&apos; ", b"a<b> \"c'"),
        (b"&amp;lt;", b"&lt;"),
        (b"&#195;&#182;", "ö".encode()),
        (b"&#8364;", "€".encode()),
        (b"a & b; &nbsp; &#x41; &", b"a & b; &nbsp; &#x41; &"),
        (b"&#1114112;", b"&#1114112;"),
        (b"&#55296;", b"&#55296;"),
    ],
)
def test_entities_are_decoded_once_and_others_stay(raw: bytes, value: bytes) -> None:
    assert unescaped(raw) == value


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"1", 1.0),
        (b" -1.500000\n", -1.5),
        (b"1.5e+09", 1.5e9),
        (b"1E-3", 0.001),
        (b".5", 0.5),
        (b"", None),
        (None, None),
        (b"nan", None),
        (b"inf", None),
        (b"1e999", None),
        (b"0x10", None),
        (b"1,5", None),
        (b"12 34", None),
        (b"1_0", None),
        (b"9" * 5000, None),
    ],
)
def test_a_number_is_finite_and_printed_as_in_c(raw: bytes | None, value: float | None) -> None:
    assert number(raw) == value


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"3", 3),
        (b"-1", -1),
        (b"3.000000", 3),
        (b"9007199254740993", 9007199254740993),
        (b"3.5", None),
        (b"1e300", None),
        (b"x", None),
        (None, None),
    ],
)
def test_a_whole_number_is_exact_and_of_64_bits(raw: bytes | None, value: int | None) -> None:
    assert whole_number(raw) == value


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (None, True),
        (b"1", True),
        (b" true ", True),
        (b"0", False),
        (b"0.000", False),
        (b"False", False),
        (b"", None),
        (b"maybe", None),
    ],
)
def test_a_flag_is_an_empty_element_or_a_number(raw: bytes | None, value: bool | None) -> None:
    assert flag(raw) is value


@steady
@given(st.binary(max_size=400))
def test_readers_of_values_take_any_bytes(raw: bytes) -> None:
    assert isinstance(unescaped(raw), bytes)
    assert number(raw) is None or isinstance(number(raw), float)
    assert whole_number(raw) is None or isinstance(whole_number(raw), int)
    assert flag(raw) in (None, True, False)
