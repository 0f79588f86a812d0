"""Notices for users: written in the caller's transaction, mailed by a worker after the commit.

    notify([author], NoticeKind.PROPOSAL, "forecast:3 is approved", "By ann: “Good.”", address="/w/curated/…")

A change and its notices are committed together; a worker that dies loses none.
"""

from collections.abc import Iterable

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now

from environments.audit.record import record
from environments.models.notifications import DeliveryState, Notice, NoticeKind, NoticePreferences

MAX_SUBJECT_LENGTH = 400
MAX_ADDRESS_LENGTH = 800


def notify(
    people: Iterable[User],
    kind: NoticeKind,
    subject: str,
    text: str = "",
    *,
    address: str = "",
    own: bool = False,
) -> list[Notice]:
    """Create a notice for each active user who wants this kind; return the notices.

    `address` is the path of the page about it; `own`: they started what it is about. A user who is given twice gets
    one notice.
    """
    recipients = {user.pk: user for user in people if user.is_active}
    choices = {row.user_id: row for row in NoticePreferences.objects.filter(user__in=recipients)}
    rows = []
    for user in recipients.values():
        choice = choices.get(user.pk) or NoticePreferences(user=user)
        if not choice.wants(kind):
            continue
        row = Notice(
            user=user,
            kind=kind,
            subject=" ".join(subject.split())[:MAX_SUBJECT_LENGTH],
            text=text,
            address=address[:MAX_ADDRESS_LENGTH],
            own=own,
        )
        if choice.wants_mail(kind) and user.email and mail_is_set_up():
            row.state, row.next_at = DeliveryState.WAITING, Now()
        rows.append(row)
    return Notice.objects.bulk_create(rows)


def mail_is_set_up() -> bool:
    """Return whether this studio can send e-mail."""
    return settings.EMAIL_BACKEND != "django.core.mail.backends.dummy.EmailBackend"


def preferences_of(user: User) -> NoticePreferences:
    """Return a user's preferences, or the defaults."""
    return NoticePreferences.objects.filter(user=user).first() or NoticePreferences(user=user)


@transaction.atomic
def save_preferences(
    user: User, *, email: str, by_mail: bool, kinds: set[str], mailed_kinds: set[str]
) -> None:
    """Save the kinds of notices that a user wants, and which of them are mailed, and where."""
    choice = preferences_of(user)
    before = _as_fields(user, choice)
    choice.by_mail = by_mail
    choice.kinds = {kind.value: kind in kinds for kind in NoticeKind}
    choice.mailed_kinds = {kind.value: kind in mailed_kinds for kind in NoticeKind}
    choice.save()
    if user.email != email:
        user.email = email
        user.save(update_fields=["email"])
    after = _as_fields(user, choice)
    record(
        "person.notifications", user.get_username(), workspace=None, actor=user, before=before, after=after
    )


def _as_fields(user: User, choice: NoticePreferences) -> dict[str, object]:
    wanted = [kind.value for kind in NoticeKind if choice.wants(kind)]
    mailed = [kind.value for kind in NoticeKind if choice.wants_mail(kind)]
    return {"email": user.email, "by_mail": choice.by_mail, "kinds": wanted, "mailed": mailed}
