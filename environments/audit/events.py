"""Events of a workspace or of the studio: filtered, and exported as lines of JSON."""

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

from environments.access import token_used_by
from environments.models import Environment, Event, EventGroup, Scope, Workspace

STUDIO_ACTOR = ":studio"  # not a valid user name
NO_WORKSPACE = ":none"  # not a valid workspace name
BATCH_SIZE = 500
MAX_ENVIRONMENTS = 1000  # environments, one in each workspace
FIELDS = ("who", "what", "workspace", "environment", "since", "until")


class InvalidFilter(ValueError):
    """A filter that cannot be applied: its field, and the reason."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class EventFilter:
    """A filter of events by actor, group or verb, workspace, environment and time."""

    who: str = ""
    what: str = ""
    workspace: str = ""
    environment: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def read(cls, params: Mapping[str, str]) -> "EventFilter":
        """Return the filter of a query string. Raises InvalidFilter for invalid times."""
        filters = cls(**{name: str(params.get(name, "")).strip()[:400] for name in FIELDS})
        filters.time_range()
        return filters

    @property
    def empty(self) -> bool:
        """Whether all events pass."""
        return self == EventFilter()

    def time_range(self) -> tuple[datetime | None, datetime | None]:
        """Return the first moment, and the first moment after the last; a day is a day of UTC."""
        return _parse_time("since", self.since), _parse_time("until", self.until, end=True)

    def apply(self, rows: QuerySet[Event]) -> QuerySet[Event]:
        """Return the rows that pass the filter."""
        if self.who == STUDIO_ACTOR:
            rows = rows.filter(actor=None)
        elif self.who:
            rows = rows.filter(actor=User.objects.filter(username=self.who).values("pk")[:1])
        if self.what in EventGroup.values:
            rows = rows.filter(group=self.what)
        elif self.what:
            rows = rows.filter(verb=self.what)
        if self.workspace == NO_WORKSPACE:
            rows = rows.filter(workspace=None)
        elif self.workspace:
            rows = rows.filter(workspace=Workspace.objects.filter(name=self.workspace).values("pk")[:1])
        if self.environment:
            # Keys first: with a join, the database would search all events for the name.
            named = Environment.objects.filter(name=self.environment).values_list("pk", flat=True)
            rows = rows.filter(environment__in=list(named[:MAX_ENVIRONMENTS]))
        since, until = self.time_range()
        if since is not None:
            rows = rows.filter(at__gte=since)
        if until is not None:
            rows = rows.filter(at__lt=until)
        return rows


def _parse_time(field: str, text: str, *, end: bool = False) -> datetime | None:
    if not text:
        return None
    try:
        day = parse_date(text)
        if day is not None:
            return _day_boundary(day, end=end)
        moment = parse_datetime(text)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or is_naive(moment):
        raise InvalidFilter(
            field, "Write a day such as 2026-11-21, or a time with its zone: 2026-11-21T08:00Z."
        )
    return moment


def _day_boundary(day: date, *, end: bool) -> datetime:
    return datetime.combine(day + timedelta(days=1) if end else day, time.min, UTC)


def workspace_events(workspace: Workspace, filters: EventFilter | None = None) -> QuerySet[Event]:
    """Return the events of a workspace, newest first."""
    return _filtered(Event.objects.filter(workspace=workspace), filters)


def visible_events(user: User, filters: EventFilter | None = None) -> QuerySet[Event]:
    """Return all events of the studio to an admin, and to other users their own.

    A read-only token shows its owner's events alone; a token for one workspace shows those of the workspace.
    """
    token = token_used_by(user)
    rows = Event.objects.all()
    if token is not None and token.workspace_id is not None:
        rows = rows.filter(workspace=token.workspace_id)
    if not sees_all_events(user):
        rows = rows.filter(actor=user.pk)
    return _filtered(rows, filters)


def sees_all_events(user: User) -> bool:
    """Return whether a user is an admin, without a token that only reads."""
    token = token_used_by(user)
    return user.is_superuser and (token is None or token.scope >= Scope.WRITE)


def _filtered(rows: QuerySet[Event], filters: EventFilter | None) -> QuerySet[Event]:
    rows = rows.select_related("actor", "environment__workspace", "workspace").order_by("-at", "-pk")
    return filters.apply(rows) if filters is not None else rows


def event_as_json(event: Event, *, origin: bool) -> dict[str, Any]:
    """Return an event as JSON; with its origin for those who may see it."""
    payload: dict[str, Any] = {
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
    source = {"address": event.address, "agent": event.agent, "token": event.token}
    return payload | {"origin": source if origin else None}


def json_lines(rows: QuerySet[Event], *, origin: bool) -> Iterator[str]:
    """Yield each event as a line of JSON, newest first, a few hundred in memory at a time."""
    last: Event | None = None
    while True:
        # Continue after the last event: by time, and by number among events of the same moment.
        page = rows
        if last is not None:  # in this form the database starts at that point of its index
            page = rows.filter(at__lte=last.at).exclude(at=last.at, pk__gte=last.pk)
        events = list(page.order_by("-at", "-pk")[:BATCH_SIZE])
        if not events:
            return
        last = events[-1]
        yield "".join(f"{json.dumps(event_as_json(event, origin=origin))}\n" for event in events)


async def stream_json_lines(rows: QuerySet[Event], *, origin: bool) -> AsyncIterator[str]:
    """Yield the same lines as they are read: Django would collect a synchronous iterator first."""
    lines = json_lines(rows, origin=origin)
    while text := await sync_to_async(lambda: next(lines, ""))():
        yield text
