"""Forecast what saving and building a definition would do, without saving it."""

from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from builds.pages.sharing import own_versions_of
from builds.queue import requests
from builds.statistics.estimates import duration_history, roughly, version_estimate
from environments.definition import Definition, Difference, Reading, diff
from environments.errors import ServiceError
from environments.models import Environment, Version, Workspace
from environments.versions.input import DefinitionInput
from environments.versions.service import SavedVersion
from studio.defining.choice import choice_of
from studio.defining.early import Early, early_findings
from studio.defining.fixing import fixable, last_failure
from studio.defining.ignoring import ignore_url
from studio.templatetags.findings import grouped


@dataclass(frozen=True)
class BuildForecast:
    """The expected outcome of building an unsaved definition."""

    state: str  # ready, building or new
    sharing: list[Version]  # existing versions with the same content
    about: str = ""  # expected duration: `40 s`; empty without history
    basis: str = ""  # a sentence on what the duration is based on


@dataclass(frozen=True)
class SaveRequest:
    """A definition to save: its workspace, name, version and origin."""

    workspace: Workspace
    name: str
    given: DefinitionInput
    version: str = ""
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    start: Version | None = None
    new: bool = True  # a new environment: its name must be free

    def save(self, user: User) -> SavedVersion:
        """Save it as a version. Raises ServiceError."""
        return self.given.save(
            self.workspace,
            self.name,
            user=user,
            version=self.version,
            description=self.description or self.given.reading.description,
            tags=self.tags or dict(self.given.reading.tags),
            based_on=self.start,
            only_new=self.new,
        )

    def rehearse(self, user: User) -> SavedVersion | ServiceError:
        """Return the result of saving, and roll it back."""
        with transaction.atomic():
            try:
                with transaction.atomic():
                    saved: SavedVersion | ServiceError = self.save(user)
            except ServiceError as problem:
                saved = problem
            transaction.set_rollback(True)
        return saved


def forecast_build(
    reading: Reading, workspace: Workspace, environment: Environment | None = None
) -> BuildForecast | None:
    """Return what a build of this reading would do in a workspace; queries only the database."""
    if reading.definition is None:
        return None
    # Never saved: it lets the build service answer as it would after saving.
    draft = Version(
        environment=environment or Environment(workspace=workspace),
        hash=reading.definition.hash,
        data=reading.definition.model_dump(mode="json"),
        base=reading.definition.image or "",
    )
    outlook = requests.image_status(draft)
    sharing = own_versions_of(workspace, draft.hash)
    if outlook.state != "new":
        return BuildForecast(outlook.state, sharing)
    history = duration_history(draft)
    return BuildForecast(
        "new",
        sharing,
        roughly(history.seconds) if history else "",
        version_estimate(draft) if history else "",
    )


def difference_from(start: Version | None, definition: Definition | None) -> Difference | None:
    """Return the difference between a definition and the version it started from."""
    return diff(start.definition, definition) if start is not None and definition is not None else None


def review(
    given: DefinitionInput,
    workspace: Workspace,
    start: Version | None,
    fixed: Version | None,
    *,
    may_define: bool = True,
    typing: int = 0,
    picked: bool = False,
) -> dict[str, Any]:
    """Return the review of a definition: findings with fixes, build forecast, difference from its start.

    Whether a build would find what it needs is looked up for those only who may define. `typing` is the line that is
    being written, whose findings wait. Where the definition is `picked`, its text differs from the text in the editor,
    and gets no fixes.
    """
    empty = not (given.text.strip() or given.filename or given.path)
    reading = None if empty else given.reading
    early = Early(reading) if reading is not None else None
    if reading is not None and may_define:
        early = early_findings(last_failure(reading, given, fixed), workspace)
        reading = early.reading if picked else fixable(early.reading, given, start, early.pins)
    return {
        "reading": reading,
        "given": given,
        "fixable": bool(given.text) and not picked,
        "pending": early is not None and early.pending,
        "typing": typing,
        "typing_only": _is_being_written(reading, typing),
        "ignored": fixed.environment.ignored_findings if fixed is not None else [],
        "may_ignore": ignore_url(fixed) if fixed is not None and may_define else "",
        "choice": choice_of(given) if reading else None,
        "outlook": forecast_build(reading, workspace, fixed.environment if fixed else None)
        if reading
        else None,
        "difference": difference_from(start, reading.definition) if reading else None,
        "start": start,
        "fixed": fixed,
    }


def _is_being_written(reading: Reading | None, typing: int) -> bool:
    """Whether the only errors are on the line that is being written."""
    if reading is None or not reading.errors or not typing:
        return False
    return not grouped(reading.findings, (), typing).errors
