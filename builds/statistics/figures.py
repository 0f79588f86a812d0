"""Statistics of a workspace's builds by day or week, aggregated by the database."""

import datetime
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Case, Count, DateField, F, FloatField, Func, Q, QuerySet, When
from django.utils import timezone

from builds.models import Build, BuildState
from builds.statistics.history import HistoryFilter, find_builds, find_requests
from environments.models import Workspace

DAYS_SHOWN = 45  # more than so many days are shown by weeks
WEEKS_SHOWN = 53
CAUSES_SHOWN = 5
DAY = datetime.timedelta(days=1)
FIRST_MONDAY = datetime.date(1970, 1, 5)  # the first day that is shown
PERIODS = {"month": 30, "quarter": 13 * 7, "year": 52 * 7}
DEFAULT_PERIOD = "month"


class PeriodStart(Func):
    """Truncate a timestamp to its UTC day, or to the Monday of its week. It runs on many rows, so it has to be cheap."""

    output_field = DateField()

    def __init__(self, field: str, by: str) -> None:
        super().__init__(F(field))
        self.by = by

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        # Django's own function calls Python for each row.
        day = "substr(%(expressions)s, 1, 10)"
        week = "date(%(expressions)s, 'weekday 0', '-6 days')"
        return self.as_sql(compiler, connection, template=day if self.by == "day" else week, **more)

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        day = "(%(expressions)s AT TIME ZONE 'UTC')::date"
        week = f"(DATE '{FIRST_MONDAY}' + ({day} - DATE '{FIRST_MONDAY}') / 7 * 7)"
        return self.as_sql(compiler, connection, template=day if self.by == "day" else week, **more)


class Took(Func):
    """The seconds between two timestamps as pages show them: tenths below ten, else whole seconds.

    Rounded values are few and can be counted; sorting all of them for the median would take the database long.
    """

    output_field = FloatField()
    rounded = "CASE WHEN {0} < 10 THEN round({0} * 10.0) / 10.0 ELSE round({0}) END"

    def __init__(self, start: str, end: str) -> None:
        super().__init__(F(start), F(end))

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        seconds = "((julianday(%(expressions)s)) * -86400.0)"
        template = self.rounded.format(seconds)
        return self.as_sql(compiler, connection, template=template, arg_joiner=") - julianday(", **more)

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        # EXTRACT would return exact numerics, which takes three times as long.
        seconds = "(-date_part('epoch', %(expressions)s))"
        return self.as_sql(
            compiler, connection, template=self.rounded.format(seconds), arg_joiner=" - ", **more
        )


@dataclass
class Figures:
    """The counts of a day, a week or a whole period. `half` and `most` are seconds: the 50th and 90th percentile."""

    start: datetime.date
    last: datetime.date
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    half: float | None = None
    most: float | None = None
    at_once: int = 0  # requests answered by an existing image
    joined: int = 0  # requests that joined a build
    new: int = 0  # requests that started a build

    @property
    def decided(self) -> int:
        """The number of builds that succeeded or failed; cancelled builds do not count."""
        return self.succeeded + self.failed

    @property
    def success(self) -> float | None:
        """The share of them that succeeded."""
        return self.succeeded / self.decided if self.decided else None

    @property
    def requests(self) -> int:
        """The number of requests for an image."""
        return self.at_once + self.joined + self.new

    @property
    def saved(self) -> float | None:
        """The share of the requests that needed no build."""
        return (self.at_once + self.joined) / self.requests if self.requests else None

    @property
    def empty(self) -> bool:
        """Whether nothing happened."""
        return not (self.decided or self.cancelled or self.requests)

    def add(self, other: "Figures") -> None:
        """Add the counts of another."""
        for name in ("succeeded", "failed", "cancelled", "at_once", "joined", "new"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True)
class Report:
    """The figures of a period, in all and by day or week, and why builds failed: (code, how many)."""

    by: str
    total: Figures
    parts: list[Figures]
    causes: list[tuple[str, int]]


def figures_of(workspace: Workspace, criteria: HistoryFilter, period: str) -> Report:
    """Return how the builds of a period went; the days that are criteria come before the period's.

    It takes three queries, however many builds and days there are.
    """
    since, until = _days(criteria, period)
    criteria = replace(criteria, state="", cause="", since=since, until=until)
    by = "day" if (until - since).days < DAYS_SHOWN else "week"
    parts = {part.start: part for part in _empty(since, until, by)}
    total = Figures(since, until)
    builds = find_builds(Build.objects.filter(workspace=workspace), workspace, criteria).rows.order_by()
    causes = _count_builds(builds, parts, total, by)
    requests = find_requests(workspace, criteria).order_by()
    counts = requests.annotate(start=PeriodStart("created_at", by)).values("start").annotate(
        at_once=Count("workspace", filter=Q(reused=True)), joined_=Count("workspace", filter=Q(joined=True)), all=Count("*")
    )  # fmt: skip
    for row in counts:
        part = parts[row["start"]]
        part.at_once, part.joined = row["at_once"], row["joined_"]
        part.new = row["all"] - part.at_once - part.joined
    for part in parts.values():
        total.add(part)
    most = sorted(causes.items(), key=lambda cause: (-cause[1], cause[0]))
    return Report(by, total, list(parts.values()), most[:CAUSES_SHOWN])


def _days(criteria: HistoryFilter, period: str) -> tuple[datetime.date, datetime.date]:
    """Return the first and the last day of what is criteria, else of the period: no more than fit on a chart."""
    last = today()
    # So early that the Monday of each day's week is a day too
    until = max(min(criteria.until or last, last), FIRST_MONDAY)
    since = criteria.since or until - (PERIODS.get(period, PERIODS[DEFAULT_PERIOD]) - 1) * DAY
    since = max(min(since, until), until - (WEEKS_SHOWN * 7 - 1) * DAY)
    if criteria.since is None and (until - since).days >= DAYS_SHOWN:
        since = monday_of(since)  # a week that is whole
    return since, until


def today() -> datetime.date:
    """Return the day it is by UTC, which all figures are by."""
    return timezone.now().astimezone(datetime.UTC).date()


def monday_of(day: datetime.date) -> datetime.date:
    """Return the Monday of a day's week."""
    return day - day.weekday() * DAY


def _empty(since: datetime.date, until: datetime.date, by: str) -> Iterator[Figures]:
    start = since if by == "day" else monday_of(since)
    long = DAY if by == "day" else 7 * DAY
    while start <= until:
        yield Figures(start, start + long - DAY)
        start += long


def _count_builds(
    builds: QuerySet[Build], parts: dict[datetime.date, Figures], total: Figures, by: str
) -> Counter[str]:
    """Count the builds by how they ended, and those that made an image by how long they took; return the causes."""
    made = When(state=BuildState.SUCCEEDED, reused=False, then=Took("started_at", "ended_at"))
    failed = When(state=BuildState.FAILED, then="error_code")
    rows = builds.filter(ended_at__isnull=False).annotate(
        start=PeriodStart("queued_at", by), took=Case(made), cause=Case(failed)
    )
    counts = rows.values_list("start", "state", "took", "cause").annotate(many=Count("*"))
    times: dict[datetime.date, Counter[float]] = defaultdict(Counter)
    causes: Counter[str] = Counter()
    for start, state, took, cause, many in counts:
        setattr(parts[start], state, getattr(parts[start], state) + many)
        if cause is not None:
            causes[cause] += many
        if took is not None:
            # A clock that was set back makes no time negative.
            times[start][max(0.0, took)] += many
    for start, counted in times.items():
        parts[start].half, parts[start].most = at(0.5, counted), at(0.9, counted)
    in_all = sum(times.values(), Counter())
    total.half, total.most = at(0.5, in_all), at(0.9, in_all)
    return causes


def at(part: float, times: Counter[float]) -> float | None:
    """Return the time within which such a part of the builds was done; None where there is none."""
    left = part * times.total()
    for took in sorted(times):
        left -= times[took]
        if left <= 0:
            return took
    return None
