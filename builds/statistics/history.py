"""The history of a workspace's builds, filtered by state, environment, person, day and cause."""

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from django.contrib.auth.models import User
from django.db.models import Model, Q, QuerySet
from django.utils.dateparse import parse_date

from builds.models import Build, BuildRequest, BuildState
from environments.models import ListEntry, Version, Workspace

FEW = 500  # environments of which all builds are looked up
MAX_OF_MANY = 100
MAX_OF_ONE_PERSON = 1000
HASH = re.compile(r"[0-9a-f]{3,32}")

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class HistoryFilter:
    """The conditions the history is narrowed by; empty fields match everything. Days are in UTC, both inclusive."""

    state: str = ""
    query: str = ""  # a part of an environment's name, or the beginning of a hash
    by: str = ""  # the requester's name
    cause: str = ""  # the code of a failure
    since: datetime.date | None = None
    until: datetime.date | None = None

    @classmethod
    def read(cls, query: Mapping[str, str], user: str) -> "HistoryFilter":
        """Return the filter of a query string; `me` is this user, and invalid states and days are ignored."""

        def word(name: str) -> str:
            return query.get(name, "").strip()

        state, by = word("state"), word("by")
        return cls(
            state=state if state in BuildState.values else "",
            query=word("q"),
            by=user if by == "me" else by,
            cause=word("cause"),
            since=day_of(word("since")),
            until=day_of(word("until")),
        )

    def __bool__(self) -> bool:
        return self != HistoryFilter()

    def within(self, rows: QuerySet[M], field: str) -> QuerySet[M]:
        """Return the rows of the requested days."""
        if self.since is not None:
            rows = rows.filter(**{f"{field}__gte": beginning_of(self.since)})
        if self.until is not None:
            # datetime.date.max has no next day.
            last = min(self.until, datetime.date.max - datetime.timedelta(days=1))
            rows = rows.filter(**{f"{field}__lt": beginning_of(last + datetime.timedelta(days=1))})
        return rows


def day_of(text: str) -> datetime.date | None:
    """Parse a day such as 2026-11-21; return None for anything else."""
    try:
        return parse_date(text)
    except ValueError:  # 30 February
        return None


def beginning_of(day: datetime.date) -> datetime.datetime:
    """Return the start of a day in UTC."""
    return datetime.datetime.combine(day, datetime.time(), datetime.UTC)


@dataclass(frozen=True)
class Matches(Generic[M]):
    """Rows that match a filter, and how many of them are worth counting.

    `as_many` are other rows, as many as these and sooner counted.
    """

    rows: QuerySet[M]
    most: int | None = None
    as_many: QuerySet[Any] | None = None


def find_builds(builds: QuerySet[Build], workspace: Workspace, criteria: HistoryFilter) -> Matches[Build]:
    """Return the builds of a workspace that match a filter."""
    builds = criteria.within(builds, "queued_at")
    as_many = None
    if criteria.state:
        builds = builds.filter(state=criteria.state)
    if criteria.cause:
        builds = builds.filter(state=BuildState.FAILED, error_code=criteria.cause)
    if criteria.by:
        requests = BuildRequest.objects.filter(user=person_named(criteria.by), workspace=workspace)
        builds = builds.filter(pk__in=requests.values("build"))
        if criteria == HistoryFilter(by=criteria.by):
            # An index holds them; each build would be read to count it.
            as_many = requests.filter(build__isnull=False).order_by().values("build").distinct()
    matches = replace(_of_query(builds, workspace, criteria.query, "hash"), as_many=as_many)
    return replace(matches, most=MAX_OF_ONE_PERSON) if criteria.by and matches.most is None else matches


def find_requests(workspace: Workspace, criteria: HistoryFilter) -> QuerySet[BuildRequest]:
    """Return a workspace's requests for images that match a filter, with any outcome."""
    requests = criteria.within(BuildRequest.objects.filter(workspace=workspace), "created_at")
    if criteria.by:
        requests = requests.filter(user=person_named(criteria.by))
    return _of_query(requests, workspace, criteria.query, "version__hash").rows


def person_named(name: str) -> int:
    """Return the id of a user, for the index of requests; 0, which nobody has, for an unknown name."""
    return User.objects.filter(username=name).values_list("pk", flat=True).first() or 0


def _of_query(rows: QuerySet[M], workspace: Workspace, query: str, hash: str) -> Matches[M]:
    query = query.lower()
    if not query:
        return Matches(rows)
    named = ListEntry.objects.filter(workspace=workspace, name__contains=query).order_by("name")
    few = list(named.values_list("pk", flat=True)[: FEW + 1])
    if len(few) > FEW:
        # So many that the newest rows match soon when read one after another; counting them all would take long.
        return Matches(rows.filter(version__environment__name__icontains=query), MAX_OF_MANY)
    versions = Version.objects.filter(environment__in=few).values("pk")
    if not HASH.fullmatch(query):
        return Matches(rows.filter(version__in=versions))
    # All that begin with it come before "…g", which no hash has: an index finds them in every database.
    begins = Q(**{f"{hash}__gte": query, f"{hash}__lt": f"{query}g"})
    return Matches(rows.filter(Q(version__in=list(versions)) | begins if few else begins))
