"""Share versions with other workspaces: send, withdraw, accept, decline.

A sender learns nothing of a workspace but what its owners decide: sending to one that does not exist gives the same
answers, and stays undecided; so does what is sent to one that receives nothing. `builds.review.sharing` adds the image.
"""

import re

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from environments.audit.record import record
from environments.definition.findings.naming import name_problem
from environments.errors import ConflictError, ServiceError
from environments.models import CATALOGUE, Environment, Role, Version, Workspace
from environments.models.notifications import NoticeKind
from environments.models.shares import Share, ShareState
from environments.notifications.notices import notify
from environments.request_origin import recording_origin
from environments.versions.copies import copy_version
from environments.versions.service import check_named

MAX_WAITING = 100  # of a workspace's shares
MAX_MESSAGE_LENGTH = 2_000
_WORKSPACE = re.compile(r"(?=.{1,63}\Z)[a-z0-9]+(?:-[a-z0-9]+)*")


def share(version: Version, to: str, by: User, *, digest: str, name: str = "", message: str = "") -> Share:
    """Send a version to the workspace of this name; its image is `digest`. Raises ServiceError.

    What is refused depends on the sender's side and on the typed name alone.
    """
    workspace, name, message = version.environment.workspace, name.strip(), message.strip()
    _check_version(version)
    _check_typed(workspace, to, name, message)
    try:
        with transaction.atomic():
            # Concurrent shares of the workspace wait here for the count.
            Workspace.objects.select_for_update().get(pk=workspace.pk)
            if workspace.sent_shares.filter(state=ShareState.WAITING).count() >= MAX_WAITING:
                raise ConflictError(
                    "too-many-shares",
                    f"{MAX_WAITING} shares of {workspace} are undecided.",
                    "Withdraw some of them first.",
                )
            row = Share.objects.create(
                workspace=workspace,
                version=version,
                digest=digest,
                to=to,
                target=Workspace.objects.filter(name=to, curated=False, receives_shares=True).first(),
                name=name or version.environment.name,
                message=message,
                shared_by=by,
            )
            _record_sent("share.sent", row, by)
            if row.target is not None:
                _record_received("share.received", row, by)
                _notify_owners(row, by)
    except IntegrityError:
        if not Share.objects.filter(version=version, to=to, state=ShareState.WAITING).exists():
            raise
        raise ConflictError(
            "shared-already",
            f"{version} is shared with {to} already, and undecided.",
            "Withdraw that share first.",
        ) from None
    return row


def withdraw(row: Share, by: User) -> None:
    """Take back an undecided share. Raises ConflictError if it is decided."""
    with transaction.atomic():
        _decide(row, ShareState.WITHDRAWN, by)
        if row.target is not None:
            _record_received("share.withdrawn", row, by)
        _record_sent("share.withdrawn", row, by)


def decline(row: Share, by: User) -> None:
    """Decline a received share: nothing is saved. Raises ConflictError if it is decided."""
    with transaction.atomic():
        _decide(row, ShareState.DECLINED, by)
        _record_received("share.declined", row, by, own=True)
        _report(row, "share.refused", f"{row.to} declined {row.version}")


def accept(row: Share, by: User, *, name: str = "", version: str = "") -> Version:
    """Save a received version as the given or the next version of `name` in the receiving workspace, and return it.

    Raises ServiceError; the share is then as it was.
    """
    name = name.strip() or row.name
    with transaction.atomic():
        _decide(row, ShareState.ACCEPTED, by)
        target = row.target
        assert target is not None  # noqa: S101 (for the type checker: what is received has a target)
        archived = target.environments.named().filter(name=name, archived_at__isnull=False)
        if archived.exists():
            raise ConflictError(
                "environment-archived",
                f"{name} is archived in {target}, and gets no new versions.",
                "Choose another name, or restore it.",
            )
        row.accepted = copy_version(row.version, target, name, user=by, version=version).version
        row.save(update_fields=["accepted"])
        _record_received("share.accepted", row, by, own=True, saved_as=str(row.accepted))
        _report(row, "share.confirmed", f"{row.to} accepted {row.version}")
    return row.accepted


def received_by(workspace: Workspace) -> QuerySet[Share]:
    """Return what was sent to a workspace, newest first."""
    return _whole(Share.objects.filter(target=workspace))


def sent_by(workspace: Workspace) -> QuerySet[Share]:
    """Return what a workspace has sent, newest first."""
    return _whole(Share.objects.filter(workspace=workspace))


def _whole(rows: QuerySet[Share]) -> QuerySet[Share]:
    related = (
        "workspace",
        "target",
        "version__environment__workspace",
        "shared_by",
        "decided_by",
        "accepted",
    )
    rows = rows.select_related(*related, "accepted__environment")
    heavy = ("version__data", "version__source", "accepted__data", "accepted__source")
    return rows.defer(*heavy).order_by("-pk")


def origin_of(version: Version) -> Share | None:
    """Return the share that a version was accepted from; None for all others."""
    return version.accepted_from.select_related("workspace", "version__environment", "shared_by").first()


def _check_version(version: Version) -> None:
    if version.environment.workspace.curated:
        raise ConflictError("curated-already", f"{version} is in the catalogue: every workspace has it.")
    check_named(version)
    if version.archived_at is not None:
        raise ConflictError(
            "version-archived", f"{version} is archived.", "Restore it, or share another version."
        )


def _check_typed(workspace: Workspace, to: str, name: str, message: str) -> None:
    if not _WORKSPACE.fullmatch(to):
        raise ServiceError(
            "workspace-invalid",
            "This isn't the name of a workspace.",
            "Write the name in its address: lower-case letters, digits and single “-”.",
        )
    if to == workspace.name:
        raise ServiceError(
            "same-workspace", f"{workspace} has this version already.", "Choose another workspace."
        )
    if to == CATALOGUE:
        raise ServiceError("catalogue", "Versions reach the catalogue by review.", "Propose it instead.")
    problem = name_problem(name) if name else None
    if problem is not None:
        raise ServiceError(problem.code, problem.message, problem.help)
    if len(message) > MAX_MESSAGE_LENGTH:
        raise ServiceError(
            "message-too-long",
            f"This message has {len(message):,} characters; the limit is {MAX_MESSAGE_LENGTH:,}.",
        )


def _decide(row: Share, state: ShareState, by: User) -> None:
    """Move an undecided share to a state: of several decisions at once, one wins. Raises ConflictError."""
    now = timezone.now()
    undecided = Share.objects.filter(pk=row.pk, state=ShareState.WAITING)
    if not undecided.update(state=state, decided_by=by, decided_at=now):
        row.refresh_from_db(fields=["state"])
        raise ConflictError("decided", f"This share is {row.state} already.", "Reload the page.")
    row.state, row.decided_by, row.decided_at = state, by, now


def _record_sent(verb: str, row: Share, by: User | None) -> None:
    record(
        verb,
        str(row.version),
        workspace=row.workspace,
        environment=row.version.environment,
        actor=by,
        label=row.to,
        share=row.pk,
    )


def _record_received(verb: str, row: Share, by: User, *, own: bool = False, saved_as: str = "") -> None:
    """Record an event of the receivers; what others did has no origin there, which is the senders' own."""
    environment = row.accepted.environment if row.accepted is not None else None
    if own:
        record(
            verb,
            saved_as or row.origin,
            workspace=row.target,
            environment=environment,
            actor=by,
            label=row.origin,
            share=row.pk,
        )
        return
    with recording_origin("", ""):
        record(verb, row.origin, workspace=row.target, actor=by, label=row.origin, share=row.pk)


def _report(row: Share, verb: str, subject: str) -> None:
    """Record a decision for the senders, and notify the person who shared. Neither names who decided."""
    with recording_origin("", ""):
        _record_sent(verb, row, None)
    if row.shared_by is not None:
        address = f"{reverse('environments:settings', args=[row.workspace.name])}?tab=sharing"
        notify([row.shared_by], NoticeKind.SHARE, subject, address=address, own=True)


def _notify_owners(row: Share, by: User) -> None:
    owners = User.objects.filter(memberships__workspace=row.target, memberships__role=Role.OWNER)
    address = reverse("share", args=[row.to, row.pk])
    subject = f"{by} shares {row.origin} with {row.to}"
    notify(owners.exclude(pk=by.pk), NoticeKind.SHARE, subject, row.message, address=address)


def environment_named(workspace: Workspace, name: str) -> Environment | None:
    """Return the environment that an accepted version would become the next version of, if there is any."""
    return workspace.environments.named().filter(name=name).first()
