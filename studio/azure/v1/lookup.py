"""Environments by the names that the first SDK uses: a workspace's own, and the curated ones in every workspace."""

import base64
import binascii
import json
from typing import Any

from django.contrib.auth.models import User
from django.http import Http404
from rest_framework.exceptions import ValidationError

from environments.access import Right, get_version, get_workspace, version_in
from environments.definition.findings.naming import name_problem
from environments.models import Environment, Version, Workspace
from environments.versions.listing import latest_versions

PAGE = 50
LATEST = "latest"


def find_version(
    user: User, workspace: str, name: str, version: str = LATEST, right: Right = Right.SEE
) -> Version:
    """Return a version of a workspace, or of the catalogue where the name is a curated one (rule 22).

    The right is needed in the workspace; the catalogue's versions are read by everybody.
    """
    space = get_workspace(user, workspace, right)
    catalogue = None if space.curated else catalogue_of(name)
    if catalogue is None:
        return version_in(space, name, version)
    return get_version(user, catalogue.name, name, version)


def catalogue_of(name: str) -> Workspace | None:
    """Return the catalogue, if only its environments may have this name (rule 27)."""
    problem = name_problem(name)
    if problem is None or problem.code != "name-reserved":
        return None
    return Workspace.objects.filter(curated=True).first()


def labelled_version(user: User, workspace: str, name: str, label: str) -> Version:
    """Return the version with a label, or the latest; a version's own name is no label."""
    latest = label == LATEST
    if latest:
        return find_version(user, workspace, name)
    space = get_workspace(user, workspace)
    environment = Environment.objects.filter(workspace=catalogue_of(name) or space, name=name).first()
    row = environment.labels.filter(name=label).first() if environment is not None else None
    if row is None:
        raise Http404(f"{name} has no label {label} in {space}.")
    return find_version(user, workspace, name, row.version.version)


def page_of_versions(space: Workspace, token: str) -> tuple[list[Version], str | None]:
    """Return the latest versions of a page of environments by name, and the token of the next page.

    The workspace's own come first, then those of the catalogue; a token stays valid while environments come and go.
    """
    part, after = _position(token) if token else (0, "")
    parts = [space] if space.curated else [space, *Workspace.objects.filter(curated=True)[:1]]
    page: list[Version] = []
    for number, workspace in enumerate(parts):
        if number < part:
            continue
        rows = latest_versions(workspace).defer(None).order_by("environment__name")
        rows = rows.filter(environment__name__gt=after) if number == part and after else rows
        page += rows[: PAGE + 1 - len(page)]
        if len(page) > PAGE:
            last = page[PAGE - 1]
            inside = parts.index(last.environment.workspace)
            return page[:PAGE], _token(inside, last.environment.name)
    return page, None


def _token(part: int, name: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([part, name]).encode()).decode()


def _position(token: str) -> tuple[int, str]:
    wrong = ValidationError({"continuation": ["Send the continuationToken of the page before."]})
    try:
        position: Any = json.loads(base64.urlsafe_b64decode(token[:2_000].encode()))
    except (binascii.Error, ValueError, RecursionError):
        raise wrong from None
    match position:
        case [int(part), str(name)] if part in (0, 1) and "\0" not in name and name.isprintable():
            return part, name
    raise wrong
