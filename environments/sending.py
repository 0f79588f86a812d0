"""Sending what waits in the outbox: one function for a mail, one for a webhook's turn.

At least once: whoever dies while sending has not written that it was sent, and so it is sent again, under the
same id. Nothing is sent inside of a transaction.
"""

import base64
import hashlib
import hmac
import json
import logging
import smtplib
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from environments import vault
from environments.connecting import checked_client
from environments.events import as_json
from environments.outbox import Delivery, Notice, Sending, Webhook, pause_after
from environments.reach import AddressRefused
from environments.webhooks import PREFIX

log = logging.getLogger(__name__)

TRY_SECONDS = 10.0  # connecting, sending and the first byte of the answer, together
# Others take over what somebody began and has not ended by then; a turn ends well before.
LEASE = timedelta(seconds=90)
TURN_SECONDS = 60.0
AT_A_TURN = 20
LONGEST_PAUSE = timedelta(minutes=5)
KEPT_DAYS = 30


@dataclass(frozen=True)
class Answer:
    """What came of a try: the answer's code, how long it took, and what was wrong."""

    code: int | None
    milliseconds: int
    problem: str

    @property
    def good(self) -> bool:
        """Whether the receiver has it."""
        return not self.problem


# Webhooks


def serve_a_webhook() -> bool:
    """Send what waits for the webhook whose turn it is; return False when nothing is due."""
    webhook = _next_webhook()
    if webhook is None:
        return False
    failures, began = webhook.failures, time.monotonic()
    for delivery in _due(webhook):
        if time.monotonic() - began > TURN_SECONDS:
            break
        good = _send(webhook, delivery)
        failures = 0 if good else failures + 1
        if not good:
            break  # the others wait their turn: a receiver that is away holds up no other webhook
    rest = min(timedelta(seconds=2 ** min(failures, 20)), LONGEST_PAUSE) if failures else timedelta()
    # Somebody who pressed “Send a test” meanwhile has put it to nothing; then the next turn is at once.
    Webhook.objects.filter(pk=webhook.pk, rests_until__isnull=False).update(
        rests_until=Now() + rest, failures=failures
    )
    return True


def _next_webhook() -> Webhook | None:
    """Return the webhook that was served longest ago, for this worker alone; None when nothing is due."""
    free = Q(rests_until=None) | Q(rests_until__lte=Now())
    due = Delivery.objects.filter(webhook=OuterRef("pk"), state=Sending.WAITING, next_at__lte=Now())
    waiting = Webhook.objects.filter(free, Exists(due), active=True)
    for webhook in waiting.order_by(F("rests_until").asc(nulls_first=True), "pk")[:AT_A_TURN]:
        if Webhook.objects.filter(free, pk=webhook.pk).update(rests_until=Now() + LEASE):
            return webhook
    return None


def _due(webhook: Webhook) -> list[Delivery]:
    rows = Delivery.objects.filter(webhook=webhook, state=Sending.WAITING, next_at__lte=Now())
    rows = rows.select_related("event__actor", "event__environment", "event__workspace")
    return list(rows.order_by("next_at", "event_id")[:AT_A_TURN])


def _send(webhook: Webhook, delivery: Delivery) -> bool:
    """Try once, and write down what came of it."""
    try:
        secret = vault.unseal(webhook.sealed)
    except vault.Unreadable:
        answer = Answer(None, 0, "The webhook's secret cannot be read with the keys there are.")
    else:
        body = body_of(delivery)
        headers = signed(secret, str(delivery.pk), int(time.time()), body)
        answer = post(webhook.address, headers, body)
    log.info("Delivery %s: %s", delivery.pk, answer)
    told: dict[str, Any] = {
        "code": answer.code,
        "milliseconds": answer.milliseconds,
        "problem": answer.problem[:400],
    }
    told |= {"tried_at": Now(), "attempts": F("attempts") + 1}
    pause = pause_after(delivery.attempts + 1)
    if answer.good or pause is None:
        state = Sending.SENT if answer.good else Sending.GIVEN_UP
        told |= {"state": state, "ended_at": Now(), "next_at": None}
    else:
        told |= {"next_at": Now() + pause}
    Delivery.objects.filter(pk=delivery.pk, state=Sending.WAITING).update(**told)
    return answer.good


def body_of(delivery: Delivery) -> bytes:
    """Return what is sent: the same bytes each time."""
    event = as_json(delivery.event, origin=True)
    told = {"type": event["verb"], "timestamp": event["at"], "data": event}
    return json.dumps(told, ensure_ascii=False).encode()


def signed(secret: str, id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a message, as standardwebhooks.com has them: id, time, and HMAC-SHA256 over both and the body."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    digest = hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "User-Agent": "environment-studio",
        "Webhook-Id": id,
        "Webhook-Timestamp": str(timestamp),
        "Webhook-Signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def post(address: str, headers: dict[str, str], body: bytes) -> Answer:
    """Send a message, and tell what came of it. Redirects are not followed, and no more than the status is read."""
    code, problem = None, ""
    with checked_client(settings.REACH, timeout=TRY_SECONDS / 2, follow_redirects=False) as client:
        began = time.monotonic()
        # A receiver that sends a byte now and then would be waited for for ever.
        watch = threading.Timer(TRY_SECONDS, client.close)
        watch.daemon = True
        watch.start()
        try:
            with client.stream("POST", address, content=body, headers=headers) as response:
                code = response.status_code
            if 300 <= code < 400:
                problem = (
                    f"It answered with {code}: redirects are not followed. Name the address it leads to."
                )
            elif not 200 <= code < 300:
                problem = f"It answered with {code}."
        except AddressRefused as refused:
            problem = f"{refused.message} {refused.help}"
        except (httpx.TimeoutException, TimeoutError):
            problem = f"It did not answer within {TRY_SECONDS:.0f} seconds."
        except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError, ValueError) as error:
            late = time.monotonic() - began >= TRY_SECONDS
            words = f"It did not answer within {TRY_SECONDS:.0f} seconds." if late else ""
            problem = words or f"It could not be reached: {str(error) or type(error).__name__}."
        finally:
            watch.cancel()
    return Answer(code, round(1000 * (time.monotonic() - began)), problem)


# Mails


def send_a_mail() -> bool:
    """Mail the notice that has waited longest; return False when none is due."""
    due = Notice.objects.filter(state=Sending.WAITING, next_at__lte=Now()).select_related("user")
    for notice in due.order_by("next_at", "pk")[:AT_A_TURN]:
        rows = Notice.objects.filter(pk=notice.pk, state=Sending.WAITING)
        if rows.filter(next_at__lte=Now()).update(next_at=Now() + LEASE):
            _mail(notice)
            return True
    return False


def _mail(notice: Notice) -> None:
    rows = Notice.objects.filter(pk=notice.pk, state=Sending.WAITING)
    if not notice.user.is_active or not notice.user.email:
        rows.update(state=Sending.NOT_SENT, next_at=None)
        return
    told: dict[str, Any] = {"attempts": F("attempts") + 1}
    pause, problem = pause_after(notice.attempts + 1), ""
    try:
        mail_of(notice).send()
    except smtplib.SMTPRecipientsRefused as error:
        problem = f"The mail server refuses the address {notice.user.email}: {error}"
        # 4xx is for now, 5xx for good.
        if all(code >= 500 for code, _ in error.recipients.values()):
            pause = None
    except (smtplib.SMTPException, OSError) as error:
        problem = f"The mail server did not take it: {str(error) or type(error).__name__}"
    if not problem or pause is None:
        state = Sending.GIVEN_UP if problem else Sending.SENT
        told |= {"state": state, "ended_at": Now(), "next_at": None}
    else:
        told |= {"next_at": Now() + pause}
    if problem:
        log.warning("Notice %s was not mailed. %s", notice.pk, problem)
    rows.update(problem=problem[:400], **told)


def mail_of(notice: Notice) -> EmailMessage:
    """Return the mail of a notice. Its id is always the same, so that a double can be told."""
    link = f"\n\n{settings.PUBLIC_URL}{notice.address}" if notice.address else ""
    choice = f"{settings.PUBLIC_URL}/account/notifications/"
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    return EmailMessage(
        subject=notice.subject,
        body=f"{notice.text or notice.subject}{link}\n\n-- \nWhat you are told of: {choice}\n",
        to=[notice.user.email],
        headers={"Message-ID": f"<notice-{notice.pk}@{host}>", "Auto-Submitted": "auto-generated"},
    )


def forget_old() -> None:
    """Delete what was sent or given up a month ago; the events stay."""
    past = Now() - timedelta(days=KEPT_DAYS)
    Delivery.objects.filter(ended_at__lt=past).delete()
    Notice.objects.filter(created_at__lt=past).exclude(state=Sending.WAITING).delete()
