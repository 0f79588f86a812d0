"""The history of a workspace's builds, looked through: by state, environment, person, day and cause."""

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from django.contrib.auth.models import User
from django.db.models import Model, Q, QuerySet
from django.utils.dateparse import parse_date

from builds.models import Build, Request, State
from environments.models import Listing, Version, Workspace

FEW = 500  # environments of which all builds are looked up
MOST_OF_MANY = 100
MOST_OF_ONE_PERSON = 1000
HASH = re.compile(r"[0-9a-f]{3,32}")

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Sought:
    """What somebody looks for in the history; what is empty is not asked for. Days are UTC's, both included."""

    state: str = ""
    query: str = ""  # a part of an environment's name, or the beginning of a hash
    by: str = ""  # who asked
    cause: str = ""  # the code of a failure
    since: datetime.date | None = None
    until: datetime.date | None = None

    @classmethod
    def read(cls, words: Mapping[str, str], user: str) -> "Sought":
        """Return what an address asks for; `me` is this user, and what is no state or day asks for nothing."""

        def word(name: str) -> str:
            return words.get(name, "").replace("\0", "").strip()

        state, by = word("state"), word("by")
        return cls(
            state=state if state in State.values else "",
            query=word("q"),
            by=user if by == "me" else by,
            cause=word("cause"),
            since=day_of(word("since")),
            until=day_of(word("until")),
        )

    def __bool__(self) -> bool:
        return self != Sought()

    def within(self, rows: QuerySet[M], field: str) -> QuerySet[M]:
        """Return the rows of the days that are asked for."""
        if self.since is not None:
            rows = rows.filter(**{f"{field}__gte": beginning_of(self.since)})
        if self.until is not None:
            # The day after the last one that there can be is none.
            last = min(self.until, datetime.date.max - datetime.timedelta(days=1))
            rows = rows.filter(**{f"{field}__lt": beginning_of(last + datetime.timedelta(days=1))})
        return rows


def day_of(text: str) -> datetime.date | None:
    """Return the day that a text such as 2026-11-21 means; None for anything else."""
    try:
        return parse_date(text)
    except ValueError:  # 30 February
        return None


def beginning_of(day: datetime.date) -> datetime.datetime:
    """Return when a day begins, by UTC."""
    return datetime.datetime.combine(day, datetime.time(), datetime.UTC)


@dataclass(frozen=True)
class Found(Generic[M]):
    """Rows that fit what somebody looks for, and how many of them it is worth to count.

    `as_many` are other rows, as many as these and sooner counted.
    """

    rows: QuerySet[M]
    most: int | None = None
    as_many: QuerySet[Any] | None = None


def find_builds(builds: QuerySet[Build], workspace: Workspace, sought: Sought) -> Found[Build]:
    """Return those of a workspace's builds that somebody looks for."""
    builds = sought.within(builds, "queued_at")
    as_many = None
    if sought.state:
        builds = builds.filter(state=sought.state)
    if sought.cause:
        builds = builds.filter(state=State.FAILED, error_code=sought.cause)
    if sought.by:
        asked = Request.objects.filter(user=person_named(sought.by), workspace=workspace)
        builds = builds.filter(pk__in=asked.values("build"))
        if sought == Sought(by=sought.by):
            # An index holds them; each build would be read to count it.
            as_many = asked.filter(build__isnull=False).order_by().values("build").distinct()
    found = replace(_of_query(builds, workspace, sought.query, "hash"), as_many=as_many)
    return replace(found, most=MOST_OF_ONE_PERSON) if sought.by and found.most is None else found


def find_requests(workspace: Workspace, sought: Sought) -> QuerySet[Request]:
    """Return a workspace's requests for images that somebody looks for, whatever became of them."""
    requests = sought.within(Request.objects.filter(workspace=workspace), "created_at")
    if sought.by:
        requests = requests.filter(user=person_named(sought.by))
    return _of_query(requests, workspace, sought.query, "version__hash").rows


def person_named(name: str) -> int:
    """Return the id of a person, which the requests' index knows; 0, which nobody has, for an unknown name."""
    return User.objects.filter(username=name).values_list("pk", flat=True).first() or 0


def _of_query(rows: QuerySet[M], workspace: Workspace, query: str, hash: str) -> Found[M]:
    query = query.lower()
    if not query:
        return Found(rows)
    named = Listing.objects.filter(workspace=workspace, name__contains=query).order_by("name")
    few = list(named.values_list("pk", flat=True)[: FEW + 1])
    if len(few) > FEW:
        # So many that the newest rows are soon found by looking at each; counting them all would take long.
        return Found(rows.filter(version__environment__name__icontains=query), MOST_OF_MANY)
    versions = Version.objects.filter(environment__in=few).values("pk")
    if not HASH.fullmatch(query):
        return Found(rows.filter(version__in=versions))
    # All that begin with it come before "…g", which no hash has: an index finds them in every database.
    begins = Q(**{f"{hash}__gte": query, f"{hash}__lt": f"{query}g"})
    return Found(rows.filter(Q(version__in=list(versions)) | begins if few else begins))
