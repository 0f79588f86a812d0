"""Compute how many workers a day of builds needs: `python -m bench.builds.queue`.

A day is played in a second: requests come by the hour of day and in bursts, hits are answered from the
database, the rest waits for a free hand in the order of arrival. What a build takes and writes was measured;
each number below names its source or is marked as assumed; the load is given as options.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

DAY = 24 * 3600

# Share of a day's requests in each hour: an office in Europe, one in America, and programs at night.
NIGHT_AND_MORNING = (1.5, 1.2, 1.2, 1.2, 1.3, 1.8, 3.0, 5.5, 8.0, 8.5, 7.5, 6.0)
HOURS = (*NIGHT_AND_MORNING, 6.0, 8.0, 9.0, 8.5, 6.5, 4.5, 3.0, 2.2, 1.8, 1.5, 1.4, 1.4)


@dataclass(frozen=True)
class Kind:
    """One kind of build: how many of a hundred, its seconds on two cores, the megabytes it adds to the store."""

    name: str
    share: float
    seconds: float
    megabytes: float


# Seconds and megabytes: docs/performance.md, `python -m bench.builds.imaging`; the shares are an assumption.
KINDS = (
    Kind("one package added", 40, 0.85, 4),
    Kind("another environment, 80 % shared", 25, 0.99, 2),
    Kind("one package bumped", 20, 2.4, 15),
    Kind("all packages new", 10, 17.4, 210),
    Kind("Dockerfile (as uv in one)", 5, 67.5, 222),
)
SPREAD = 0.5  # of the logarithm of the seconds: one in twenty takes more than twice as long

# Statements that write: `python -m bench.builds.writes` counts 81 for a build of 3.2 s and 2 for a hit. Of the 81, one a
# second is the heartbeat; another is reckoned for the log and the progress of steps that go on for long.
WRITES_A_BUILD = 75.0
WRITES_A_SECOND_OF_BUILD = 2.0
WRITES_A_HIT = 2.0
LOG_KILOBYTES = 5.0  # packed; an assumption: a build of one package keeps 0.6, a long Dockerfile more
REQUEST_MILLISECONDS = 22.0  # POST to *ready*, docs/performance.md; pages are taken for as much work
STREAMS_A_PROCESS = 1000  # the designed size of a web process; `make bench-load` measures it


@dataclass(frozen=True)
class Day:
    """The load of a day."""

    builds: int
    hits: float
    users: int
    pages: int
    burst_share: float
    burst_size: int

    @property
    def requests(self) -> float:
        """Requests for images: new builds and cache hits."""
        return self.builds / (1 - self.hits)


@dataclass(frozen=True)
class Waits:
    """Return how long builds waited with so many workers."""

    hands: int
    busy: float
    day: tuple[float, float, float]  # p50, p95, p99
    peak: tuple[float, float, float]
    longest: float


def arrivals(day: Day, chance: random.Random) -> list[float]:
    """Return the seconds of the day at which builds come, in order."""
    single = day.builds * (1 - day.burst_share)
    bursts = day.builds * day.burst_share / day.burst_size
    times: list[float] = []
    for hour, weight in enumerate(HOURS):
        share = weight / sum(HOURS)
        times += poisson(hour * 3600.0, single * share, chance)
        for start in poisson(hour * 3600.0, bursts * share, chance):
            times += [start + chance.uniform(0, 2) for _ in range(day.burst_size)]
    return sorted(times)


def poisson(start: float, expected: float, chance: random.Random) -> Iterator[float]:
    """Yield the times of an hour at which things come by chance."""
    at = start
    while expected > 0:
        at += chance.expovariate(expected / 3600)
        if at >= start + 3600:
            return
        yield at


def seconds_of(kind: Kind, chance: random.Random) -> float:
    """Return how long one build takes: on the average what was measured, some much longer."""
    return kind.seconds * math.exp(chance.gauss(-SPREAD * SPREAD / 2, SPREAD))


def play(times: Sequence[float], takes: Sequence[float], hands: int) -> Waits:
    """Let the builds wait for so many hands, first come, first served."""
    free = [0.0] * hands
    waits = []
    for came, takes_so_long in zip(times, takes, strict=True):
        begins = max(came, heapq.heappop(free))
        waits.append(begins - came)
        heapq.heappush(free, begins + takes_so_long)
    busiest = max(range(24), key=lambda hour: HOURS[hour])
    peak = [wait for came, wait in zip(times, waits, strict=True) if came // 3600 == busiest]
    return Waits(hands, sum(takes) / hands / DAY, percentiles(waits), percentiles(peak), max(waits))


def percentiles(values: list[float]) -> tuple[float, float, float]:
    """Return the median, and what 95 and 99 of a hundred do not pass."""
    if not values:
        return 0.0, 0.0, 0.0
    ranked = sorted(values)
    p50, p95, p99 = (ranked[min(len(ranked) - 1, int(part * len(ranked)))] for part in (0.5, 0.95, 0.99))
    return p50, p95, p99


def enough(times: Sequence[float], takes: Sequence[float], within: float) -> Waits:
    """Return the fewest hands with which 95 of 100 builds of the busiest hour begin in time."""
    most = 1
    while play(times, takes, most).peak[1] > within:
        most *= 2
    least = most // 2  # too few
    while most - least > 1:
        middle = (most + least) // 2
        if play(times, takes, middle).peak[1] > within:
            least = middle
        else:
            most = middle
    return play(times, takes, most)


def main() -> None:
    """Play the day, and print what it needs."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--builds", type=int, default=100_000, help="made by workers in a day")
    options.add_argument("--hits", type=float, default=0.6, help="share of requests that find their image")
    options.add_argument("--users", type=int, default=10_000, help="who come in a day")
    options.add_argument("--pages", type=int, default=60, help="requests of one of them to the web in a day")
    options.add_argument("--bursts", type=float, default=0.2, help="share of builds that come in bursts")
    options.add_argument("--burst", type=int, default=50, help="builds in a burst")
    options.add_argument("--within", type=float, default=5.0, help="seconds in which p95 of the peak begins")
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    if not 0 <= given.hits < 1:
        options.error("--hits is a share of 1, and somebody has to build: 0 to 0.99")
    day = Day(given.builds, given.hits, given.users, given.pages, given.bursts, given.burst)
    chance = random.Random(given.seed)  # noqa: S311 (the same day each time)
    times = arrivals(day, chance)
    shares = [kind.share for kind in KINDS]
    kinds = chance.choices(KINDS, shares, k=len(times))
    takes = [seconds_of(kind, chance) for kind in kinds]
    tell_day(day, times, takes)
    tell_workers(times, takes, given.within)
    tell_rest(day, kinds, takes)


def tell_day(day: Day, times: list[float], takes: list[float]) -> None:
    """Print what comes."""
    print(
        f"A day of {len(times):,} builds, {day.requests:,.0f} requests ({day.hits:.0%} hits), {day.users:,} users"
    )
    print(
        f"  a build takes {sum(takes) / len(takes):.1f} s on two cores, {percentiles(takes)[0]:.1f} s in the middle"
    )
    print(
        f"  all together: {sum(takes) / 3600:,.0f} hours; busiest hour: {max(HOURS) / sum(HOURS):.0%} of the day\n"
    )


def tell_workers(times: list[float], takes: list[float], within: float) -> None:
    """Print the waits with the fewest hands that do, and with some more and fewer."""
    right = enough(times, takes, within)
    print("  hands (two cores each)   busy    wait p50 / p95 / p99   in the busiest hour        longest")
    for hands in sorted({max(1, int(right.hands * part)) for part in (0.75, 0.9, 1.0, 1.25, 1.5)}):
        waits = play(times, takes, hands)
        mark = "←" if hands == right.hands else " "
        print(
            f"  {hands:6} {mark:16} {waits.busy:6.0%}   {formatted(waits.day):>22} {formatted(waits.peak):>22}"
            f"   {waits.longest:8,.0f} s"
        )
    print(f"  ← the fewest with which 95 of 100 begin within {within:g} s in the busiest hour\n")


def formatted(waits: tuple[float, float, float]) -> str:
    """Return three waits for a table."""
    return " / ".join(f"{wait:,.1f}" for wait in waits) + " s"


def tell_rest(day: Day, kinds: list[Kind], takes: list[float]) -> None:
    """Print what web, database and disk have to bear."""
    peak = max(HOURS) / sum(HOURS) / 3600
    hits = day.requests - day.builds
    writes = len(takes) * WRITES_A_BUILD + sum(takes) * WRITES_A_SECOND_OF_BUILD + hits * WRITES_A_HIT
    web = day.users * day.pages + day.requests
    processes = math.ceil(web * peak * REQUEST_MILLISECONDS / 1000 / 0.5)
    watching = sum(takes) * peak
    store = sum(kind.megabytes for kind in kinds)
    print(f"  web: {web * peak:,.0f} requests/s at the peak, {processes} processes half busy")
    print(
        f"  streams: {watching:,.0f} builds watched at a time, {math.ceil(watching / STREAMS_A_PROCESS)} processes"
    )
    print(f"  database: {writes / DAY:,.0f} writes/s on the average, {writes * peak:,.0f} at the peak")
    print(
        f"  rows: {len(takes) + day.requests:,.0f} builds and requests, {len(takes) * LOG_KILOBYTES / 1e6:.1f} GB of log a day"
    )
    print(
        f"  store: {store / 1000:,.0f} GB a day, if no two builds of different workspaces had a package in common"
    )


if __name__ == "__main__":
    main()
