"""What happened in a workspace: looked for by who, what, where and when, and written out for programs."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.timezone import is_naive

from environments.access import token_behind
from environments.models import Environment, Event, Scope, Workspace
from environments.outbox import EventGroup

THE_STUDIO = ":studio"  # no person can be called so
NO_WORKSPACE = ":none"  # nor a workspace so
AT_ONCE = 500
MOST_OF_A_NAME = 1000  # environments, one in each workspace
FIELDS = ("who", "what", "workspace", "environment", "since", "until")


class BadFilter(ValueError):
    """What was asked for cannot be looked for: which field, and why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Filter:
    """Which events: by whom, of which group or verb, in which workspace, about which environment, and when."""

    who: str = ""
    what: str = ""
    workspace: str = ""
    environment: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def read(cls, told: Mapping[str, str]) -> "Filter":
        """Return what an address asks for. Raises BadFilter for times that are none."""
        found = cls(**{name: str(told.get(name, "")).replace("\0", "").strip()[:400] for name in FIELDS})
        found.times()
        return found

    @property
    def empty(self) -> bool:
        """Whether everything is asked for."""
        return self == Filter()

    def times(self) -> tuple[datetime | None, datetime | None]:
        """Return from when, and before when; a day counts from its beginning to its end, in UTC."""
        return _moment("since", self.since), _moment("until", self.until, end=True)

    def of(self, rows: QuerySet[Event]) -> QuerySet[Event]:
        """Return those rows that are asked for."""
        if self.who == THE_STUDIO:
            rows = rows.filter(actor=None)
        elif self.who:
            rows = rows.filter(actor=User.objects.filter(username=self.who).values("pk")[:1])
        if self.what in EventGroup.values:
            rows = rows.filter(about=self.what)
        elif self.what:
            rows = rows.filter(verb=self.what)
        if self.workspace == NO_WORKSPACE:
            rows = rows.filter(workspace=None)
        elif self.workspace:
            rows = rows.filter(workspace=Workspace.objects.filter(name=self.workspace).values("pk")[:1])
        if self.environment:
            # Their keys first: joined, the database would look through all events for the name.
            named = Environment.objects.filter(name=self.environment).values_list("pk", flat=True)
            rows = rows.filter(environment__in=list(named[:MOST_OF_A_NAME]))
        since, until = self.times()
        if since is not None:
            rows = rows.filter(at__gte=since)
        if until is not None:
            rows = rows.filter(at__lt=until)
        return rows


def _moment(field: str, text: str, *, end: bool = False) -> datetime | None:
    if not text:
        return None
    try:
        day = parse_date(text)
        if day is not None:
            return _day(day, end=end)
        when = parse_datetime(text)
    except (ValueError, OverflowError):
        when = None
    if when is None or is_naive(when):
        raise BadFilter(field, "Write a day such as 2026-11-21, or a time with its zone: 2026-11-21T08:00Z.")
    return when


def _day(day: date, *, end: bool) -> datetime:
    return datetime.combine(day + timedelta(days=1) if end else day, time.min, UTC)


def events_of(workspace: Workspace, asked: Filter | None = None) -> QuerySet[Event]:
    """Return what happened in a workspace, newest first."""
    return _asked(Event.objects.filter(workspace=workspace), asked)


def events_everywhere(user: User, asked: Filter | None = None) -> QuerySet[Event]:
    """Return what happened in the whole studio, for admins; for all others what they did themselves.

    Who came by a token sees no more than the token: what its owner did, and in its workspace if it has one.
    """
    token = token_behind(user)
    rows = Event.objects.all()
    if token is not None and token.workspace_id is not None:
        rows = rows.filter(workspace=token.workspace_id)
    if not sees_everything(user):
        rows = rows.filter(actor=user.pk)
    return _asked(rows, asked)


def sees_everything(user: User) -> bool:
    """Whether somebody is an admin, and did not come by a token that only reads."""
    token = token_behind(user)
    return user.is_superuser and (token is None or token.scope >= Scope.WRITE)


def _asked(rows: QuerySet[Event], asked: Filter | None) -> QuerySet[Event]:
    rows = rows.select_related("actor", "environment__workspace", "workspace").order_by("-at", "-pk")
    return asked.of(rows) if asked is not None else rows


def as_json(event: Event, *, origin: bool) -> dict[str, Any]:
    """Return an event for programs: with where it came from for those who may see that."""
    told: dict[str, Any] = {
        "id": event.pk,
        "at": event.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "workspace": event.workspace.name if event.workspace else None,
        "actor": event.actor.get_username() if event.actor else None,
        "verb": event.verb,
        "subject": event.subject,
        "environment": event.environment.name if event.environment else None,
        "before": event.before,
        "after": event.after,
        "details": event.details,
    }
    came = {"address": event.address, "agent": event.agent, "token": event.token}
    return told | {"origin": came if origin else None}


def lines_of(rows: QuerySet[Event], *, origin: bool) -> Iterator[str]:
    """Yield each event as a line of JSON, newest first, a few hundred in memory at a time."""
    last: Event | None = None
    while True:
        # From where the last ones ended: by time, and by number where several are of one moment.
        page = rows
        if last is not None:  # so written that the database begins there in its index
            page = rows.filter(at__lte=last.at).exclude(at=last.at, pk__gte=last.pk)
        found = list(page.order_by("-at", "-pk")[:AT_ONCE])
        if not found:
            return
        last = found[-1]
        yield "".join(f"{json.dumps(as_json(event, origin=origin))}\n" for event in found)


async def stream_of(rows: QuerySet[Event], *, origin: bool) -> AsyncIterator[str]:
    """Yield the same lines as they are read: what is not async would be collected whole first."""
    lines = lines_of(rows, origin=origin)
    while text := await sync_to_async(lambda: next(lines, ""))():
        yield text
