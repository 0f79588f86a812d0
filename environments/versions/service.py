"""Saving, describing and archiving versions, for the pages, the API and the commands."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from environments.audit.record import record
from environments.definition import Definition, Difference, Reading, diff
from environments.definition.findings.naming import name_problem
from environments.definition.syntax.registry_names import repository_name
from environments.errors import ConflictError, ServiceError
from environments.models import Environment, SourceFile, Version, Workspace
from environments.models.catalogue import Deprecation
from environments.models.environments import ANONYMOUS
from environments.stored_files import stored
from environments.versions import labels
from environments.versions.listing import update_listing
from environments.versions.uses import check_unused

VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
VERSION_INVALID = (
    "This version name isn't valid. It is part of addresses, and “latest” always means the newest version.",
    "Use up to 64 letters, digits, “.”, “_”, “+” and “-”, starting with a letter or digit, or leave it blank.",
)


class VersionTaken(ConflictError):
    """The version exists with other content (rule 30)."""

    def __init__(self, version: Version, difference: Difference) -> None:
        super().__init__(
            "version-taken",
            f"{version} exists with other content: {difference.summary}.",
            "Versions are immutable. Leave the version blank for the next number, or choose a free version.",
        )
        self.version = version
        self.difference = difference


class EditConflict(ConflictError):
    """Another user has changed the version since it was read."""

    def __init__(self, version: Version) -> None:
        super().__init__("changed", f"{version} was changed in the meantime.", "Check it, then save again.")


@dataclass(frozen=True)
class SavedVersion:
    """The version, and whether it is new (`created`) or existed with the same content."""

    version: Version
    created: bool


def save_reading(
    workspace: Workspace,
    name: str,
    reading: Reading,
    *,
    source: str,
    source_path: str = "",
    beside: Mapping[str, str] | None = None,
    user: User | None = None,
    version: str = "",
    description: str | None = None,
    tags: dict[str, str] | None = None,
    based_on: Version | None = None,
    only_new: bool = False,
) -> SavedVersion:
    """Save a reading as a version; description and tags default to those in the file."""
    return save_version(
        workspace,
        name,
        accepted_definition(reading),
        user=user,
        version=version,
        description=reading.description or "" if description is None else description,
        tags=dict(reading.tags or {}) if tags is None else tags,
        based_on=based_on,
        source=source,
        source_path=source_path,
        beside=beside,
        source_format=reading.format,
        only_new=only_new,
    )


def accepted_definition(reading: Reading) -> Definition:
    """Return the definition that was read. Raises ServiceError with the first error if it was refused."""
    if reading.definition is None:
        errors = [finding for finding in reading.findings if finding.severity == "error"]
        first = errors[0].message if errors else "The definition cannot be read."
        raise ServiceError("definition-refused", first, errors[0].help if errors else "", reading=reading)
    return reading.definition


@transaction.atomic
def save_version(
    workspace: Workspace,
    name: str,
    definition: Definition,
    *,
    user: User | None = None,
    version: str = "",
    description: str = "",
    tags: dict[str, str] | None = None,
    based_on: Version | None = None,
    source: str = "",
    source_path: str = "",
    beside: Mapping[str, str] | None = None,
    source_format: str = "",
    only_new: bool = False,
) -> SavedVersion:
    """Save a definition under a name: as the given version, else as the next version.

    `source` is the text that the definition was read from, of the file `source_path`; `beside` are the other files.
    Content that is the same as in the latest (or the given) version makes no new version. With `only_new` the name
    must be free. Raises ServiceError or VersionTaken.
    """
    problem = name_problem(name, curated=workspace.curated)
    if problem is not None:
        raise ServiceError(problem.code, problem.message, problem.help)
    check_version_name(version)
    _check_not_started_from_retired(based_on, workspace, name)
    check_repository_free(workspace, name)
    environment, is_new = Environment.objects.get_or_create(
        workspace=workspace, name=name, defaults={"created_by": user}
    )
    if environment.anonymous or (only_new and not is_new):
        raise ConflictError(
            "name-taken",
            f"There is an environment {name} in {workspace} already.",
            "Choose another name, or open that environment and edit it to make its next version.",
        )
    # Concurrent saves wait here for their number.
    Environment.objects.select_for_update().get(pk=environment.pk)
    labels.check_free(environment, version)
    same = _version_with_content(environment, definition, version)
    if same is not None:
        return SavedVersion(same, created=False)
    created = add_version(
        environment,
        definition,
        user=user,
        version=version or next_version(environment),
        source=source,
        source_path=source_path,
        source_format=source_format,
        description=description,
        tags=tags or {},
        based_on=based_on,
    )
    others = (beside or {}).items()
    SourceFile.objects.bulk_create(SourceFile(version=created, path=path, text=text) for path, text in others)
    update_listing(environment)
    record(
        "version.created",
        str(created),
        workspace=workspace,
        environment=environment,
        actor=user,
        hash=created.hash,
        based_on=str(based_on) if based_on and _is_seen_from(workspace, based_on) else None,
    )
    return SavedVersion(created, created=True)


def _is_seen_from(workspace: Workspace, version: Version) -> bool:
    """Whether every member of a workspace sees a version: its name is none of their business otherwise."""
    home = version.environment.workspace
    return home == workspace or home.curated


def add_version(
    environment: Environment, definition: Definition, *, user: User | None, version: str, **fields: Any
) -> Version:
    """Add the row of a version with the next number; to be called with the environment locked."""
    number = (environment.versions.order_by("-number").values_list("number", flat=True).first() or 0) + 1
    return Version.objects.create(
        environment=environment,
        version=version,
        number=number,
        hash=definition.hash,
        data=stored(definition),
        kind="curated" if environment.workspace.curated else definition.kind,
        base=definition.image or "",
        packages=count_packages(definition),
        # A version under an archived environment is archived too (rule 33).
        archived_at=environment.archived_at,
        created_by=user,
        **fields,
    )


def check_version_name(version: str) -> None:
    """Raise ServiceError if no version can have this name; empty is no name, and good."""
    if version and (not VERSION.fullmatch(version) or version.lower() == "latest"):
        raise ServiceError("version-invalid", *VERSION_INVALID)


def check_repository_free(workspace: Workspace, name: str) -> None:
    """Raise ConflictError if another environment has the same name in container registries."""
    repository = repository_name(name, curated=workspace.curated)
    if repository == repository_name(ANONYMOUS):
        raise ConflictError(
            "name-reserved",
            f"{ANONYMOUS} is kept for anonymous environments.",
            "Choose another name.",
        )
    other = Environment.objects.filter(workspace=workspace, repository=repository).exclude(name=name).first()
    if other is not None:
        raise ConflictError(
            "name-taken",
            f"In a container registry, {name} and {other} would both be {repository}.",
            "Choose another name: lower-case letters, digits, and single “-”, “.” or “_” between them stay as they are.",
        )


def _check_not_started_from_retired(start: Version | None, workspace: Workspace, name: str) -> None:
    """Raise ConflictError if a new environment is to start from a retired version."""
    if start is None or not start.environment.workspace.curated:
        return
    retired = Deprecation.objects.filter(environment=start.environment, retired_at__isnull=False)
    deprecation = retired.filter(Q(version=None) | Q(version=start)).select_related("successor").first()
    if deprecation is not None and not Environment.objects.filter(workspace=workspace, name=name).exists():
        instead = (
            f"Start from {deprecation.successor} instead."
            if deprecation.successor
            else "Start from another one."
        )
        raise ConflictError("retired", f"{deprecation} is retired: nothing new starts from it.", instead)


def _version_with_content(environment: Environment, definition: Definition, version: str) -> Version | None:
    """Return the version with this content. Raises VersionTaken if the given version has other content."""
    existing = environment.versions.filter(version=version).first() if version else environment.latest()
    if existing is None:
        return None
    if existing.definition == definition:
        return existing
    if version:
        raise VersionTaken(existing, diff(existing.definition, definition))
    return None


def next_version(environment: Environment) -> str:
    """Return the version that the next save makes: the next whole number."""
    return next_number(environment.versions.values_list("version", flat=True))


def next_number(versions: Iterable[str]) -> str:
    """Return the next whole number after those among the names of versions."""
    return str(max((int(name) for name in versions if name.isascii() and name.isdigit()), default=0) + 1)


def count_packages(definition: Definition) -> int:
    """Return the number of packages that a definition requires."""
    pip = [line for line in definition.python.pip if not line.startswith("-")]
    return len(definition.python.conda) + len(pip)


def description_fingerprint(version: Version) -> str:
    """Return a fingerprint of a version's description and tags."""
    text = json.dumps([version.description, version.tags], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@transaction.atomic
def describe(version: Version, *, description: str, tags: dict[str, str], user: User, seen: str = "") -> None:
    """Change the description and tags of a version (rule 30).

    `seen` is the `description_fingerprint` that the user edited. Raises EditConflict if it has changed.
    """
    # Concurrent edits wait here, and then see the first change.
    row = Version.objects.select_for_update().only("description", "tags").get(pk=version.pk)
    if seen and seen != description_fingerprint(row):
        raise EditConflict(version)
    before = {"description": row.description, "tags": row.tags}
    version.description, version.tags = description, tags
    version.save(update_fields=["description", "tags"])
    update_listing(version.environment, changed=version)
    record(
        "version.described",
        str(version),
        workspace=version.environment.workspace,
        environment=version.environment,
        actor=user,
        before=before,
        after={"description": description, "tags": tags},
    )


@transaction.atomic
def archive_environment(environment: Environment, user: User, *, restore: bool = False) -> None:
    """Hide an environment and all its versions from the lists, or show them again (rule 33).

    Raises ServiceError while something uses one of them (rule 34).
    """
    Environment.objects.select_for_update().get(pk=environment.pk)
    if not restore:
        check_unused(environment, user)
    else:
        _check_not_retired(environment, None)
    before = environment.archived_at
    when = None if restore else timezone.now()
    Environment.objects.filter(pk=environment.pk).update(archived_at=when)
    environment.versions.update(archived_at=when)
    update_listing(environment)
    environment.archived_at = when
    _record_archived(environment, str(environment), user, before=before, after=when)


@transaction.atomic
def archive_version(version: Version, user: User, *, restore: bool = False) -> None:
    """Hide a version, or show it again; the environment must not be archived (rule 33).

    Raises ServiceError while something uses it (rule 34), and for an anonymous version.
    """
    check_named(version)
    environment = Environment.objects.select_for_update().get(pk=version.environment_id)
    if environment.archived_at and restore:
        raise ConflictError(
            "environment-archived",
            f"{version.environment} is archived, and its versions with it.",
            "Restore the environment: all its versions come back.",
        )
    if not restore:
        labels.check_unlabelled(version)
        check_unused(version.environment, user, version)
    else:
        _check_not_retired(version.environment, version)
    before = version.archived_at
    version.archived_at = None if restore else timezone.now()
    version.save(update_fields=["archived_at"])
    update_listing(version.environment)
    _record_archived(version.environment, str(version), user, before=before, after=version.archived_at)


def check_named(version: Version) -> None:
    """Raise ServiceError for an anonymous version."""
    if version.environment.anonymous:
        raise ServiceError("anonymous", f"{version} has no name of its own.", "Save it under a name first.")


def _check_not_retired(environment: Environment, version: Version | None) -> None:
    retired = Deprecation.objects.filter(environment=environment, version=version, retired_at__isnull=False)
    if retired.exists():
        raise ConflictError(
            "retired",
            f"{version or environment} is retired.",
            "A curator ends its deprecation, and it comes back.",
        )


def _record_archived(
    environment: Environment, subject: str, user: User, *, before: datetime | None, after: datetime | None
) -> None:
    record(
        "environment.archived" if after else "environment.restored",
        subject,
        workspace=environment.workspace,
        environment=environment,
        actor=user,
        before={"archived": before is not None},
        after={"archived": after is not None},
    )
