"""What the viewers of a process share: the last look at each build, and pieces of logs as HTML.

A chunk is read once and made HTML once, however many watch; so is the rest of the page, once for all
viewers with the same rights.
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
from builds.models import Build, State
from builds.pages import build_facts, builds_for_page, shown_to
from builds.terminal import chunks_html

CHUNKS_AT_ONCE = 50
QUEUE_SECONDS = 1.5
PIECES_BYTES = 32 * 1024 * 1024
# Stands in shared HTML where each viewer's own token goes.
TOKEN = "the-token-of-the-viewer"  # noqa: S105


# Rights in the workspace, has asked for the build, from which host, in which language: viewers who agree in
# these see the same.
Rights = tuple[frozenset[str], bool, str, str]


@dataclass(frozen=True)
class Piece:
    """A chunk of a log as HTML: the cursor behind it, and the step it ends in."""

    cursor: int
    html: bytes
    step: str


class Pieces:
    """Pieces of logs made lately, by build and the cursor before each. Bounded; what was used last goes last."""

    def __init__(self, limit: int = PIECES_BYTES) -> None:
        self._limit = limit
        self._size = 0
        self._pieces: OrderedDict[tuple[uuid.UUID, int], Piece] = OrderedDict()
        self._guard = threading.Lock()

    def put(self, build_id: uuid.UUID, after: int, piece: Piece) -> None:
        """Keep a piece, in place of the ones that nobody used for longest."""
        with self._guard:
            before = self._pieces.pop((build_id, after), None)
            self._size += len(piece.html) - (len(before.html) if before else 0)
            self._pieces[build_id, after] = piece
            while self._size > self._limit:
                self._size -= len(self._pieces.popitem(last=False)[1].html)

    def run(self, build_id: uuid.UUID, after: int) -> list[Piece]:
        """Return the pieces behind the cursor that are at hand without a gap, a few at most."""
        found: list[Piece] = []
        with self._guard:
            while len(found) < CHUNKS_AT_ONCE and (piece := self._pieces.get((build_id, after))):
                self._pieces.move_to_end((build_id, after))
                found.append(piece)
                after = piece.cursor
        return found


pieces = Pieces()


def read_pieces(build_id: uuid.UUID, after: int, step: str | None = None) -> list[Piece]:
    """Return what the log has behind the cursor, a few chunks at most, and keep it for the others."""
    page = read_log(build_id, after, CHUNKS_AT_ONCE)
    if step is None:
        step = step_at(build_id, after) if page.chunks else ""
    made: list[Piece] = []
    for chunk in page.chunks:
        # No line break may end the event's data: each line of it begins anew.
        html = chunks_html([chunk], step).replace("\n", "\ndata: ").encode()
        step = chunk.step or step
        made.append(Piece(chunk.seq, html, step))
        pieces.put(build_id, after, made[-1])
        after = chunk.seq
    return made


class Sight:
    """One look at a build. `stamp` moves with all that its page shows besides the log."""

    def __init__(self, build: Build, before: "Sight | None") -> None:
        self.build = build
        self.revision = build.revision
        self.cursor = build.log_seq  # the row was read before the log: up to here the log is there
        self.ended = not build.active
        self.at = time.monotonic()
        # Lines move revision and cursor alike; whatever else happens moves the revision alone.
        self.moved = build.revision - build.log_seq
        if before is not None and before.moved == self.moved and build.state != State.QUEUED:
            self._take_over(before)
            return
        self.facts = build_facts(build)
        self.stamp: int = before.stamp + 1 if before else 0
        self.steps: dict[str, str] = {}
        self.states: dict[Rights, str] = {}
        if before is not None and before.moved == self.moved and self.to_all() == before.to_all():
            self._take_over(before)

    def _take_over(self, before: "Sight") -> None:
        self.facts, self.stamp, self.steps, self.states = (
            before.facts,
            before.stamp,
            before.steps,
            before.states,
        )

    def to_all(self) -> str:
        """Return the build's state as it is shown to whoever may do nothing with it."""
        return state_html(self, (frozenset(), False, "", settings.LANGUAGE_CODE))


def look(known: dict[uuid.UUID, Sight | None]) -> dict[uuid.UUID, Sight | None]:
    """Look at builds that are watched; return those that have changed, None for one that is not there."""
    if not known:
        connection.close()
        return {}
    try:
        return _look(known)
    except Exception:
        connection.close()  # the next look begins with a new one
        raise


def _look(known: dict[uuid.UUID, Sight | None]) -> dict[uuid.UUID, Sight | None]:
    rows = dict(Build.objects.filter(pk__in=known).values_list("pk", "revision"))
    changed = [pk for pk, revision in rows.items() if _worth_a_look(known[pk], revision)]
    seen: dict[uuid.UUID, Sight | None] = {pk: None for pk in known if pk not in rows}
    for build in builds_for_page().filter(pk__in=changed) if changed else ():
        before = known[build.pk]
        sight = Sight(build, before)
        if before is not None and before.cursor < sight.cursor:
            _read_on(build.pk, before.cursor)
        seen[build.pk] = sight
    return seen


def _worth_a_look(before: Sight | None, revision: int) -> bool:
    if before is None or before.revision != revision:
        return True
    # The place in the queue moves with other builds.
    return before.build.state == State.QUEUED and time.monotonic() - before.at > QUEUE_SECONDS


def _read_on(build_id: uuid.UUID, cursor: int) -> None:
    """Have the newest pieces at hand before the viewers are woken."""
    there = pieces.run(build_id, cursor)
    read_pieces(build_id, there[-1].cursor if there else cursor, there[-1].step if there else None)


def state_html(sight: Sight, rights: Rights) -> str:
    """Return a build's state as it is shown to all who have these rights."""
    if rights not in sight.states:
        may, asked, host, language = rights
        context: dict[str, Any] = sight.facts | shown_to(sight.facts, may=may, asked=asked, host=host)
        with translation.override(language):
            sight.states[rights] = render_to_string("builds/_state.html", context | {"csrf_token": TOKEN})
    return sight.states[rights]


def steps_html(sight: Sight, language: str) -> str:
    """Return a build's steps as they are shown to all who read this language."""
    if language not in sight.steps:
        with translation.override(language):
            sight.steps[language] = render_to_string("builds/_steps.html", sight.facts)
    return sight.steps[language]
