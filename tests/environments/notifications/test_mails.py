"""Mails of notices, through a real mail server: at least once, despite its failures, and as users choose."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from environments.models import Event
from environments.models.notifications import (
    RETRY_DELAYS,
    DeliveryState,
    Notice,
    NoticeKind,
    NoticePreferences,
)
from environments.notifications.delivery import send_next_mail
from environments.notifications.notices import notify
from studio.operations import metrics
from studio.operations.checks import outside
from studio.operations.finding import Level
from tests.builds.scenarios import browser_of, person
from tests.environments.notifications.receiving import Mailbox, mail_server

pytestmark = pytest.mark.django_db
PAGE = "/account/notifications/"


@pytest.fixture
def ann() -> User:
    user = person("ann")
    user.email = "ann@example.com"
    user.save()
    return user


@pytest.fixture
def port(settings: Settings) -> int:
    """The port that mail is sent to; nobody listens there yet."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.PUBLIC_URL, settings.DEFAULT_FROM_EMAIL = "https://studio.example.com", "studio@example.com"
    return port


@pytest.fixture
def mailbox(port: int) -> Iterator[Mailbox]:
    box = Mailbox()
    with mail_server(box, port):
        yield box


def waiting_notice(user: User, subject: str = "The build of forecast:3 in lab failed") -> Notice:
    (notice,) = notify(
        [user], NoticeKind.BUILD_FAILED, subject, "There is no package “nunpy”.", address="/w/lab/builds/1/"
    )
    return notice


def later() -> None:
    Notice.objects.filter(state=DeliveryState.WAITING).update(next_at=Now() - timedelta(seconds=1))


def test_a_mail_says_what_happened_and_where(ann: User, mailbox: Mailbox) -> None:
    notice = waiting_notice(ann)
    assert send_next_mail()
    assert not send_next_mail()
    ((people, text),) = mailbox.got
    assert people == ["ann@example.com"]
    assert "Subject: The build of forecast:3 in lab failed" in text
    assert "From: studio@example.com" in text
    assert "https://studio.example.com/w/lab/builds/1/" in text
    assert f"Message-ID: <notice-{notice.pk}@studio.example.com>" in text
    notice.refresh_from_db()
    assert (notice.state, notice.attempts) == (DeliveryState.SENT, 1)


def test_a_mail_server_that_is_away_gets_it_when_it_is_back(ann: User, port: int) -> None:
    notice = waiting_notice(ann)
    assert send_next_mail()
    notice.refresh_from_db()
    assert notice.state == DeliveryState.WAITING
    assert "did not take it" in notice.problem
    assert not send_next_mail()
    box = Mailbox()
    with mail_server(box, port):
        later()
        assert send_next_mail()
    assert len(box.got) == 1
    notice.refresh_from_db()
    assert (notice.state, notice.problem) == (DeliveryState.SENT, "")


def test_an_address_that_nobody_has_is_given_up_at_once_a_full_one_later(ann: User, mailbox: Mailbox) -> None:
    mailbox.refused = "452 mailbox full"
    notice = waiting_notice(ann)
    for _ in range(len(RETRY_DELAYS)):
        later()
        send_next_mail()
    notice.refresh_from_db()
    assert notice.state == DeliveryState.WAITING
    later()
    send_next_mail()
    notice.refresh_from_db()
    assert notice.state == DeliveryState.GIVEN_UP

    mailbox.refused = "550 nobody here"
    second = waiting_notice(ann)
    send_next_mail()
    second.refresh_from_db()
    assert (second.state, second.attempts) == (DeliveryState.GIVEN_UP, 1)
    assert "550" in second.problem
    page = browser_of(ann).get(PAGE).content.decode()
    assert "The e-mail couldn't be sent." in page


def test_what_a_worker_had_begun_when_it_died_is_sent_by_the_next(
    ann: User, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice = waiting_notice(ann)
    monkeypatch.setattr("environments.notifications.delivery._mail", die)
    with pytest.raises(SystemExit):
        send_next_mail()
    monkeypatch.undo()
    assert not send_next_mail()  # it may be alive: its time is not over
    later()
    assert send_next_mail()
    assert f"notice-{notice.pk}@" in mailbox.got[0][1]


def die(_: Notice) -> None:
    raise SystemExit


def test_who_has_gone_or_has_no_address_any_more_is_not_mailed(ann: User, mailbox: Mailbox) -> None:
    waiting_notice(ann)
    User.objects.filter(pk=ann.pk).update(is_active=False)
    assert send_next_mail()
    assert mailbox.got == []
    assert Notice.objects.get().state == DeliveryState.NOT_SENT


def test_a_subject_cannot_bring_headers_along(ann: User, mailbox: Mailbox) -> None:
    waiting_notice(ann, "forecast\r\nBcc: all@example.com")
    assert send_next_mail()
    assert mailbox.got[0][0] == ["ann@example.com"]
    assert "\nBcc:" not in mailbox.got[0][1]


# The page


def test_users_choose_their_notices_and_the_address() -> None:
    ann = person("ann")
    browser = browser_of(ann)
    assert "No notifications yet" in browser.get(PAGE).content.decode()
    sent = {
        "email": "ann@example.org",
        "by_mail": "on",
        "kinds": ["build-succeeded", "proposal"],
        "mailed": ["proposal", "deprecation"],
    }
    assert "Notification settings saved" in browser.post(PAGE, sent, follow=True).content.decode()
    ann.refresh_from_db()
    assert ann.email == "ann@example.org"
    choice = NoticePreferences.objects.get()
    assert [kind.value for kind in NoticeKind if choice.wants(kind)] == ["build-succeeded", "proposal"]
    assert [kind.value for kind in NoticeKind if choice.wants_mail(kind)] == ["proposal"]
    assert notify([ann], NoticeKind.BUILD_FAILED, "x") == []
    assert notify([ann], NoticeKind.BUILD_SUCCEEDED, "x")[0].state == DeliveryState.NOT_SENT
    assert (
        notify([ann], NoticeKind.PROPOSAL, "<b>x</b>", address="/w/curated/")[0].state
        == DeliveryState.WAITING
    )
    assert "&lt;b&gt;x" in browser.get(PAGE).content.decode()
    event = Event.objects.get(verb="person.notifications")
    assert event.before is not None
    assert event.before["email"] == ""


@pytest.mark.parametrize("wrong", [{"email": "nonsense\0"}, {"by_mail": "on"}, {"kinds": ["weather"]}])
def test_what_cannot_be_kept_is_refused(wrong: dict[str, str]) -> None:
    ann = person("ann")
    assert browser_of(ann).post(PAGE, wrong).status_code == 422
    assert not NoticePreferences.objects.exists()


def test_nobody_sees_notices_of_others(ann: User) -> None:
    waiting_notice(ann)
    page = browser_of(person("ben")).get(PAGE).content.decode()
    assert "forecast:3" not in page
    assert Notice.objects.get().created_at <= timezone.now()


def test_the_doctor_says_whether_the_mail_server_is_there(port: int, settings: Settings) -> None:
    (gone,) = outside.mail()
    assert gone.level == Level.WRONG
    assert "STUDIO_MAIL_SERVER" in gone.help
    with mail_server(Mailbox(), port):
        assert [finding.level for finding in outside.mail()] == [Level.OK]
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert "No mail server" in next(outside.mail()).message


def test_what_waits_to_be_sent_is_counted(ann: User) -> None:
    waiting_notice(ann)
    values = {
        sample.labels["what"]: sample.value
        for family in metrics.now()
        for sample in family.samples
        if sample.name == "studio_outbox_waiting"
    }
    assert values == {"mails": 1.0, "webhooks": 0.0}
