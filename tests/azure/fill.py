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

import django


def main() -> None:
    """Make the workspaces and the accounts."""
    django.setup()
    # Models can be imported only now.
    from django.contrib.auth.models import User
    from django.db import transaction

    from environments.definition import read
    from environments.models import Member, Role, Scope, Workspace
    from environments.versions.service import save_reading
    from environments.workspaces.tokens import create_token

    def save(workspace: Workspace, name: str, image: str) -> None:
        save_reading(workspace, name, read(f"image: {image}\n".encode(), "environment.yml"), source="")

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
        for number in range(1, 104):
            save(lab, "long", f"python:3.{number}")
            save(lab, f"many-{number:03}", "python:3.11")
        for workspace in labs[1:]:
            for number in range(1, 61):
                save(workspace, f"many-{number:03}", "python:3.11")
    print(json.dumps(tokens))


if __name__ == "__main__":
    main()
