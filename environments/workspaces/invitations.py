"""Invitations: links that make their first user a member of a workspace, shown once and stored as a digest."""

import hashlib
import re
import secrets
from datetime import timedelta
from http import HTTPStatus

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from environments.access import Right, may
from environments.audit.record import record
from environments.errors import ServiceError
from environments.models import Invitation, Member, Role, Workspace

VALID_FOR = timedelta(days=7)
MOST_OPEN = 100  # unused links of a workspace
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


class InvitationRefused(ServiceError):
    """An invitation that cannot be created or accepted."""

    status = HTTPStatus.CONFLICT


@transaction.atomic
def create_invitation(workspace: Workspace, role: Role, by: User) -> tuple[Invitation, str]:
    """Create an invitation; return its row and its secret, which cannot be shown again. Raises InvitationRefused."""
    Workspace.objects.select_for_update().get(pk=workspace.pk)
    if open_invitations(workspace).count() >= MOST_OPEN:
        raise InvitationRefused(
            "too-many-invitations",
            f"{workspace.title} has {MOST_OPEN} unused invitations.",
            "Revoke some of them first.",
        )
    secret = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        workspace=workspace,
        role=role,
        digest=_digest(secret),
        created_by=by,
        expires_at=timezone.now() + VALID_FOR,
    )
    record("invitation.created", str(role.label), workspace=workspace, actor=by, after={"role": role.label})
    return invitation, secret


def open_invitations(workspace: Workspace) -> QuerySet[Invitation]:
    """Return the invitations of a workspace that are neither used nor expired, newest first."""
    rows = Invitation.objects.filter(workspace=workspace, used_at=None, expires_at__gt=timezone.now())
    return rows.select_related("created_by")


def find_invitation(secret: str) -> Invitation | None:
    """Return the invitation that can still be accepted; None if it is used, expired, revoked or forged.

    It lasts no longer than its author's right to manage members: the link of a former owner admits nobody.
    """
    if not _SECRET.fullmatch(secret):
        return None
    rows = Invitation.objects.select_related("workspace", "created_by")
    row = rows.filter(digest=_digest(secret), used_at=None, expires_at__gt=timezone.now()).first()
    if row is None or not row.created_by.is_active:
        return None
    return row if may(row.created_by, Right.MANAGE_MEMBERS, row.workspace) else None


@transaction.atomic
def accept_invitation(invitation: Invitation, user: User) -> Member:
    """Make the user a member and use the invitation up; a member keeps a higher role. Raises InvitationRefused."""
    Workspace.objects.select_for_update().get(pk=invitation.workspace_id)
    # Two people who open the same link: the first to accept joins.
    unused = Invitation.objects.filter(pk=invitation.pk, used_at=None)
    if not unused.update(used_at=timezone.now(), used_by=user):
        raise InvitationRefused(
            "invitation-used", "This invitation was just used.", "Request a new link from an owner."
        )
    workspace, role = invitation.workspace, Role(invitation.role)
    member = Member.objects.filter(workspace=workspace, user=user).first()
    name = user.get_username()
    if member is None:
        member = Member.objects.create(workspace=workspace, user=user, role=role)
        record("member.joined", name, workspace=workspace, actor=user, after={"role": role.label})
    elif member.role < role:
        before = {"role": Role(member.role).label}
        member.role = role
        member.save(update_fields=["role"])
        record(
            "member.joined", name, workspace=workspace, actor=user, before=before, after={"role": role.label}
        )
    return member


@transaction.atomic
def revoke_invitation(invitation: Invitation, by: User) -> None:
    """Delete an unused invitation: its link stops working. One that was just used stays."""
    deleted, _ = Invitation.objects.filter(pk=invitation.pk, used_at=None).delete()
    if deleted:
        role = Role(invitation.role).label
        record("invitation.revoked", role, workspace=invitation.workspace, actor=by, before={"role": role})


def _digest(secret: str) -> str:
    # The secret is long and random: it cannot be guessed, so a fast hash is enough.
    return hashlib.sha256(secret.encode()).hexdigest()
