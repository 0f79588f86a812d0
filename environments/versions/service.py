"""Writing environments: what the pages, the API and the commands call. Knows nothing of HTTP."""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from environments.catalogue_models import Deprecation
from environments.definition import Definition, Difference, Reading, diff
from environments.definition.naming import name_problem
from environments.lists import keep_listed
from environments.models import Environment, Version, Workspace, record
from environments.refused import Refused as Refused  # whoever calls the services knows it from here
from environments.uses import refuse_while_used

VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
VERSION_INVALID = (
    "That cannot be a version: versions are part of addresses, and “latest” always means the newest one.",
    "Use up to 64 letters, digits, “.”, “_”, “+” and “-”, beginning with a letter or digit; or leave it out.",
)


class VersionTaken(Refused):
    """Other content stands under this version number already (rule 30)."""

    def __init__(self, version: Version, difference: Difference) -> None:
        super().__init__(
            "version-taken",
            f"{version} exists with other content: {difference.summary}.",
            "A version never changes. Leave the version out to get the next one, or give a number that is free.",
        )
        self.version = version
        self.difference = difference


class ChangedSince(Refused):
    """Somebody else has changed it since this person looked."""

    def __init__(self, version: Version) -> None:
        super().__init__(
            "changed", f"{version} was changed in the meantime.", "Look at what it is now, and save again."
        )


@dataclass(frozen=True)
class Saved:
    """The version, and whether it was made now (`created`) or stood there with the same content."""

    version: Version
    created: bool


def save_reading(
    workspace: Workspace,
    name: str,
    reading: Reading,
    *,
    source: str,
    user: User | None = None,
    version: str = "",
    description: str | None = None,
    tags: dict[str, str] | None = None,
    based_on: Version | None = None,
    only_new: bool = False,
) -> Saved:
    """Save what was read as a version; what the file says of itself fills in what is not given."""
    if reading.definition is None:
        errors = [finding for finding in reading.findings if finding.severity == "error"]
        first = errors[0].message if errors else "The definition cannot be read."
        raise Refused("definition-refused", first, errors[0].help if errors else "", reading=reading)
    return save_version(
        workspace,
        name,
        reading.definition,
        user=user,
        version=version,
        description=reading.description or "" if description is None else description,
        tags=dict(reading.tags or {}) if tags is None else tags,
        based_on=based_on,
        source=source,
        source_format=reading.format,
        only_new=only_new,
    )


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
    source_format: str = "",
    only_new: bool = False,
) -> Saved:
    """Save a definition under a name: as the version given, else as the next one.

    The same content as the latest version (or as the version given) makes no new one. With `only_new` the name
    must be free: a start of a new environment never lands in an old one. Raises Refused or VersionTaken.
    """
    problem = name_problem(name, curated=workspace.curated)
    if problem is not None:
        raise Refused(problem.code, problem.message, problem.help)
    if version and (not VERSION.fullmatch(version) or version.lower() == "latest"):
        raise Refused("version-invalid", *VERSION_INVALID)
    _check_start(based_on, workspace, name)
    environment, made = Environment.objects.get_or_create(
        workspace=workspace, name=name, defaults={"created_by": user}
    )
    if only_new and not made:
        raise Refused(
            "name-taken",
            f"There is an environment {name} in {workspace} already.",
            "Choose another name, or open that environment and edit it to make its next version.",
        )
    # Whoever saves another version of it at the same moment waits here for a number.
    Environment.objects.select_for_update().get(pk=environment.pk)
    same = _same_content(environment, definition, version)
    if same is not None:
        return Saved(same, created=False)
    number = (environment.versions.order_by("-number").values_list("number", flat=True).first() or 0) + 1
    created = Version.objects.create(
        environment=environment,
        version=version or _next_version(environment),
        number=number,
        hash=definition.hash,
        data=definition.model_dump(mode="json"),
        source=source,
        source_format=source_format,
        kind="curated" if workspace.curated else definition.kind,
        base=definition.image or "",
        packages=count_packages(definition),
        description=description,
        tags=tags or {},
        based_on=based_on,
        # A version under an archived environment is archived too (rule 33).
        archived_at=environment.archived_at,
        created_by=user,
    )
    keep_listed(environment)
    record(
        "version.created",
        str(created),
        workspace=workspace,
        environment=environment,
        actor=user,
        hash=created.hash,
        based_on=str(based_on) if based_on else None,
    )
    return Saved(created, created=True)


def _check_start(start: Version | None, workspace: Workspace, name: str) -> None:
    """Raise where something new is to start from what is retired; what has started from it before goes on."""
    if start is None or not start.environment.workspace.curated:
        return
    retired = Deprecation.objects.filter(environment=start.environment, retired_at__isnull=False)
    found = retired.filter(Q(version=None) | Q(version=start)).select_related("successor").first()
    if found is not None and not Environment.objects.filter(workspace=workspace, name=name).exists():
        instead = f"Start from {found.successor} instead." if found.successor else "Start from another one."
        raise Refused("retired", f"{found} is retired: nothing new starts from it.", instead)


def _same_content(environment: Environment, definition: Definition, version: str) -> Version | None:
    """Return the version that holds this already; raise when other content stands under the number given."""
    there = environment.versions.filter(version=version).first() if version else environment.latest()
    if there is None:
        return None
    if there.definition == definition:
        return there
    if version:
        raise VersionTaken(there, diff(there.definition, definition))
    return None


def _next_version(environment: Environment) -> str:
    """Return the whole number behind the highest one that is taken."""
    taken = environment.versions.values_list("version", flat=True)
    return str(max((int(name) for name in taken if name.isascii() and name.isdigit()), default=0) + 1)


def count_packages(definition: Definition) -> int:
    """Return how many packages a definition asks for."""
    pip = [line for line in definition.python.pip if not line.startswith("-")]
    return len(definition.python.conda) + len(pip)


def described_as(version: Version) -> str:
    """Return a mark of a version's description and tags: it is another one when somebody has changed them."""
    said = json.dumps([version.description, version.tags], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


@transaction.atomic
def describe(version: Version, *, description: str, tags: dict[str, str], user: User, seen: str = "") -> None:
    """Change what may change in a version: its description and tags (rule 30).

    `seen` is the mark, by `described_as`, of what this person has looked at; raises ChangedSince where it is
    another one by now.
    """
    # Two who save at once: the second waits here, and then sees what the first has written.
    now = Version.objects.select_for_update().only("description", "tags").get(pk=version.pk)
    if seen and seen != described_as(now):
        raise ChangedSince(version)
    before = {"description": now.description, "tags": now.tags}
    version.description, version.tags = description, tags
    version.save(update_fields=["description", "tags"])
    keep_listed(version.environment)
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

    Raises Refused while something uses one of them (rule 34).
    """
    Environment.objects.select_for_update().get(pk=environment.pk)
    if not restore:
        refuse_while_used(environment, user)
    else:
        _check_not_retired(environment, None)
    before = environment.archived_at
    when = None if restore else timezone.now()
    Environment.objects.filter(pk=environment.pk).update(archived_at=when)
    environment.versions.update(archived_at=when)
    keep_listed(environment)
    environment.archived_at = when
    _record_archived(environment, str(environment), user, before=before, after=when)


@transaction.atomic
def archive_version(version: Version, user: User, *, restore: bool = False) -> None:
    """Hide one version, or show it again; not alone out of an archived environment (rule 33).

    Raises Refused while something uses it (rule 34).
    """
    environment = Environment.objects.select_for_update().get(pk=version.environment_id)
    if environment.archived_at and restore:
        raise Refused(
            "environment-archived",
            f"{version.environment} is archived, and its versions with it.",
            "Restore the environment: all its versions come back.",
        )
    if not restore:
        refuse_while_used(version.environment, user, version)
    else:
        _check_not_retired(version.environment, version)
    before = version.archived_at
    version.archived_at = None if restore else timezone.now()
    version.save(update_fields=["archived_at"])
    keep_listed(version.environment)
    _record_archived(version.environment, str(version), user, before=before, after=version.archived_at)


def _check_not_retired(environment: Environment, version: Version | None) -> None:
    retired = Deprecation.objects.filter(environment=environment, version=version, retired_at__isnull=False)
    if retired.exists():
        raise Refused(
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
