"""Fill a studio for the SDKs: `python -m tests.azure.fill`. What was made is printed as JSON.

`owner`, `contributor` and `reader` are members of the workspaces `lab`, `discovery` and `metadata`; `stranger` and
`azure-admin` are not. Each has a token
that writes; `owner` also has a token that only reads, and a token that only pulls, and
one for each way of SDK v2 over https, `ends-…`, that tests revoke. `other` is a workspace of `stranger`.
`lab` has more versions of `long`, and more environments `many-…`, than a page of a list; so have the other two.
`shelf` is opened as a registry by its owner `librarian`, who contributes to `lab`; `contributor` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypeVar

import django

Row = TypeVar("Row")


def main() -> None:
    """Make the workspaces and the accounts."""
    django.setup()
    # Models can be imported only now.
    from django.contrib.auth.models import User
    from django.db import transaction

    from environments.definition import read
    from environments.models import Environment, Member, Role, Scope, Version, Workspace
    from environments.models.list_entries import ListEntry, VersionEntry
    from environments.versions.listing import update_listing
    from environments.versions.service import save_reading
    from environments.workspaces.tokens import create_token

    def save(workspace: Workspace, name: str) -> Version:
        reading = read(b"image: python:3.11\n", "environment.yml")
        return save_reading(workspace, name, reading, source="").version

    def add_versions(first: Version, numbers: Iterable[int]) -> None:
        Version.objects.bulk_create(
            copied(first, number=number, version=str(number), hash=f"{number:032x}") for number in numbers
        )
        update_listing(first.environment)

    def add_environments(first: Version, names: Iterable[str]) -> None:
        there = first.environment
        environments = Environment.objects.bulk_create(
            copied(there, name=name, repository=name) for name in names
        )
        versions = Version.objects.bulk_create(copied(first, environment=added) for added in environments)
        entry, listed = VersionEntry.objects.get(version=first), ListEntry.objects.get(environment=there)
        VersionEntry.objects.bulk_create(
            copied(entry, version=version, environment=version.environment) for version in versions
        )
        ListEntry.objects.bulk_create(
            copied(listed, version=version, environment=version.environment, name=version.environment.name)
            for version in versions
        )

    titles = {"lab": "The laboratory", "discovery": "SDK v1", "metadata": "SDK v1"}
    labs = [Workspace.objects.create(name=name, title=title) for name, title in titles.items()]
    lab = labs[0]
    other = Workspace.objects.create(name="other", title="Others")
    roles = {"owner": Role.OWNER, "contributor": Role.CONTRIBUTOR, "reader": Role.READER}
    tokens = {}
    for name in (*roles, "stranger", "azure-admin"):
        user = User.objects.create(username=name, is_superuser=name == "azure-admin")
        if name in roles:
            for workspace in labs:
                Member.objects.create(workspace=workspace, user=user, role=roles[name])
        tokens[name] = create_token(user, "azure", Scope.WRITE)[1]
    Member.objects.create(workspace=other, user=User.objects.get(username="stranger"), role=Role.OWNER)
    shelf = Workspace.objects.create(name="shelf", title="The shelf", opened=True)
    librarian = User.objects.create(username="librarian")
    Member.objects.create(workspace=shelf, user=librarian, role=Role.OWNER)
    Member.objects.create(workspace=lab, user=librarian, role=Role.CONTRIBUTOR)
    contributor = User.objects.get(username="contributor")
    Member.objects.create(workspace=shelf, user=contributor, role=Role.READER)
    tokens["librarian"] = create_token(librarian, "azure", Scope.WRITE)[1]
    owner = User.objects.get(username="owner")
    tokens["reads"] = create_token(owner, "reads", Scope.READ)[1]
    tokens["pulls"] = create_token(owner, "pulls", Scope.PULL)[1]
    for way in ("mfe-https", "metadata", "kwargs"):
        tokens[f"ends-{way}"] = create_token(owner, f"ends-{way}", Scope.WRITE)[1]
    with transaction.atomic():
        add_versions(save(lab, "long"), range(2, 104))
        for workspace, most in zip(labs, (103, 60, 60), strict=True):
            first = save(workspace, "many-001")
            add_environments(first, [f"many-{number:03}" for number in range(2, most + 1)])
    print(json.dumps(tokens))


def copied(row: Row, **changes: Any) -> Row:
    """Return a new row with other values, to be added: to save each takes seconds."""
    there: Any = row
    fields = [field for field in there._meta.concrete_fields if not field.primary_key]
    values = {field.name: getattr(there, field.name) for field in fields}
    return type(row)(**{**values, **changes})


if __name__ == "__main__":
    main()
