"""Delivery from the outbox: a webhook's next deliveries, or the next mail.

At least once: a worker that dies while sending has not recorded it, so the message is sent again under the same id.
Nothing is sent inside of a transaction.
"""

import json
import logging
import re
import smtplib
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from standardwebhooks import Webhook as SigningKey

from environments import encryption
from environments.audit.events import event_as_json
from environments.models.notifications import Delivery, DeliveryState, Notice, Webhook, retry_delay
from environments.network.client import checked_client
from environments.network.deadlines import Deadlines
from environments.network.policy import AddressRefused
from environments.public_url import absolute_url, base_url

log = logging.getLogger(__name__)

ATTEMPT_SECONDS = 10.0  # for connecting, sending and the first byte of the response together
# Other workers take over after a lease; a batch ends well before.
LEASE = timedelta(seconds=90)
BATCH_SECONDS = 60.0
BATCH_SIZE = 20
MAX_PAUSE = timedelta(minutes=5)
RETENTION_DAYS = 30
ANSWER_BYTES = 1000  # of a receiver's answer, kept for the page of deliveries
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class DeliveryResult:
    """The result of an attempt: the response's status and beginning, the duration, and the problem."""

    code: int | None
    milliseconds: int
    problem: str
    answer: str = ""

    @property
    def delivered(self) -> bool:
        """Whether the receiver accepted it."""
        return not self.problem


# Webhooks


def deliver_next_webhook() -> bool:
    """Send a batch of due deliveries to the next webhook; return False if nothing is due."""
    webhook = _claim_webhook()
    if webhook is None:
        return False
    failures, started_at = webhook.failures, time.monotonic()
    for delivery in _due_deliveries(webhook):
        if time.monotonic() - started_at > BATCH_SECONDS:
            break
        delivered = _deliver(webhook, delivery)
        failures = 0 if delivered else failures + 1
        if not delivered:
            break  # a receiver that is down must not delay other webhooks
    pause = min(timedelta(seconds=2 ** min(failures, 20)), MAX_PAUSE) if failures else timedelta()
    # “Send a test” clears the pause meanwhile; then the next batch is sent at once.
    Webhook.objects.filter(pk=webhook.pk, blocked_until__isnull=False).update(
        blocked_until=Now() + pause, failures=failures
    )
    return True


def _claim_webhook() -> Webhook | None:
    """Claim the webhook that was served longest ago; None if nothing is due."""
    free = Q(blocked_until=None) | Q(blocked_until__lte=Now())
    due = Delivery.objects.filter(webhook=OuterRef("pk"), state=DeliveryState.WAITING, next_at__lte=Now())
    waiting = Webhook.objects.filter(free, Exists(due), active=True)
    for webhook in waiting.order_by(F("blocked_until").asc(nulls_first=True), "pk")[:BATCH_SIZE]:
        if Webhook.objects.filter(free, pk=webhook.pk).update(blocked_until=Now() + LEASE):
            return webhook
    return None


def _due_deliveries(webhook: Webhook) -> list[Delivery]:
    rows = Delivery.objects.filter(webhook=webhook, state=DeliveryState.WAITING, next_at__lte=Now())
    rows = rows.select_related("event__actor", "event__environment", "event__workspace")
    return list(rows.order_by("next_at", "event_id")[:BATCH_SIZE])


def _deliver(webhook: Webhook, delivery: Delivery) -> bool:
    """Attempt a delivery once, and record the result."""
    try:
        secret = encryption.unseal(webhook.sealed)
    except encryption.DecryptionError:
        result = DeliveryResult(None, 0, "The webhook's secret cannot be read with the keys there are.")
    else:
        body = payload_of(delivery)
        headers = signed_headers(secret, str(delivery.pk), int(time.time()), body)
        result = post(webhook.address, headers, body)
    log.info("Delivery %s: %s", delivery.pk, result)
    fields: dict[str, Any] = {
        "code": result.code,
        "milliseconds": result.milliseconds,
        "problem": result.problem[:400],
        "answer": result.answer,
    }
    fields |= {"tried_at": Now(), "attempts": F("attempts") + 1}
    pause = retry_delay(delivery.attempts + 1)
    if result.delivered or pause is None:
        state = DeliveryState.SENT if result.delivered else DeliveryState.GIVEN_UP
        fields |= {"state": state, "ended_at": Now(), "next_at": None}
    else:
        fields |= {"next_at": Now() + pause}
    Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.WAITING).update(**fields)
    return result.delivered


def payload_of(delivery: Delivery) -> bytes:
    """Return the body of the request: the same bytes for each attempt."""
    event = event_as_json(delivery.event, origin=True)
    payload = {"type": event["verb"], "timestamp": event["at"], "data": event}
    return json.dumps(payload, ensure_ascii=False).encode()


def signed_headers(secret: str, id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers by standardwebhooks.com: id, time, and an HMAC-SHA256 of id, time and body."""
    sent_at = datetime.fromtimestamp(timestamp, UTC)
    return {
        "Content-Type": "application/json",
        "User-Agent": "environment-studio",
        "Webhook-Id": id,
        "Webhook-Timestamp": str(timestamp),
        "Webhook-Signature": SigningKey(secret).sign(id, sent_at, body.decode()),
    }


def post(address: str, headers: dict[str, str], body: bytes) -> DeliveryResult:
    """POST a body, and return the result. Redirects are not followed; the answer is read to ANSWER_BYTES."""
    code, problem, answer = None, "", ""
    deadlines = Deadlines(head=ATTEMPT_SECONDS, whole=ATTEMPT_SECONDS)
    with checked_client(
        settings.EGRESS_POLICY, deadlines=deadlines, timeout=ATTEMPT_SECONDS / 2, follow_redirects=False
    ) as client:
        started_at = time.monotonic()
        try:
            with client.stream("POST", address, content=body, headers=headers) as response:
                code = response.status_code
                answer = _beginning(response)
            if 300 <= code < 400:
                problem = (
                    f"It answered with {code}: redirects are not followed. Name the address it leads to."
                )
            elif not 200 <= code < 300:
                problem = f"It answered with {code}."
        except AddressRefused as refused:
            problem = f"{refused.message} {refused.help}"
        except (httpx.TimeoutException, TimeoutError):
            problem = f"It did not answer within {ATTEMPT_SECONDS:.0f} seconds."
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            problem = f"It could not be reached: {str(error) or type(error).__name__}."
    return DeliveryResult(code, round(1000 * (time.monotonic() - started_at)), problem, answer)


def _beginning(response: httpx.Response) -> str:
    """Return the first bytes of an answer as text, for people; nothing of one that breaks off or is compressed."""
    body = b""
    try:
        for chunk in response.iter_raw(ANSWER_BYTES):
            body += chunk
            if len(body) >= ANSWER_BYTES:
                break
    except httpx.HTTPError:
        return ""  # the status has been received: that is what counts
    if response.headers.get("content-encoding", "identity") != "identity":
        return ""
    return _CONTROL.sub("", body[:ANSWER_BYTES].decode(errors="replace"))


# Mails


def send_next_mail() -> bool:
    """Mail the notice that has waited longest; return False if none is due."""
    due = Notice.objects.filter(state=DeliveryState.WAITING, next_at__lte=Now()).select_related("user")
    for notice in due.order_by("next_at", "pk")[:BATCH_SIZE]:
        rows = Notice.objects.filter(pk=notice.pk, state=DeliveryState.WAITING)
        if rows.filter(next_at__lte=Now()).update(next_at=Now() + LEASE):
            _mail(notice)
            return True
    return False


def _mail(notice: Notice) -> None:
    rows = Notice.objects.filter(pk=notice.pk, state=DeliveryState.WAITING)
    if not notice.user.is_active or not notice.user.email:
        rows.update(state=DeliveryState.NOT_SENT, next_at=None)
        return
    fields: dict[str, Any] = {"attempts": F("attempts") + 1}
    pause, problem = retry_delay(notice.attempts + 1), ""
    try:
        mail_for(notice).send()
    except smtplib.SMTPRecipientsRefused as error:
        problem = f"The mail server refuses the address {notice.user.email}: {error}"
        # 4xx is temporary, 5xx permanent.
        if all(code >= 500 for code, _ in error.recipients.values()):
            pause = None
    except (smtplib.SMTPException, OSError) as error:
        problem = f"The mail server did not take it: {str(error) or type(error).__name__}"
    if not problem or pause is None:
        state = DeliveryState.GIVEN_UP if problem else DeliveryState.SENT
        fields |= {"state": state, "ended_at": Now(), "next_at": None}
    else:
        fields |= {"next_at": Now() + pause}
    if problem:
        log.warning("Notice %s was not mailed. %s", notice.pk, problem)
    rows.update(problem=problem[:400], **fields)


def mail_for(notice: Notice) -> EmailMessage:
    """Return the mail of a notice. Its id is stable, so that a duplicate is recognized."""
    link = f"\n\n{absolute_url(notice.address)}" if notice.address else ""
    choice = absolute_url("/account/notifications/")
    host = urlsplit(base_url()).hostname or "localhost"
    return EmailMessage(
        subject=notice.subject,
        body=f"{notice.text or notice.subject}{link}\n\n-- \nNotification settings: {choice}\n",
        to=[notice.user.email],
        headers={"Message-ID": f"<notice-{notice.pk}@{host}>", "Auto-Submitted": "auto-generated"},
    )


def delete_old() -> None:
    """Delete deliveries and notices that ended before the retention; events stay."""
    past = Now() - timedelta(days=RETENTION_DAYS)
    Delivery.objects.filter(ended_at__lt=past).delete()
    Notice.objects.filter(created_at__lt=past).exclude(state=DeliveryState.WAITING).delete()
