"""Telling people of something: written in the caller's transaction, mailed by a worker after the commit.

    tell([author], NoticeKind.PROPOSAL, "forecast:3 is approved", "By ann: “Good.”", address="/w/curated/…")

Either what happened and its notices are both there, or neither; a worker that dies loses none.
"""

from collections.abc import Iterable

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now

from environments.models import record
from environments.outbox import Notice, NoticeChoice, NoticeKind, Sending

LONGEST_SUBJECT = 400
LONGEST_ADDRESS = 800


def tell(
    people: Iterable[User], kind: NoticeKind, subject: str, text: str = "", *, address: str = ""
) -> list[Notice]:
    """Write a notice to each of these people who wants to be told of this kind; return them.

    `address` is the path of the page where they see it. Nobody is told twice; closed accounts are not told.
    """
    asked = {user.pk: user for user in people if user.is_active}
    choices = {row.user_id: row for row in NoticeChoice.objects.filter(user__in=asked)}
    rows = []
    for user in asked.values():
        choice = choices.get(user.pk) or NoticeChoice(user=user)
        if not choice.wants(kind):
            continue
        row = Notice(
            user=user,
            kind=kind,
            subject=" ".join(subject.split())[:LONGEST_SUBJECT],
            text=text,
            address=address[:LONGEST_ADDRESS],
        )
        if choice.by_mail and user.email and mail_is_set_up():
            row.state, row.next_at = Sending.WAITING, Now()
        rows.append(row)
    return Notice.objects.bulk_create(rows)


def mail_is_set_up() -> bool:
    """Whether this studio can send e-mail at all."""
    return settings.EMAIL_BACKEND != "django.core.mail.backends.dummy.EmailBackend"


def choice_of(user: User) -> NoticeChoice:
    """Return what a person wants to be told of; what is usual, where they have chosen nothing."""
    return NoticeChoice.objects.filter(user=user).first() or NoticeChoice(user=user)


@transaction.atomic
def choose(user: User, *, email: str, by_mail: bool, kinds: set[str]) -> None:
    """Keep what a person wants to be told of, whether by e-mail, and at which address."""
    choice = choice_of(user)
    before = _chosen(user, choice)
    choice.by_mail, choice.kinds = by_mail, {kind.value: kind in kinds for kind in NoticeKind}
    choice.save()
    if user.email != email:
        user.email = email
        user.save(update_fields=["email"])
    after = _chosen(user, choice)
    record(
        "person.notifications", user.get_username(), workspace=None, actor=user, before=before, after=after
    )


def _chosen(user: User, choice: NoticeChoice) -> dict[str, object]:
    wanted = [kind.value for kind in NoticeKind if choice.wants(kind)]
    return {"email": user.email, "by_mail": choice.by_mail, "kinds": wanted}
