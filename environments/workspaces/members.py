"""Members of a workspace: who is let in, with which role, and who goes."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction

from environments.models import Member, Role, Workspace, record
from environments.services import Refused


class MemberRefused(Refused):
    """A change of members that cannot be made."""


@dataclass(frozen=True)
class Kept:
    """The member, and whether they are one only now (`added`)."""

    member: Member
    added: bool


@transaction.atomic
def keep_member(workspace: Workspace, name: str, role: Role, by: User) -> Kept:
    """Give a person a role in a workspace, whether they are a member already or not. Raises MemberRefused."""
    _wait_for_turn(workspace)
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None:
        raise MemberRefused(
            "no-such-person",
            f"There is nobody called {name[:150]} in this studio.",
            "Whoever runs it adds people; those who sign in through a provider are there after the first time.",
        )
    member = Member.objects.filter(workspace=workspace, user=user).first()
    if member is None:
        member = Member.objects.create(workspace=workspace, user=user, role=role)
        record("member.added", name, workspace=workspace, actor=by, after={"role": role.label})
        return Kept(member, added=True)
    if member.role != role:
        _leave_an_owner(member)
        before, after = {"role": Role(member.role).label}, {"role": role.label}
        member.role = role
        member.save(update_fields=["role"])
        record("member.changed", name, workspace=workspace, actor=by, before=before, after=after)
    return Kept(member, added=False)


@transaction.atomic
def remove_member(workspace: Workspace, name: str, by: User) -> None:
    """Take a person out of a workspace. What they made stays. Raises MemberRefused, and Member.DoesNotExist."""
    _wait_for_turn(workspace)
    member = Member.objects.select_related("user").get(workspace=workspace, user__username=name)
    _leave_an_owner(member)
    verb = "member.left" if member.user_id == by.pk else "member.removed"
    member.delete()
    before = {"role": Role(member.role).label}
    record(verb, name, workspace=workspace, actor=by, before=before)


def _wait_for_turn(workspace: Workspace) -> None:
    # Two owners who each take the other's role away at once: the second finds that it was the last one.
    Workspace.objects.select_for_update().get(pk=workspace.pk)


def _leave_an_owner(member: Member) -> None:
    owners = Member.objects.filter(workspace=member.workspace_id, role=Role.OWNER, user__is_active=True)
    if member.role == Role.OWNER and not owners.exclude(pk=member.pk).exists():
        raise MemberRefused(
            "last-owner",
            f"{member.user} is the last owner of this workspace.",
            "Make somebody else an owner first.",
        )
