"""The threads of a worker that send what waits in the outbox, beside its builds and never in their way."""

import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import connection

from environments import sending

log = logging.getLogger(__name__)

AT_ONCE = 3  # webhooks
FORGET_SECONDS = 3600.0


def start(ending: threading.Event) -> list[threading.Thread]:
    """Start them; they go on until `ending` is set."""
    work: list[tuple[str, Callable[[], bool]]] = [("mail", _mail_and_forget())]
    work += [(f"webhooks-{number}", sending.serve_a_webhook) for number in range(AT_ONCE)]
    threads = [
        threading.Thread(target=_until, args=(ending, one), name=f"postman-{name}", daemon=True)
        for name, one in work
    ]
    for thread in threads:
        thread.start()
    return threads


def _until(ending: threading.Event, work: Callable[[], bool]) -> None:
    while not ending.is_set():
        busy = False
        try:
            busy = work()
        except Exception:  # a thread that ended would be missed by nobody until mails are
            log.exception("What waits in the outbox could not be sent; it is tried again.")
        if not busy:
            connection.close()
            ending.wait(settings.RECONCILE_SECONDS)
    connection.close()


def _mail_and_forget() -> Callable[[], bool]:
    forgot = time.monotonic()

    def work() -> bool:
        nonlocal forgot
        if time.monotonic() - forgot > FORGET_SECONDS:
            forgot = time.monotonic()
            sending.forget_old()
        return sending.send_a_mail()

    return work
