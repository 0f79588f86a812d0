"""Notices: who is told of what, written with what happened, and mailed to those who want that."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from pytest_django import Settings

from environments.notices import tell
from environments.outbox import Notice, NoticeChoice, NoticeKind, Sending
from studio.configuration import read_mail_server
from tests.builds.played import person

pytestmark = pytest.mark.django_db


def test_each_is_told_once_and_only_of_what_they_want() -> None:
    """No e-mail without an address, nothing at all to those who want none of this kind or whose account is closed."""
    ann, ben, cleo, dan = (person(name) for name in ("ann", "ben", "cleo", "dan"))
    for user in (ann, ben, dan):
        user.email = f"{user}@example.com"
        user.save()
    NoticeChoice.objects.create(user=ben, by_mail=False)
    NoticeChoice.objects.create(user=dan, kinds={"proposal": False})
    closed = person("closed")
    closed.is_active = False

    tell([ann, ben, cleo, dan, closed, ann], NoticeKind.PROPOSAL, "forecast:1\nis approved", "Good.")

    told = {row.user.username: (row.state, row.subject) for row in Notice.objects.all()}
    assert told == {
        "ann": (Sending.WAITING, "forecast:1 is approved"),
        "ben": (Sending.NOT_SENT, "forecast:1 is approved"),
        "cleo": (Sending.NOT_SENT, "forecast:1 is approved"),
    }
    assert Notice.objects.count() == 3


def test_what_is_undone_is_told_to_nobody() -> None:
    ann = person("ann")
    with transaction.atomic():
        tell([ann], NoticeKind.DEPRECATION, "base is deprecated")
        transaction.set_rollback(True)
    assert not Notice.objects.exists()


def test_without_a_mail_server_no_mail_waits(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    ann = person("ann")
    ann.email = "ann@example.com"
    tell([ann], NoticeKind.BUILD_FAILED, "forecast:1 failed")
    assert Notice.objects.get().state == Sending.NOT_SENT


def test_the_mail_server_is_read_from_one_address() -> None:
    told = read_mail_server("smtp+tls://robot:p%40ss@mail.example.com")
    assert (told["EMAIL_HOST"], told["EMAIL_PORT"], told["EMAIL_USE_TLS"]) == ("mail.example.com", 587, True)
    assert (told["EMAIL_HOST_USER"], told["EMAIL_HOST_PASSWORD"]) == ("robot", "p@ss")
    for wrong in (
        "mail.example.com:25",
        "http://mail.example.com",
        "smtp://",
        "smtp://h:x",
        "smtp://h/?tls=1",
    ):
        with pytest.raises(ImproperlyConfigured, match="STUDIO_MAIL_SERVER cannot be read"):
            read_mail_server(wrong)
