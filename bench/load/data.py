"""Very many environments with their versions, builds and images, made by the database itself.

A few are saved as people save them; the rest are copies of their rows under other names.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Model

from builds.models import Build, BuildRequest, Image, ImageLayer
from builds.queue.claims import Claim
from builds.queue.requests import request_build
from environments.definition import read
from environments.models import (
    Environment,
    Event,
    ListEntry,
    RequestedPackage,
    Version,
    VersionEntry,
    Workspace,
)
from environments.versions.service import save_reading
from tests.builds.scenarios import image_for

PATTERNS = 40
BUILDS_EACH = 2
SHARING = 2  # environments with the same content
EVENTS_EACH = 3
PEOPLE = 50
PACKAGES = "numpy pandas scipy matplotlib scikit-learn torch xgboost lightgbm pyarrow mlflow-skinny".split()


def fill_workspace(environments: int, versions: int) -> dict[str, Any]:
    """Bring the workspace `lab` to so many environments of so many versions each; it never shrinks."""
    workspace = Workspace.objects.get(name="lab")
    there = Environment.objects.filter(workspace=workspace, name__startswith="model-").count()
    if there < environments:
        save_patterns(workspace)
        copying = Copying(workspace, there + 1, environments, versions)
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in copying.statements():
                cursor.execute(statement)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
    return {"environments": max(there, environments)}


def save_patterns(workspace: Workspace) -> None:
    """Save the versions to copy as people save them, and one build with its image."""
    if Environment.objects.filter(workspace=workspace, name="pattern-0").exists():
        return
    user = User.objects.get(username="person-0")
    for number in range(PATTERNS):
        lines = [f"{name}=={1 + number}.{index}.0" for index, name in enumerate(PACKAGES[: 3 + number % 8])]
        text = "\n".join(lines) + "\n"
        saved = save_reading(
            workspace,
            f"pattern-{number}",
            read(text, "requirements.txt"),
            source=text,
            user=user,
            description=f"What the people of project {number} train their models with.",
            tags={"team": f"team-{number % 7}"},
        )
        if number == 0:
            build = request_build(saved.version, user).build
            assert build is not None
            claim = Claim.take(build.pk, "a worker of the measurement")
            assert claim is not None
            claim.succeed(image_for(saved.version), reused=False)


class Copying:
    """The statements that copy the patterns to environments number `low` to `high`."""

    def __init__(self, workspace: Workspace, low: int, high: int, versions: int) -> None:
        self.workspace, self.low, self.high, self.versions = workspace, low, high, versions
        self.on_postgres = connection.vendor == "postgresql"
        # The number of an environment, from its name.
        self.number = "CAST(substr(e.name, 7) AS integer)"

    def statements(self) -> list[str]:
        """Return them in the order in which rows need each other."""
        env, last = (
            "JOIN environments_environment e ON e.id = v.environment_id",
            f"v.number = {self.versions}",
        )
        new = (
            f"e.workspace_id = {self.workspace.pk} AND e.name LIKE 'model-%' AND {self.number} >= {self.low}"
        )
        pattern = f"pe.workspace_id = {self.workspace.pk} AND pe.name"
        of_number = f"{pattern} = 'pattern-' || ({self.number} % {PATTERNS})"
        version_of = "JOIN environments_version p ON p.environment_id = pe.id AND p.number = 1"
        first = f"{pattern} = 'pattern-0'"
        age = f"(({self.high} - {self.number}) * {self.versions} + {self.versions} - %s)"
        version_age = age % "v.i"
        row_age = age % self.versions
        shared = f"md5('shared ' || ({self.number} / {SHARING}))"
        return [
            copied(
                Environment,
                {"name": f"'model-' || {self.padded('n.i')}"},
                f"{numbers('n', self.low, self.high)} JOIN environments_environment p "
                f"ON p.workspace_id = {self.workspace.pk} AND p.name = 'pattern-0'",
            ),
            copied(
                Version,
                {
                    "environment_id": "e.id",
                    "version": "CAST(v.i AS text)",
                    "number": "v.i",
                    "hash": f"CASE WHEN v.i = {self.versions} THEN {shared} ELSE md5(e.name || ':' || v.i) END",
                    "created_at": self.before("p.created_at", version_age),
                },
                f"environments_environment e JOIN {numbers('v', 1, self.versions)} ON true "
                f"JOIN environments_environment pe ON {of_number} {version_of} WHERE {new}",
            ),
            copied(
                ListEntry,
                {
                    "environment_id": "e.id",
                    "version_id": "v.id",
                    "name": "e.name",
                    "changed_at": "v.created_at",
                },
                f"environments_version v {env} JOIN environments_environment pe ON {of_number} "
                f"JOIN environments_listentry p ON p.environment_id = pe.id WHERE {new} AND {last}",
            ),
            copied(
                VersionEntry,
                {
                    "version_id": "v.id",
                    "environment_id": "e.id",
                    "number": "v.number",
                    "latest": f"v.number = {self.versions}",
                    "hash": "v.hash",
                    "search_text": "e.name || p.search_text || v.hash",
                },
                f"environments_version v {env} JOIN environments_environment pe ON {of_number} "
                f"JOIN environments_versionentry p ON p.environment_id = pe.id WHERE {new}",
            ),
            copied(
                RequestedPackage,
                {"version_id": "v.id"},
                f"environments_version v {env} JOIN environments_environment pe ON {of_number} "
                "JOIN environments_version pv ON pv.environment_id = pe.id AND pv.number = 1 "
                f"JOIN environments_requestedpackage p ON p.version_id = pv.id WHERE {new}",
            ),
            copied(
                Image,
                {
                    "hash": "v.hash",
                    "digest": "'sha256:' || v.hash || v.hash",
                    "repository": "'azureml/azureml_' || v.hash",
                    "built_at": "v.created_at",
                },
                f"environments_version v {env} JOIN environments_environment pe ON {first} "
                f"JOIN environments_version pv ON pv.environment_id = pe.id "
                f"JOIN builds_image p ON p.hash = pv.hash AND p.workspace_id = pe.workspace_id "
                f"WHERE {new} AND {last} AND {self.number} % {SHARING} = 0",
            ),
            copied(
                ImageLayer,
                {
                    "image_id": "i.id",
                    # The layer below is the base's, which all images share.
                    "digest": "CASE WHEN p.digest = pi.digest THEN i.digest ELSE p.digest END",
                },
                f"builds_image i JOIN environments_version v ON v.hash = i.hash {env} "
                f"JOIN environments_environment pe ON {first} AND pe.workspace_id = i.workspace_id "
                "JOIN environments_version pv ON pv.environment_id = pe.id "
                "JOIN builds_image pi ON pi.hash = pv.hash AND pi.workspace_id = pe.workspace_id "
                "JOIN builds_imagelayer p ON p.image_id = pi.id "
                f"WHERE {new} AND {last} AND {self.number} % {SHARING} = 0",
            ),
            copied(
                Build,
                {
                    "id": self.uuid("e.name || ' ' || b.i"),
                    "version_id": "v.id",
                    "hash": "v.hash",
                    "state": f"CASE WHEN ({self.number} + b.i) % 10 = 0 THEN 'failed' ELSE 'succeeded' END",
                    "queued_at": self.before("v.created_at", f"b.i * {self.high} * {self.versions}"),
                },
                f"environments_version v {env} JOIN {numbers('b', 1, BUILDS_EACH)} ON true "
                f"JOIN environments_environment pe ON {first} {version_of} "
                "JOIN builds_build bp ON bp.version_id = p.id "
                f"WHERE {new} AND {last}",
                alias="bp",
            ),
            copied(
                BuildRequest,
                {
                    "version_id": "b.version_id",
                    "build_id": "b.id",
                    "user_id": f"(SELECT min(u.id) FROM auth_user u WHERE u.username = "
                    f"'person-' || ({self.number} % {PEOPLE}))",
                },
                f"builds_build b JOIN environments_version v ON v.id = b.version_id {env} "
                f"JOIN environments_environment pe ON {first} {version_of} "
                f"JOIN builds_buildrequest rp ON rp.version_id = p.id WHERE {new}",
                alias="rp",
            ),
            copied(
                Event,
                {
                    "environment_id": "e.id",
                    "subject": "e.name || ':' || v.version",
                    "at": self.before("v.created_at", row_age),
                },
                f"environments_version v {env} JOIN environments_environment pe ON {first} "
                f"JOIN environments_event p ON p.environment_id = pe.id AND p.verb = 'version.created' "
                f"WHERE {new} AND v.number > {self.versions - EVENTS_EACH}",
            ),
        ]

    def padded(self, number: str) -> str:
        """Return a number with six digits."""
        return f"lpad(({number})::text, 6, '0')" if self.on_postgres else f"printf('%06d', {number})"

    def before(self, time: str, seconds: str) -> str:
        """Return a time so many seconds earlier."""
        if self.on_postgres:
            return f"{time} - ({seconds}) * interval '1 second'"
        return f"strftime('%Y-%m-%d %H:%M:%S.000000', {time}, '-' || ({seconds}) || ' seconds')"

    def uuid(self, text: str) -> str:
        """Return an id made of a text."""
        return f"md5({text})::uuid" if self.on_postgres else f"md5({text})"


def numbers(name: str, low: int, high: int) -> str:
    """Return a table with the numbers from low to high in its column `i`."""
    return (
        f"(WITH RECURSIVE counting(i) AS (SELECT {low} UNION ALL SELECT i + 1 FROM counting WHERE i < {high}) "
        f"SELECT i FROM counting) {name}"
    )


def copied(model: type[Model], changed: dict[str, str], rows: str, alias: str = "p") -> str:
    """Return the statement that copies rows of a pattern (`alias`), with some columns changed."""
    fields = [
        field.column
        for field in model._meta.concrete_fields
        if field.column and (field.column in changed or not field.primary_key)
    ]
    columns = ", ".join(f'"{name}"' for name in fields)
    values = ", ".join(changed.get(name, f'{alias}."{name}"') for name in fields)
    return f'INSERT INTO "{model._meta.db_table}" ({columns}) SELECT {values} FROM {rows}'
