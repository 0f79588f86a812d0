"""Labels of versions: names such as `prod` that are put on a version, and moved to another.

`latest` is no label of this kind: it is computed (rule 31).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from environments.access import Right, may
from environments.audit.record import record
from environments.definition.syntax.registry_names import LATEST
from environments.errors import ConflictError, ForbiddenError, ServiceError
from environments.models import Environment, Event, Version, VersionLabel, Workspace

LABEL = re.compile(r"(?=.*[a-z])[a-z0-9][a-z0-9._-]{0,63}")
SUGGESTED = ("prod", "staging")  # offered on pages where an environment does not have them
MAX_LABELS = 50  # of an environment
LABEL_INVALID = (
    "This label isn't valid.",
    "Use up to 64 lower-case letters, digits, “.”, “_” and “-”, with at least one letter and a letter or digit first."
    " “latest” is set by the studio.",
)


class LabelMoved(ConflictError):
    """Another user has moved, set or removed the label since it was read."""

    def __init__(self, name: str, current: VersionLabel | None) -> None:
        by = f" by {current.set_by.get_username()}" if current and current.set_by else ""
        message = (
            f"“{name}” was moved to {current.version}{by} in the meantime."
            if current
            else f"“{name}” was removed in the meantime."
        )
        super().__init__("label-moved", message, "Check the label, then try again.")


@dataclass(frozen=True)
class LabelChange:
    """The label, and the version that had it before, if any."""

    label: VersionLabel
    before: Version | None

    @property
    def changed(self) -> bool:
        """Whether anything changed."""
        return self.before is None or self.before.pk != self.label.version_id


@transaction.atomic
def set_label(version: Version, name: str, *, user: User | None, seen: str | None = None) -> LabelChange:
    """Put a label on a version; a version of the environment that has it loses it.

    `seen` is the version that the user saw the label on, empty for none; None changes it in any case. Raises
    ServiceError, or LabelMoved if the label is on another version than `seen`.
    """
    if not LABEL.fullmatch(name) or name == LATEST:
        raise ServiceError("label-invalid", *LABEL_INVALID)
    environment = _lock(version)
    if environment.anonymous:
        raise ServiceError("anonymous", f"{version} has no name of its own.", "Save it under a name first.")
    _check_may_move(environment, name, user)
    version.refresh_from_db(fields=["archived_at"])
    if version.archived_at is not None:
        raise ConflictError(
            "archived", f"{version} is archived.", "Restore it, or choose another version for the label."
        )
    if environment.versions.filter(version=name).exists():
        raise ConflictError(
            "label-taken", f"“{name}” is the name of a version of {environment}.", "Choose another label."
        )
    current = _current(environment, name, seen)
    if current is None:
        if environment.labels.count() >= MAX_LABELS:
            raise ConflictError(
                "too-many-labels", f"{environment} has {MAX_LABELS} labels already.", "Remove labels first."
            )
        current = VersionLabel.objects.create(
            environment=environment, name=name, version=version, set_by=user, set_at=timezone.now()
        )
        _record("label.set", version, name, user, after=version.version)
        return LabelChange(current, None)
    before = current.version
    if before.pk != version.pk:
        current.version, current.set_by, current.set_at = version, user, timezone.now()
        current.save(update_fields=["version", "set_by", "set_at"])
        _record("label.moved", version, name, user, before=before.version, after=version.version)
    return LabelChange(current, before)


@transaction.atomic
def remove_label(
    environment: Environment, name: str, *, user: User | None, seen: str | None = None
) -> Version:
    """Remove a label and return the version that had it. Raises LabelMoved, also if it is gone already."""
    _lock_row(environment)
    _check_may_move(environment, name, user)
    current = _current(environment, name, seen)
    if current is None:
        raise LabelMoved(name, None)
    version = current.version
    current.delete()
    _record("label.removed", version, name, user, before=version.version)
    return version


def check_free(environment: Environment, version: str) -> None:
    """Raise ConflictError if a new version would have the name of a label; to be called with the environment locked."""
    if version and environment.labels.filter(name=version).exists():
        raise ConflictError(
            "version-is-label",
            f"“{version}” is a label of {environment}.",
            "Choose another version name, or remove the label.",
        )
    # A version's own name comes before a label: it would be what everybody gets by the protected name.
    if version and version in protected_labels(environment):
        raise ConflictError(
            "version-is-label",
            f"“{version}” is a protected label in {environment.workspace}.",
            "Choose another version name.",
        )


def protected_labels(environment: Environment) -> list[str]:
    """Return the labels that only owners of its workspace move, as they are now."""
    row = Workspace.objects.filter(pk=environment.workspace_id).values_list("protected_labels", flat=True)
    return list(row.get())


def check_unlabelled(version: Version) -> None:
    """Raise ConflictError, naming the labels, while a version has any; to be called with the environment locked."""
    names = list(version.labels.values_list("name", flat=True))
    if names:
        which = ", ".join(f"“{name}”" for name in names)
        noun = "the label" if len(names) == 1 else "the labels"
        pronoun = "it" if len(names) == 1 else "them"
        raise ConflictError(
            "labelled",
            f"{version} has {noun} {which}.",
            f"Move {pronoun} to another version, or remove {pronoun}, then archive this version.",
        )


def label_history(environment: Environment, name: str) -> QuerySet[Event]:
    """Return the events of a label: set, moved and removed, newest first."""
    events = Event.objects.filter(environment=environment, verb__startswith="label.", details__label=name)
    return events.select_related("actor").order_by("-at", "-pk")


def may_move(environment: Environment, name: str, user: User) -> bool:
    """Return whether a user with the right to define may set, move and remove this label."""
    return name not in protected_labels(environment) or may(
        user, Right.MOVE_PROTECTED_LABELS, environment.workspace
    )


def labels_of(versions: Iterable[Version]) -> dict[int, list[str]]:
    """Return the labels of versions by their keys, in one query."""
    named: dict[int, list[str]] = {version.pk: [] for version in versions}
    rows = VersionLabel.objects.filter(version__in=list(named)).order_by("name")
    for key, name in rows.values_list("version_id", "name"):
        named[key].append(name)
    return named


def _check_may_move(environment: Environment, name: str, user: User | None) -> None:
    """Raise ForbiddenError if only owners move this label, and the user is none; the studio itself may."""
    if user is not None and not may_move(environment, name, user):
        raise ForbiddenError(
            "label-protected",
            f"“{name}” is protected.",
            f"Ask an owner of {environment.workspace} to move it.",
        )


def _lock(version: Version) -> Environment:
    _lock_row(version.environment)
    return version.environment


def _lock_row(environment: Environment) -> None:
    # Concurrent changes of labels, and archiving, wait here for their turn.
    Environment.objects.select_for_update().get(pk=environment.pk)


def _current(environment: Environment, name: str, seen: str | None) -> VersionLabel | None:
    """Return the label as it is now. Raises LabelMoved if it is not where the user saw it."""
    rows = environment.labels.filter(name=name).select_related("version__environment", "set_by")
    current = rows.defer("version__data", "version__source").first()
    if seen is not None and (current.version.version if current else "") != seen:
        raise LabelMoved(name, current)
    return current


def _record(
    verb: str,
    version: Version,
    name: str,
    user: User | None,
    *,
    before: str | None = None,
    after: str | None = None,
) -> None:
    environment = version.environment
    record(
        verb,
        str(version),
        workspace=environment.workspace,
        environment=environment,
        actor=user,
        before=None if before is None else {"version": before},
        after=None if after is None else {"version": after},
        label=name,
        version=version.version,
    )
