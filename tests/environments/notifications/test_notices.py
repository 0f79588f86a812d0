"""Notices: their recipients, committed with the change, and mailed on request."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from pytest_django import Settings

from environments.models.notifications import DeliveryState, Notice, NoticeKind, NoticePreferences
from environments.notifications.notices import notify
from studio.configuration import read_mail_server
from tests.builds.scenarios import person

pytestmark = pytest.mark.django_db


def test_each_user_gets_one_notice_of_wanted_kinds_only() -> None:
    """No e-mail without an address, nothing at all to those who want none of this kind or whose account is closed."""
    ann, ben, cleo, dan = (person(name) for name in ("ann", "ben", "cleo", "dan"))
    for user in (ann, ben, dan):
        user.email = f"{user}@example.com"
        user.save()
    NoticePreferences.objects.create(user=ben, by_mail=False)
    NoticePreferences.objects.create(user=dan, kinds={"proposal": False})
    closed = person("closed")
    closed.is_active = False

    notify([ann, ben, cleo, dan, closed, ann], NoticeKind.PROPOSAL, "forecast:1\nis approved", "Good.")

    result = {row.user.username: (row.state, row.subject) for row in Notice.objects.all()}
    assert result == {
        "ann": (DeliveryState.WAITING, "forecast:1 is approved"),
        "ben": (DeliveryState.NOT_SENT, "forecast:1 is approved"),
        "cleo": (DeliveryState.NOT_SENT, "forecast:1 is approved"),
    }
    assert Notice.objects.count() == 3


def test_a_rolled_back_change_sends_no_notice() -> None:
    ann = person("ann")
    with transaction.atomic():
        notify([ann], NoticeKind.DEPRECATION, "base is deprecated")
        transaction.set_rollback(True)
    assert not Notice.objects.exists()


def test_without_a_mail_server_no_mail_waits(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    ann = person("ann")
    ann.email = "ann@example.com"
    notify([ann], NoticeKind.BUILD_FAILED, "forecast:1 failed")
    assert Notice.objects.get().state == DeliveryState.NOT_SENT


def test_the_mail_server_is_read_from_one_address() -> None:
    result = read_mail_server("smtp+tls://robot:p%40ss@mail.example.com")
    assert (result["EMAIL_HOST"], result["EMAIL_PORT"], result["EMAIL_USE_TLS"]) == (
        "mail.example.com",
        587,
        True,
    )
    assert (result["EMAIL_HOST_USER"], result["EMAIL_HOST_PASSWORD"]) == ("robot", "p@ss")
    for wrong in (
        "mail.example.com:25",
        "http://mail.example.com",
        "smtp://",
        "smtp://h:x",
        "smtp://h/?tls=1",
    ):
        with pytest.raises(ImproperlyConfigured, match="STUDIO_MAIL_SERVER cannot be read"):
            read_mail_server(wrong)
