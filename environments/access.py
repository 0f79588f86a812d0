"""Who may do what: the first line of every view asks here. Strangers get 404, those with too small a role 403."""

from enum import Enum
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404

from environments.catalogue_models import Proposal
from environments.models import AccessToken, Environment, Member, Role, Scope, Version, Workspace
from environments.origin import came_by

_THROUGH = "_access_token"


class Right(Enum):
    """What somebody may do in a workspace; the value is its words: “To …, you must have the role …”."""

    SEE = "see this workspace"
    PULL = "pull its images"
    DEFINE = "define environments"
    BUILD = "build images"
    REPORT_USES = "report what uses an environment"
    PROPOSE = "propose environments for the catalogue"
    REVIEW = "review what is proposed for the catalogue"
    CANCEL_OTHERS = "stop builds that others wait for"
    SEE_CONNECTIONS = "see its connections"
    MANAGE_CONNECTIONS = "manage its connections"
    MANAGE_MEMBERS = "manage its members"
    SEE_SETTINGS = "see its settings"
    MANAGE_SETTINGS = "change its settings"
    MANAGE_WEBHOOKS = "manage its webhooks"
    SEE_ORIGINS = "see where what is done in it comes from"
    CLEAN_UP = "clean up its images"
    SET_LIMITS = "set its limits"
    CLEAN_STORE = "clean up the studio's store"


# One above the roles that a workspace gives: whoever runs the studio.
ADMIN = Role.OWNER + 1

# The whole table. In the catalogue everybody is a reader, and contributors are the curators.
LEAST: dict[Right, int] = {
    Right.SEE: Role.READER,
    Right.PULL: Role.READER,
    Right.DEFINE: Role.CONTRIBUTOR,
    Right.BUILD: Role.CONTRIBUTOR,
    Right.REPORT_USES: Role.CONTRIBUTOR,
    Right.PROPOSE: Role.CONTRIBUTOR,
    Right.REVIEW: Role.CONTRIBUTOR,
    Right.SEE_CONNECTIONS: Role.CONTRIBUTOR,
    Right.SEE_SETTINGS: Role.CONTRIBUTOR,
    Right.CANCEL_OTHERS: Role.OWNER,
    Right.MANAGE_CONNECTIONS: Role.OWNER,
    Right.MANAGE_MEMBERS: Role.OWNER,
    Right.MANAGE_SETTINGS: Role.OWNER,
    Right.MANAGE_WEBHOOKS: Role.OWNER,
    Right.SEE_ORIGINS: Role.OWNER,
    Right.CLEAN_UP: Role.OWNER,
    Right.SET_LIMITS: ADMIN,
    Right.CLEAN_STORE: ADMIN,
}


def through(token: AccessToken) -> User:
    """Return a token's owner, with no more rights than the token has, wherever access is asked for."""
    setattr(token.owner, _THROUGH, token)
    came_by(str(token))
    return token.owner


def token_behind(user: User | AnonymousUser) -> AccessToken | None:
    """Return the token by which this person came; None for those who signed in themselves."""
    return getattr(user, _THROUGH, None)


def workspaces_of(user: User | AnonymousUser, right: Right = Right.SEE) -> QuerySet[Workspace]:
    """Return the workspaces in which a person has a right. They see their own, and the curated catalogue."""
    token = token_behind(user)
    reads = LEAST[right] <= Role.READER
    if not user.is_authenticated or (token is not None and token.scope < Scope.WRITE and not reads):
        return Workspace.objects.none()
    catalogue = Q(curated=True) if reads else Q()
    found = Workspace.objects.all()
    if token is not None and token.workspace_id is not None:
        found = found.filter(Q(pk=token.workspace_id) | catalogue)
    if user.is_superuser:
        return found
    own = Q(members__user=user, members__role__gte=LEAST[right])
    return found.filter(own | catalogue).distinct()


def rights_in(workspace: Workspace | None, user: User | AnonymousUser) -> dict[str, bool]:
    """Return for each right, by its name in lower case, whether a person has it: templates ask `may.build`."""
    rank = _rank(role_in(workspace, user), user) if workspace is not None else 0
    return {right.name.lower(): rank >= least for right, least in LEAST.items()}


def may(user: User | AnonymousUser, right: Right, workspace: Workspace) -> bool:
    """Tell whether a person has a right in a workspace."""
    return _rank(role_in(workspace, user), user) >= LEAST[right]


def _rank(role: Role | None, user: User | AnonymousUser) -> int:
    """Return a role as a number that also knows strangers, 0, and admins."""
    # An admin who came by a token that only reads is a reader.
    return ADMIN if role == Role.OWNER and user.is_superuser else role or 0


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


def get_workspace(user: Any, name: str, right: Right = Right.SEE) -> Workspace:
    """Return the workspace, if this person has the right in it."""
    workspace = Workspace.objects.filter(name=name).first()
    role = role_in(workspace, user) if workspace else None
    if workspace is None or role is None:
        raise Http404(f"There is no workspace {name} that you can see.")
    least = LEAST[right]
    if _rank(role, user) < least:
        needed = "be an admin of the studio" if least == ADMIN else f"have the role {Role(least).label}"
        raise PermissionDenied(f"You are {role.label} of {workspace}. To {right.value}, you must {needed}.")
    return workspace


def get_environment(user: Any, workspace: str, name: str, right: Right = Right.SEE) -> Environment:
    """Return the environment, if this person has the right in its workspace."""
    found = get_workspace(user, workspace, right).environments.filter(name=name).first()
    if found is None:
        raise Http404(f"There is no environment {name} in {workspace}.")
    return found


def get_version(user: Any, workspace: str, name: str, version: str, right: Right = Right.SEE) -> Version:
    """Return a version by its number, or `latest` (rule 31)."""
    environment = get_environment(user, workspace, name, right)
    found = (
        environment.latest() if version == "latest" else environment.versions.filter(version=version).first()
    )
    if found is None:
        raise Http404(f"{environment} has no version {version}.")
    return found


def get_catalogue(user: Any, name: str, right: Right) -> Workspace:
    """Return the catalogue, if it has this name and this person the right in it."""
    workspace = get_workspace(user, name)
    if not workspace.curated:
        raise Http404(f"{workspace} is not the catalogue.")
    return get_workspace(user, name, right)


def get_proposals_place(user: Any, name: str) -> Workspace:
    """Return the catalogue for those who review, or the workspace for those who propose from it."""
    workspace = get_workspace(user, name)
    return get_workspace(user, name, Right.REVIEW if workspace.curated else Right.PROPOSE)


def get_proposal(user: Any, workspace: str, number: int) -> Proposal:
    """Return a proposal, as its reviewers find it in the catalogue and its people in their workspace."""
    place = get_proposals_place(user, workspace)
    found = Proposal.objects.filter(pk=number) if number < 2**63 else Proposal.objects.none()
    if not place.curated:
        found = found.filter(environment__workspace=place)
    proposal = found.select_related("version__environment__workspace", "version__created_by").first()
    if proposal is None:
        raise Http404(f"There is no proposal {number} in {place}.")
    return proposal
