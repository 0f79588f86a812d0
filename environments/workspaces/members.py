"""Members of a workspace and their roles."""

from dataclasses import dataclass
from http import HTTPStatus

from django.contrib.auth.models import User
from django.db import transaction

from environments.audit.record import record
from environments.errors import ServiceError
from environments.models import Member, Role, Workspace

MOST_SUGGESTED = 200


class MemberRefused(ServiceError):
    """A change of members that cannot be made."""


class LastOwner(MemberRefused):
    """A workspace keeps at least one owner."""

    status = HTTPStatus.CONFLICT


@dataclass(frozen=True)
class MembershipChange:
    """The member, and whether they are new (`added`)."""

    member: Member
    added: bool


@transaction.atomic
def set_member_role(workspace: Workspace, name: str, role: Role, by: User) -> MembershipChange:
    """Add a member with a role, or change a member's role. Raises MemberRefused."""
    _lock(workspace)
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None:
        raise MemberRefused(
            "no-such-person",
            f"No user “{name[:150]}”.",
            "Invite them by link, ask an admin to add them, or have them sign in once.",
        )
    member = Member.objects.filter(workspace=workspace, user=user).first()
    if member is None:
        member = Member.objects.create(workspace=workspace, user=user, role=role)
        record("member.added", name, workspace=workspace, actor=by, after={"role": role.label})
        return MembershipChange(member, added=True)
    if member.role != role:
        _check_not_last_owner(member)
        before, after = {"role": Role(member.role).label}, {"role": role.label}
        member.role = role
        member.save(update_fields=["role"])
        record("member.changed", name, workspace=workspace, actor=by, before=before, after=after)
    return MembershipChange(member, added=False)


@transaction.atomic
def remove_member(workspace: Workspace, name: str, by: User) -> None:
    """Remove a member; their work stays. Raises MemberRefused, and Member.DoesNotExist."""
    _lock(workspace)
    member = Member.objects.select_related("user").get(workspace=workspace, user__username=name)
    _check_not_last_owner(member)
    verb = "member.left" if member.user_id == by.pk else "member.removed"
    member.delete()
    before = {"role": Role(member.role).label}
    record(verb, name, workspace=workspace, actor=by, before=before)


def people_known_to(user: User, workspace: Workspace) -> list[str]:
    """Return the user names to suggest as members: those who share a workspace with the user; all, to an admin."""
    known = User.objects.filter(is_active=True).exclude(memberships__workspace=workspace)
    if not user.is_superuser:
        shared = Member.objects.filter(user=user).values("workspace")
        known = known.filter(memberships__workspace__in=shared)
    return list(known.order_by("username").values_list("username", flat=True).distinct()[:MOST_SUGGESTED])


def _lock(workspace: Workspace) -> None:
    # Two owners who remove each other at the same time: the second request is refused.
    Workspace.objects.select_for_update().get(pk=workspace.pk)


def _check_not_last_owner(member: Member) -> None:
    owners = Member.objects.filter(workspace=member.workspace_id, role=Role.OWNER, user__is_active=True)
    if member.role == Role.OWNER and not owners.exclude(pk=member.pk).exists():
        raise LastOwner(
            "last-owner",
            f"{member.user} is the last owner of this workspace.",
            "Make someone else an owner first.",
        )
