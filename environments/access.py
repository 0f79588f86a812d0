"""Access: the first line of every view. Strangers get 404, members whose role is too low 403."""

from collections.abc import Callable, Collection
from enum import Enum
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404

from environments.models import AccessToken, Environment, Member, Role, Scope, Version, Workspace
from environments.models.catalogue import Proposal
from environments.models.shares import Share
from environments.request_origin import set_origin_token

_AUTHENTICATED_BY = "_access_token"


class Right(Enum):
    """A right in a workspace; its value completes “To …, you must have the role …”."""

    SEE = "see this workspace"
    PULL = "pull its images"
    DEFINE = "define environments"
    BUILD = "build images"
    TRIAGE = "record advisories as pending"
    ACCEPT_RISKS = "accept risks or decide that an advisory doesn't matter"
    MANAGE_POLICY = "change its policy"
    MANAGE_CATALOGUE_POLICY = "change the catalogue's policy"
    SHARE = "share versions with other workspaces"
    MOVE_PROTECTED_LABELS = "move protected labels"
    DECIDE_SHARES = "accept or decline shared versions"
    REPORT_USES = "report uses of an environment"
    PROPOSE = "propose environments for the catalogue"
    REVIEW = "review proposals for the catalogue"
    CANCEL_OTHERS = "stop builds of others"
    SEE_CONNECTIONS = "see its connections"
    MANAGE_CONNECTIONS = "manage its connections"
    MANAGE_MEMBERS = "manage its members"
    SEE_SETTINGS = "see its settings"
    MANAGE_SETTINGS = "change its settings"
    MANAGE_WEBHOOKS = "manage its webhooks"
    SEE_ORIGINS = "see the origin of events"
    CLEAN_UP = "clean up its images"
    REBASE = "rebase its images"
    SET_LIMITS = "set its limits"
    CLEAN_STORE = "clean up the studio's store"


# Above the roles of a workspace: an admin of the studio.
ADMIN = Role.OWNER + 1

# In the catalogue everybody is a reader, and the contributors are its curators.
MINIMUM_ROLE: dict[Right, int] = {
    Right.SEE: Role.READER,
    Right.PULL: Role.READER,
    Right.DEFINE: Role.CONTRIBUTOR,
    Right.BUILD: Role.CONTRIBUTOR,
    Right.REPORT_USES: Role.CONTRIBUTOR,
    Right.SHARE: Role.CONTRIBUTOR,
    Right.TRIAGE: Role.CONTRIBUTOR,
    Right.PROPOSE: Role.CONTRIBUTOR,
    Right.REVIEW: Role.CONTRIBUTOR,
    Right.SEE_CONNECTIONS: Role.CONTRIBUTOR,
    Right.SEE_SETTINGS: Role.CONTRIBUTOR,
    Right.CANCEL_OTHERS: Role.OWNER,
    Right.MOVE_PROTECTED_LABELS: Role.OWNER,
    Right.DECIDE_SHARES: Role.OWNER,
    Right.MANAGE_CONNECTIONS: Role.OWNER,
    Right.MANAGE_MEMBERS: Role.OWNER,
    Right.ACCEPT_RISKS: Role.OWNER,
    Right.MANAGE_POLICY: Role.OWNER,
    Right.MANAGE_SETTINGS: Role.OWNER,
    Right.MANAGE_WEBHOOKS: Role.OWNER,
    Right.SEE_ORIGINS: Role.OWNER,
    Right.CLEAN_UP: Role.OWNER,
    Right.REBASE: Role.OWNER,
    Right.MANAGE_CATALOGUE_POLICY: ADMIN,
    Right.SET_LIMITS: ADMIN,
    Right.CLEAN_STORE: ADMIN,
}


def user_for_token(token: AccessToken) -> User:
    """Return a token's owner, limited to the token's rights in every later check."""
    setattr(token.owner, _AUTHENTICATED_BY, token)
    set_origin_token(str(token))
    return token.owner


def token_used_by(user: User | AnonymousUser) -> AccessToken | None:
    """Return the token that this user was authenticated with; None for a session."""
    return getattr(user, _AUTHENTICATED_BY, None)


def workspaces_of(user: User | AnonymousUser, right: Right = Right.SEE) -> QuerySet[Workspace]:
    """Return the workspaces in which a user has a right. Everybody sees the catalogue too."""
    token = token_used_by(user)
    is_read_right = MINIMUM_ROLE[right] <= Role.READER
    if not user.is_authenticated or (token is not None and token.scope < Scope.WRITE and not is_read_right):
        return Workspace.objects.none()
    catalogue = Q(curated=True) if is_read_right else Q()
    workspaces = Workspace.objects.all()
    if token is not None and token.workspace_id is not None:
        workspaces = workspaces.filter(Q(pk=token.workspace_id) | catalogue)
    if user.is_superuser:
        return workspaces
    own = Q(members__user=user, members__role__gte=MINIMUM_ROLE[right])
    return workspaces.filter(own | catalogue).distinct()


def rights_in(workspace: Workspace | None, user: User | AnonymousUser) -> dict[str, bool]:
    """Return whether a user has each right, by its name in lower case: `may.build` in templates."""
    rank = _rank(role_in(workspace, user), user) if workspace is not None else 0
    return {right.name.lower(): rank >= minimum for right, minimum in MINIMUM_ROLE.items()}


def may(user: User | AnonymousUser, right: Right, workspace: Workspace) -> bool:
    """Return whether a user has a right in a workspace."""
    return _rank(role_in(workspace, user), user) >= MINIMUM_ROLE[right]


def _rank(role: Role | None, user: User | AnonymousUser) -> int:
    """Return a role as a number: 0 for strangers, ADMIN for admins."""
    # With a read-only token, an admin is a reader.
    return ADMIN if role == Role.OWNER and user.is_superuser else role or 0


def role_in(workspace: Workspace, user: User | AnonymousUser) -> Role | None:
    """Return a user's role in a workspace; None for strangers. Admins own everything, everybody reads the catalogue.

    A token limits the role to its scope and to its workspace.
    """
    role = _own_role(workspace, user)
    token = token_used_by(user)
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
    # At most one row: nothing to sort.
    roles = Member.objects.filter(workspace=workspace, user=user).order_by().values_list("role", flat=True)
    role = next(iter(roles), None)
    if role is None:
        return Role.READER if workspace.curated else None
    return Role(role)


RightIn = Callable[[Workspace], Right]
"""Returns the right that a workspace needs."""


def get_workspace(user: Any, name: str, right: Right | RightIn = Right.SEE) -> Workspace:
    """Return the workspace, if this user has the right in it; else raise Http404 or PermissionDenied."""
    workspace = next(iter(Workspace.objects.filter(name=name).order_by()), None)
    role = role_in(workspace, user) if workspace else None
    if workspace is None or role is None:
        raise Http404(f"There is no workspace {name} that you can see.")
    needed_right = right if isinstance(right, Right) else right(workspace)
    minimum = MINIMUM_ROLE[needed_right]
    if _rank(role, user) < minimum:
        needed = "be an admin of the studio" if minimum == ADMIN else f"have the role {Role(minimum).label}"
        raise PermissionDenied(
            f"Your role in {workspace} is {role.label}. To {needed_right.value}, you must {needed}."
        )
    return workspace


def policy_right(workspace: Workspace) -> Right:
    """Return the right to change a workspace's policy: admins decide what the catalogue takes."""
    return Right.MANAGE_CATALOGUE_POLICY if workspace.curated else Right.MANAGE_POLICY


def get_policy_workspace(user: Any, name: str) -> Workspace:
    """Return the workspace, if this user may change its policy."""
    return get_workspace(user, name, policy_right)


def may_change_policy(user: User | AnonymousUser, workspace: Workspace) -> bool:
    """Return whether a user may change a workspace's policy."""
    return may(user, policy_right(workspace), workspace)


def get_environment(user: Any, workspace: str, name: str, right: Right = Right.SEE) -> Environment:
    """Return the environment, if this user has the right in its workspace; an anonymous one has no page of its own."""
    environment = get_workspace(user, workspace, right).environments.named().filter(name=name).first()
    if environment is None:
        raise Http404(f"There is no environment {name} in {workspace}.")
    return environment


def get_version(user: Any, workspace: str, name: str, version: str, right: Right = Right.SEE) -> Version:
    """Return a version by its name, `latest` (rule 31) or a label; an anonymous version by its name only (rule 32)."""
    return version_in(get_workspace(user, workspace, right), name, version)


def version_in(workspace: Workspace, name: str, version: str) -> Version:
    """Return a version of a workspace in which the user's right was checked, as `get_version` does."""
    environment = workspace.environments.filter(name=name).first()
    row = environment.version_called(version) if environment else None
    if environment is None or (environment.anonymous and (row is None or row.version != version)):
        raise Http404(f"There is no environment {name} in {workspace}.")
    if row is None:
        raise Http404(f"{environment} has no version or label {version}.")
    return row


def origins_seen(versions: Collection[Version], user: User | AnonymousUser) -> dict[int, Version]:
    """Return what versions were started from, by their keys, as far as a user who sees these versions sees it too."""
    origins = {version.pk: version.based_on for version in versions if version.based_on is not None}
    homes = {version.environment.workspace_id for version in versions}
    elsewhere = {
        origin.environment.workspace_id
        for origin in origins.values()
        if origin.environment.workspace_id not in homes and not origin.environment.workspace.curated
    }
    if not elsewhere:
        return origins
    hidden = elsewhere - set(workspaces_of(user).filter(pk__in=elsewhere).values_list("pk", flat=True))
    return {key: origin for key, origin in origins.items() if origin.environment.workspace_id not in hidden}


def origins_named(versions: Collection[Version], user: User | AnonymousUser) -> dict[int, Version]:
    """Return the same, with those that the versions were accepted from: a share names its origin to its receivers."""
    seen = origins_seen(versions, user)
    others = {
        version.pk: version.based_on for version in versions if version.pk not in seen and version.based_on
    }
    if not others:
        return seen
    shared = Share.objects.filter(accepted__in=others).values_list("accepted", flat=True)
    return seen | {key: others[key] for key in shared if key is not None}


def get_catalogue(user: Any, name: str, right: Right) -> Workspace:
    """Return the catalogue, if it has this name and the user has the right in it."""

    def right_in(workspace: Workspace) -> Right:
        if not workspace.curated:
            raise Http404(f"{workspace} is not the catalogue.")
        return right

    return get_workspace(user, name, right_in)


def get_proposals_workspace(user: Any, name: str) -> Workspace:
    """Return the catalogue for its reviewers, or a workspace for the members who propose from it."""
    return get_workspace(user, name, lambda workspace: Right.REVIEW if workspace.curated else Right.PROPOSE)


def get_proposal(user: Any, workspace: str, number: int) -> Proposal:
    """Return a proposal: to reviewers in the catalogue, to its authors in their workspace."""
    origin = get_proposals_workspace(user, workspace)
    proposals = Proposal.objects.filter(pk=number) if number < 2**63 else Proposal.objects.none()
    if not origin.curated:
        proposals = proposals.filter(environment__workspace=origin)
    proposal = proposals.select_related("version__environment__workspace", "version__created_by").first()
    if proposal is None:
        raise Http404(f"There is no proposal {number} in {origin}.")
    return proposal


def get_share(user: Any, workspace: str, number: int, right: Right) -> Share:
    """Return a share: with the right to decide that of the receivers, else that of the senders."""
    owner = get_workspace(user, workspace, right)
    side = "target" if right == Right.DECIDE_SHARES else "workspace"
    rows = Share.objects.filter(**{side: owner}) if number < 2**63 else Share.objects.none()
    row = (
        rows.select_related(
            "workspace", "target", "version__environment__workspace", "shared_by", "accepted__environment"
        )
        .filter(pk=number)
        .first()
    )
    if row is None:
        raise Http404(f"There is no share {number} in {owner}.")
    return row
