"""Threads of a worker that send webhooks and mails from the outbox, beside its builds."""

import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import close_old_connections, connection

from environments.notifications import delivery

log = logging.getLogger(__name__)

WEBHOOK_THREADS = 3  # webhooks
CLEANUP_SECONDS = 3600.0


def start(ending: threading.Event) -> list[threading.Thread]:
    """Start the threads; they run until `ending` is set."""
    work: list[tuple[str, Callable[[], bool]]] = [("mail", _mail_and_cleanup())]
    idle = threading.Event()
    work.append(("webhooks-0", _first(delivery.deliver_next_webhook, idle)))
    work += [
        (f"webhooks-{number}", _other(delivery.deliver_next_webhook, idle))
        for number in range(1, WEBHOOK_THREADS)
    ]
    threads = [
        threading.Thread(target=_run_until, args=(ending, function), name=f"outbox-{name}", daemon=True)
        for name, function in work
    ]
    for thread in threads:
        thread.start()
    return threads


def _run_until(ending: threading.Event, work: Callable[[], bool]) -> None:
    while not ending.is_set():
        busy = False
        try:
            busy = work()
        except Exception:  # otherwise the thread would end unnoticed
            log.exception("Sending from the outbox failed; it will be tried again.")
        if not busy:
            close_old_connections()  # opening it each time costs more than what is looked up
            ending.wait(settings.RECONCILE_SECONDS)
    connection.close()


def _first(work: Callable[[], bool], idle: threading.Event) -> Callable[[], bool]:
    """Look for work, and note when there is none."""

    def look() -> bool:
        idle.clear()  # what it begins to send may take long
        if busy := work():
            return busy
        idle.set()
        return False

    return look


def _other(work: Callable[[], bool], idle: threading.Event) -> Callable[[], bool]:
    """Look for work, unless the first has just seen that there is none."""
    return lambda: not idle.is_set() and work()


def _mail_and_cleanup() -> Callable[[], bool]:
    cleaned_at = time.monotonic()

    def work() -> bool:
        nonlocal cleaned_at
        if time.monotonic() - cleaned_at > CLEANUP_SECONDS:
            cleaned_at = time.monotonic()
            delivery.delete_old()
        return delivery.send_next_mail()

    return work
