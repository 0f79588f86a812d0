"""The outbox under several workers at once, on both databases: everything is sent, and nothing twice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from environments.audit.record import record
from environments.models.notifications import Delivery, DeliveryState, Notice, NoticeKind, Webhook
from environments.notifications.delivery import deliver_next_webhook, send_next_mail
from environments.notifications.notices import notify
from environments.notifications.webhooks import add_webhook
from tests.builds.scenarios import person, workspace_named
from tests.environments.notifications.receiving import Receiver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("either_database")]
HOOKS, EVENTS, WORKERS = 3, 8, 4


@pytest.fixture
def receivers() -> Iterator[list[Receiver]]:
    receivers = [Receiver() for _ in range(HOOKS)]
    with receivers[0].running(), receivers[1].running(), receivers[2].running():
        yield receivers


def test_workers_side_by_side_send_each_event_once_and_in_order(receivers: list[Receiver]) -> None:
    lab = workspace_named("lab")
    for receiver in receivers:
        add_webhook(lab, receiver.url, ["builds"], None)
    events = [record("build.failed", f"forecast:{number}", workspace=lab).pk for number in range(EVENTS)]
    side_by_side(deliver_next_webhook)

    assert not Delivery.objects.exclude(state=DeliveryState.SENT).exists()
    for receiver in receivers:
        ids = Counter(message.headers["Webhook-Id"] for message in receiver.got)
        assert set(ids.values()) == {1}
        assert len(ids) == EVENTS
    order = Delivery.objects.filter(webhook=Webhook.objects.all()[0]).order_by("ended_at")
    assert list(order.values_list("event_id", flat=True)) == events


def test_workers_side_by_side_mail_each_notice_once(mailoutbox: list[object]) -> None:
    ann = person("ann")
    ann.email = "ann@example.com"
    ann.save()
    for number in range(EVENTS):
        notify([ann], NoticeKind.PROPOSAL, f"forecast:{number} is approved")
    side_by_side(send_next_mail)
    assert len(mailoutbox) == EVENTS
    assert not Notice.objects.exclude(state=DeliveryState.SENT, attempts=1).exists()


def side_by_side(work: Callable[[], bool]) -> None:
    """Do the work in several threads until each has found nothing more to do."""
    begin = threading.Barrier(WORKERS)
    failed: list[Exception] = []

    def until_nothing_is_left() -> None:
        try:
            begin.wait(30)
            while work():
                pass
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=until_nothing_is_left) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # Threads that found every receiver claimed have ended; the rest is sent now.
    while work():
        pass
    assert not failed
