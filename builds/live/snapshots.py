"""Share work between the viewers of a process: the last snapshot of each build, and log fragments as HTML.

A chunk is read and rendered once for all viewers; the rest of the page once for all viewers with the same rights.
"""

import threading
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection
from django.template.loader import render_to_string
from django.utils import translation

from builds.logs import read_log, step_at
from builds.logs.ansi import chunks_html
from builds.models import Build, BuildState
from builds.pages.build_page import builds_for_page, shared_context, viewer_context

CHUNKS_AT_ONCE = 50
QUEUE_SECONDS = 1.5
CACHE_BYTES = 32 * 1024 * 1024
# Replaced in the shared HTML by each viewer's own token.
CSRF_PLACEHOLDER = "the-token-of-the-viewer"


# Rights in the workspace, whether the viewer requested the build, host, language: the key of the shared HTML.
Rights = tuple[frozenset[str], bool, str, str]


@dataclass(frozen=True)
class LogFragment:
    """A chunk of a log as HTML, the cursor after it, and its step."""

    cursor: int
    html: bytes
    step: str


class FragmentCache:
    """Recent fragments by build and the cursor before each: bounded, least recently used first out."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._size = 0
        self._fragments: OrderedDict[tuple[uuid.UUID, int], LogFragment] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, build_id: uuid.UUID, after: int, fragment: LogFragment) -> None:
        """Cache a fragment; the least recently used ones make room."""
        with self._lock:
            previous = self._fragments.pop((build_id, after), None)
            self._size += len(fragment.html) - (len(previous.html) if previous else 0)
            self._fragments[build_id, after] = fragment
            while self._size > self._limit:
                self._size -= len(self._fragments.popitem(last=False)[1].html)

    def contiguous(self, build_id: uuid.UUID, after: int) -> list[LogFragment]:
        """Return the cached fragments after the cursor up to the first gap, at most CHUNKS_AT_ONCE."""
        cached: list[LogFragment] = []
        with self._lock:
            while len(cached) < CHUNKS_AT_ONCE and (fragment := self._fragments.get((build_id, after))):
                self._fragments.move_to_end((build_id, after))
                cached.append(fragment)
                after = fragment.cursor
        return cached


fragments = FragmentCache()


def read_fragments(build_id: uuid.UUID, after: int, step: str | None = None) -> list[LogFragment]:
    """Read and cache the log's fragments after the cursor, at most CHUNKS_AT_ONCE."""
    page = read_log(build_id, after, CHUNKS_AT_ONCE)
    if step is None:
        step = step_at(build_id, after) if page.chunks else ""
    new: list[LogFragment] = []
    for chunk in page.chunks:
        # Each line of an event needs its own `data:`.
        html = chunks_html([chunk], step).replace("\n", "\ndata: ").encode()
        step = chunk.step
        new.append(LogFragment(chunk.seq, html, step))
        fragments.put(build_id, after, new[-1])
        after = chunk.seq
    return new


class Snapshot:
    """A build at one moment. `stamp` moves with everything that its page shows except the log."""

    def __init__(self, build: Build, previous: "Snapshot | None") -> None:
        self.build = build
        self.revision = build.revision
        self.cursor = build.log_seq  # the row is read before the log: the log is complete up to here
        self.ended = not build.active
        self.taken_at = time.monotonic()
        # Log lines move revision and cursor alike; every other change moves the revision alone.
        self.other_changes = build.revision - build.log_seq
        if (
            previous is not None
            and previous.other_changes == self.other_changes
            and build.state != BuildState.QUEUED
        ):
            self._reuse(previous)
            return
        self.facts = shared_context(build)
        self.stamp: int = previous.stamp + 1 if previous else 0
        self.steps: dict[str, str] = {}
        self.states: dict[Rights, str] = {}
        if (
            previous is not None
            and previous.other_changes == self.other_changes
            and self.public_html() == previous.public_html()
        ):
            self._reuse(previous)

    def _reuse(self, previous: "Snapshot") -> None:
        self.facts, self.stamp, self.steps, self.states = (
            previous.facts,
            previous.stamp,
            previous.steps,
            previous.states,
        )

    def public_html(self) -> str:
        """Return the build's state as HTML for a viewer without rights."""
        return state_html(self, (frozenset(), False, "", settings.LANGUAGE_CODE))


def take_snapshots(known: dict[uuid.UUID, Snapshot | None]) -> dict[uuid.UUID, Snapshot | None]:
    """Return a new snapshot of each build that has changed since the known one, None for a deleted build."""
    if not known:
        connection.close()
        return {}
    try:
        return _changed_snapshots(known)
    except Exception:
        connection.close()  # the next call reconnects
        raise


def _changed_snapshots(known: dict[uuid.UUID, Snapshot | None]) -> dict[uuid.UUID, Snapshot | None]:
    rows = dict(Build.objects.filter(pk__in=known).values_list("pk", "revision"))
    changed = [pk for pk, revision in rows.items() if _is_stale(known[pk], revision)]
    seen: dict[uuid.UUID, Snapshot | None] = {pk: None for pk in known if pk not in rows}
    for build in builds_for_page().filter(pk__in=changed) if changed else ():
        previous = known[build.pk]
        snapshot = Snapshot(build, previous)
        if previous is not None and previous.cursor < snapshot.cursor:
            _prefetch(build.pk, previous.cursor)
        seen[build.pk] = snapshot
    return seen


def _is_stale(previous: Snapshot | None, revision: int) -> bool:
    if previous is None or previous.revision != revision:
        return True
    # The position in the queue moves with other builds.
    return previous.build.state == BuildState.QUEUED and time.monotonic() - previous.taken_at > QUEUE_SECONDS


def _prefetch(build_id: uuid.UUID, cursor: int) -> None:
    """Cache the newest fragments before the viewers are woken."""
    cached = fragments.contiguous(build_id, cursor)
    read_fragments(build_id, cached[-1].cursor if cached else cursor, cached[-1].step if cached else None)


def state_html(snapshot: Snapshot, rights: Rights) -> str:
    """Return a build's state as HTML for viewers with these rights."""
    if rights not in snapshot.states:
        may, requested, host, language = rights
        context: dict[str, Any] = snapshot.facts | viewer_context(
            snapshot.facts, may=may, requested=requested, host=host
        )
        with translation.override(language):
            snapshot.states[rights] = render_to_string(
                "builds/_state.html", context | {"csrf_token": CSRF_PLACEHOLDER}
            )
    return snapshot.states[rights]


def steps_html(snapshot: Snapshot, language: str) -> str:
    """Return a build's steps as HTML in a language."""
    if language not in snapshot.steps:
        with translation.override(language):
            snapshot.steps[language] = render_to_string("builds/_steps.html", snapshot.facts)
    return snapshot.steps[language]
