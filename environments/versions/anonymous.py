"""Anonymous versions: definitions that were submitted inline, without a name of their own (rule 32).

They are versions of an environment that is never listed, and are fetched by its name and theirs. A workspace has each
definition once. `builds.images.expiry` removes them after STUDIO_ANONYMOUS_DAYS, unless something uses them.
"""

import hashlib
import json
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from environments.audit.record import record
from environments.definition import Definition, diff
from environments.definition.findings.naming import name_problem
from environments.errors import ConflictError, ServiceError
from environments.models import Environment, SourceFile, Version, Workspace
from environments.models.environments import ANONYMOUS
from environments.versions import service
from environments.versions.copies import copy_version
from environments.versions.input import DefinitionInput
from environments.versions.service import SavedVersion, VersionTaken


def fingerprint(definition: Definition) -> str:
    """Return the name of a definition's anonymous version: equal definitions have the same, of 64 hex digits."""
    content = json.dumps(definition.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


@transaction.atomic
def save_anonymous(
    workspace: Workspace,
    given: DefinitionInput,
    *,
    user: User | None = None,
    name: str = ANONYMOUS,
    version: str = "",
    description: str | None = None,
    tags: dict[str, str] | None = None,
    based_on: Version | None = None,
) -> SavedVersion:
    """Return the anonymous version of a definition, which is created if the workspace does not have it yet.

    If it is new, its build prefers the packages of `based_on`. A client that computes the version itself sends it as
    `version`. Raises ServiceError, and VersionTaken if the version has other content.
    """
    if workspace.curated:
        raise ConflictError(
            "only-by-review", "The catalogue has no anonymous environments.", "Choose another workspace."
        )
    reading = given.reading
    definition = service.accepted_definition(reading)
    service.check_version_name(version)
    environment = _environment(workspace, name, user)
    # Concurrent requests for the same definition wait here, and then see its version.
    Environment.objects.select_for_update().get(pk=environment.pk)
    same = _with_content(environment, definition, version)
    if same is not None:
        same.submitted_at = timezone.now()
        same.save(update_fields=["submitted_at"])
        return SavedVersion(same, created=False)
    created = service.add_version(
        environment,
        definition,
        user=user,
        version=version or fingerprint(definition),
        source=given.source,
        source_path=given.filename if given.source else "",
        source_format=reading.format,
        description=reading.description or "" if description is None else description,
        tags=dict(reading.tags or {}) if tags is None else tags,
        submitted_at=timezone.now(),
        based_on=based_on,
    )
    beside = given.beside if given.source else {}
    SourceFile.objects.bulk_create(
        SourceFile(version=created, path=path, text=text) for path, text in beside.items()
    )
    record(
        "version.submitted",
        str(created),
        workspace=workspace,
        environment=environment,
        actor=user,
        hash=created.hash,
    )
    return SavedVersion(created, created=True)


@transaction.atomic
def save_under_name(
    version: Version,
    name: str,
    *,
    user: User,
    description: str | None = None,
    tags: dict[str, str] | None = None,
    only_new: bool = False,
) -> SavedVersion:
    """Save an anonymous version as a version of a named environment of its workspace.

    Its content and so its image are the same: nothing is built. The anonymous version stays. Raises ServiceError.
    """
    if not version.environment.anonymous:
        raise ConflictError(
            "named-already", f"{version} has a name already.", "Start a new environment from it instead."
        )
    return copy_version(
        version,
        version.environment.workspace,
        name,
        user=user,
        description=description,
        tags=tags,
        only_new=only_new,
    )


def expires_at(version: Version) -> datetime | None:
    """Return when an anonymous version is removed unless it is used until then; None for never."""
    if not settings.ANONYMOUS_DAYS or version.submitted_at is None or version.uses.exists():
        return None
    return version.submitted_at + timedelta(days=settings.ANONYMOUS_DAYS)


def _environment(workspace: Workspace, name: str, user: User | None) -> Environment:
    """Return the environment that anonymous versions of this name belong to."""
    problem = name_problem(name)
    if problem is not None:
        raise ServiceError(problem.code, problem.message, problem.help)
    if name != ANONYMOUS:
        service.check_repository_free(workspace, name)
    environment, _ = Environment.objects.get_or_create(
        workspace=workspace, name=name, defaults={"created_by": user, "anonymous": True}
    )
    if not environment.anonymous:
        raise ConflictError(
            "name-taken",
            f"{name} is an environment of {workspace} with a name of its own.",
            "Leave the name out.",
        )
    return environment


def _with_content(environment: Environment, definition: Definition, version: str) -> Version | None:
    """Return the version of this content. Raises VersionTaken if the given version has other content."""
    if version:
        existing = environment.versions.filter(version=version).first()
        if existing is not None and existing.definition != definition:
            raise VersionTaken(existing, diff(existing.definition, definition))
        return existing
    rows = environment.versions.filter(hash=definition.hash).order_by("number")
    return next((row for row in rows if row.definition == definition), None)
