from __future__ import annotations

import datetime
import time

import pytest

LONGEST_TEST = 30.0  # seconds


@pytest.fixture(autouse=True)
def it_stays_the_same_day() -> None:
    """Begin no test in the last moments of a day by UTC: its rows get the real time, and figures are by day."""
    now = datetime.datetime.now(datetime.UTC)
    midnight = datetime.datetime.combine(
        now.date() + datetime.timedelta(days=1), datetime.time(), datetime.UTC
    )
    left = (midnight - now).total_seconds()
    if left < LONGEST_TEST:
        time.sleep(left)
