"""Dates and ages that limit uploads: what is read, in one spelling, and what is refused."""

from __future__ import annotations

import datetime as dt
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from environments.definition.packages.cutoffs import (
    ANY,
    BadCutoff,
    exception_key,
    in_words,
    is_date,
    limit_of,
    spelled,
)

NOW = dt.datetime(2026, 6, 15, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "wrong",
    [
        "", " ", "soon", "14", "14 moons", "1 month", "2 years", "P1M", "P1Y", "PT", "P", "-3 days", "3.5 days",
        "days", "3 days ago", "2026-02-30", "2026-13-01", "2026-6-1", "01/06/2026", "2026-06-01T25:00",
        "9999-12-31", "0001-01-01T00:00+23:00", "99999999 weeks", "9" * 5000, "1 d" * 5000, "١٤ days", "1d2026-06-01",
        "14 days\0",
    ],
)  # fmt: skip
def test_what_is_neither_a_date_nor_an_age_is_refused_with_what_to_write(wrong: str) -> None:
    with pytest.raises(BadCutoff) as refused:
        limit_of(wrong, NOW)
    assert str(refused.value)
    assert "Write" in refused.value.help


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("14 days", "14 days"), ("2 weeks", "14 days"), ("P14D", "14 days"), ("P2W", "14 days"), ("14d", "14 days"),
        (" 1  week, 7 days ", "14 days"), ("1w7d", "14 days"), ("PT36H", "36 hours"), ("1 day 12 hours", "36 hours"),
        ("24 hours", "1 day"), ("90 min", "90 minutes"), ("1 second", "1 second"), ("0 days", ANY), ("Any", ANY),
        ("2026-06-01", "2026-06-01"), ("2026-06-01T02:00:00+02:00", "2026-06-01T00:00:00Z"),
        ("2026-06-01 12:30", "2026-06-01T12:30:00Z"), ("2026-06-01 12:30 +0200", "2026-06-01T10:30:00Z"),
        ("2026-06-01t00:00:00z", "2026-06-01T00:00:00Z"),
    ],
)  # fmt: skip
def test_each_meaning_has_one_spelling(written: str, canonical: str) -> None:
    assert spelled(written) == canonical


def test_a_date_includes_its_day_and_an_age_counts_from_now() -> None:
    """As with uv and pixi, which read a date as the end of that day."""
    assert limit_of("2026-06-01", NOW) == dt.datetime(2026, 6, 2, tzinfo=dt.UTC)
    assert limit_of("2026-06-01T00:00:00Z", NOW) == dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
    assert limit_of("14 days", NOW) == dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
    assert limit_of("any", NOW) is None


@given(st.text(max_size=80) | st.text(string.digits + "-:TZPdhw +days,", max_size=70))
@example("0000-01-01")
@example("P1DT")
def test_any_text_is_refused_or_has_a_spelling_that_stays(text: str) -> None:
    try:
        canonical = spelled(text)
    except BadCutoff:
        return
    assert spelled(canonical) == canonical
    assert limit_of(canonical, NOW) == limit_of(text, NOW)
    assert is_date(canonical) == canonical[:4].isdigit() & ("-" in canonical)


@given(st.integers(1, 36_525 * 86_400))
def test_every_age_is_read_back_from_its_spelling(seconds: int) -> None:
    limit = limit_of(f"{seconds} seconds", NOW)
    assert limit == NOW - dt.timedelta(seconds=seconds)
    assert limit_of(spelled(f"{seconds}s"), NOW) == limit


@given(st.integers(0, 4_000_000_000).map(lambda seconds: dt.datetime.fromtimestamp(seconds, dt.UTC)))
def test_every_time_is_read_back_from_its_spelling(time: dt.datetime) -> None:
    assert limit_of(spelled(time.isoformat()), NOW) == time


@pytest.mark.parametrize("wrong", ["", "a b", "numpy>=2", "-x", "a" * 300, "héllo", "https://x .org"])
def test_an_exception_is_for_a_package_or_an_address(wrong: str) -> None:
    with pytest.raises(BadCutoff):
        exception_key(wrong)


def test_exceptions_have_normalised_names_and_addresses_without_a_slash() -> None:
    assert exception_key("Typing_Extensions") == "typing-extensions"
    assert exception_key("https://x.example/simple/") == "https://x.example/simple"


def test_words_name_ten_exceptions_at_most() -> None:
    assert in_words("", "", {}) == ""
    assert in_words("2026-06-01", "", {"numpy": "any"}) == "as of 2026-06-01, except numpy (any)"
    assert in_words("", "14 days", {f"p{n:02}": "any" for n in range(12)}).endswith("p09 (any) and 2 more")
