"""Who may do what: the first line of every view asks here. Strangers get 404, those with too small a role 403."""

from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404

from environments.models import AccessToken, Environment, Member, Role, Scope, Version, Workspace

_THROUGH = "_access_token"

# Whose business the credentials of a workspace are: nobody sees a password, some that there is one.
SEES_CONNECTIONS = Role.CONTRIBUTOR
MANAGES_CONNECTIONS = Role.OWNER
SEES_SETTINGS = Role.CONTRIBUTOR
MANAGES_SETTINGS = Role.OWNER


def through(token: AccessToken) -> User:
    """Return a token's owner, with no more rights than the token has, wherever access is asked for."""
    setattr(token.owner, _THROUGH, token)
    return token.owner


def token_behind(user: User | AnonymousUser) -> AccessToken | None:
    """Return the token by which this person came; None for those who signed in themselves."""
    return getattr(user, _THROUGH, None)


def workspaces_of(user: User | AnonymousUser) -> QuerySet[Workspace]:
    """Return the workspaces that a person sees: their own, and the curated catalogue."""
    if not user.is_authenticated:
        return Workspace.objects.none()
    seen = Workspace.objects.all()
    token = token_behind(user)
    if token is not None and token.workspace_id is not None:
        seen = seen.filter(Q(pk=token.workspace_id) | Q(curated=True))
    if user.is_superuser:
        return seen
    return seen.filter(Q(members__user=user) | Q(curated=True)).distinct()


def role_in(workspace: Workspace, user: User | AnonymousUser) -> Role | None:
    """Return a person's role in a workspace; None for strangers. Admins own everything, all read the catalogue.

    Who came by a token has no higher role than the token's scope allows, and none outside its workspace.
    """
    role = _own_role(workspace, user)
    token = token_behind(user)
    if role is None or token is None:
        return role
    if token.workspace_id not in (None, workspace.pk):
        return Role.READER if workspace.curated else None
    return role if token.scope >= Scope.WRITE else Role.READER


def _own_role(workspace: Workspace, user: User | AnonymousUser) -> Role | None:
    if not user.is_authenticated:
        return None
    if user.is_superuser:
        return Role.OWNER
    role = Member.objects.filter(workspace=workspace, user=user).values_list("role", flat=True).first()
    if role is None:
        return Role.READER if workspace.curated else None
    return Role(role)


def get_workspace(user: Any, name: str, at_least: Role = Role.READER) -> Workspace:
    """Return the workspace, if this person has the role in it."""
    workspace = Workspace.objects.filter(name=name).first()
    role = role_in(workspace, user) if workspace else None
    if workspace is None or role is None:
        raise Http404(f"There is no workspace {name} that you can see.")
    if role < at_least:
        raise PermissionDenied(f"You are {role.label} of {workspace}; this needs the role {at_least.label}.")
    return workspace


def get_environment(user: Any, workspace: str, name: str, at_least: Role = Role.READER) -> Environment:
    """Return the environment, if this person has the role in its workspace."""
    found = get_workspace(user, workspace, at_least).environments.filter(name=name).first()
    if found is None:
        raise Http404(f"There is no environment {name} in {workspace}.")
    return found


def get_version(user: Any, workspace: str, name: str, version: str, at_least: Role = Role.READER) -> Version:
    """Return a version by its number, or `latest` (rule 31)."""
    environment = get_environment(user, workspace, name, at_least)
    found = (
        environment.latest() if version == "latest" else environment.versions.filter(version=version).first()
    )
    if found is None:
        raise Http404(f"{environment} has no version {version}.")
    return found
