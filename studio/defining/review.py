"""What saving and building a definition would do, before anything is saved."""

from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from builds import services as builds
from builds.expected import expectation_of, history_of, roughly
from environments.definition import Definition, Difference, Reading, diff
from environments.given import Given
from environments.models import Environment, Version, Workspace
from environments.services import Refused, Saved, save_reading


@dataclass(frozen=True)
class Outlook:
    """What a build of what was typed would do."""

    state: str  # ready, building or new
    sharing: list[Version]  # the versions that mean the same already
    about: str = ""  # how long it would take: `40 s`; empty where there is nothing to go by
    basis: str = ""  # the sentence about what that goes by


@dataclass(frozen=True)
class Order:
    """What is to be saved: where, under which name, as which version, and from what it came."""

    workspace: Workspace
    name: str
    given: Given
    version: str = ""
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    start: Version | None = None
    new: bool = True  # an environment of its own: its name must be free

    def save(self, user: User) -> Saved:
        """Save it as a version. Raises Refused."""
        return save_reading(
            self.workspace,
            self.name,
            self.given.reading,
            source=self.given.source,
            user=user,
            version=self.version,
            description=self.description or self.given.reading.description,
            tags=self.tags or dict(self.given.reading.tags),
            based_on=self.start,
            only_new=self.new,
        )

    def rehearse(self, user: User) -> Saved | Refused:
        """Return what saving would answer, and save nothing: it is done for real, and taken back."""
        with transaction.atomic():
            try:
                with transaction.atomic():
                    saved: Saved | Refused = self.save(user)
            except Refused as problem:
                saved = problem
            transaction.set_rollback(True)
        return saved


def outlook_of(reading: Reading, place: Workspace, environment: Environment | None = None) -> Outlook | None:
    """Say what a build of this reading would do in a workspace, from the database alone."""
    if reading.definition is None:
        return None
    # A version that is never saved: the service is asked what it would be asked after saving.
    draft = Version(
        environment=environment or Environment(workspace=place),
        hash=reading.definition.hash,
        data=reading.definition.model_dump(mode="json"),
        base=reading.definition.image or "",
    )
    outlook = builds.outlook(draft)
    sharing = builds.versions_sharing(place, draft.hash)
    if outlook.state != "new":
        return Outlook(outlook.state, sharing)
    history = history_of(draft)
    return Outlook(
        "new", sharing, roughly(history.seconds) if history else "", expectation_of(draft) if history else ""
    )


def difference_from(start: Version | None, definition: Definition | None) -> Difference | None:
    """Return what differs between a definition and the version that it started from."""
    return diff(start.definition, definition) if start is not None and definition is not None else None


def review(given: Given, place: Workspace, start: Version | None, fixed: Version | None) -> dict[str, Any]:
    """Return what the page says of a definition: findings, what a build would do, what differs from its start."""
    empty = not (given.text.strip() or given.filename or given.path)
    reading = None if empty else given.reading
    return {
        "reading": reading,
        "given": given,
        "outlook": outlook_of(reading, place, fixed.environment if fixed else None) if reading else None,
        "difference": difference_from(start, reading.definition) if reading else None,
        "start": start,
        "fixed": fixed,
    }
