"""Look up the addresses of a name, with a deadline: the system's resolver waits as long as name servers let it."""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from typing import Any

from environments.network.deadlines import seconds_within

LOOK_UP_SECONDS = 10.0
MOST_AT_ONCE = 64
"""Look-ups of a process that are under way, those included for which nobody waits any longer."""
_slots = threading.BoundedSemaphore(MOST_AT_ONCE)


def resolve_host(host: str, port: int) -> list[str]:
    """Return the current addresses of a name. Raises OSError, also when that takes longer than the deadline.

    The system's call cannot be ended: its thread is left to itself, and only so many of them may be under way.
    """
    if (literal := _as_address(host, port)) is not None:
        return literal
    seconds, began, slots = seconds_within(LOOK_UP_SECONDS), time.monotonic(), _slots
    if not slots.acquire(timeout=seconds):
        raise socket.gaierror(socket.EAI_AGAIN, f"too many names are looked up at once; {host[:253]} is not")
    outcome: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def resolve() -> None:
        try:
            outcome.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except UnicodeError:  # a label is empty or too long
            outcome.put(socket.gaierror(socket.EAI_NONAME, f"{host[:253]} is no name of a host"))
        except OSError as error:
            outcome.put(error)
        finally:
            slots.release()

    try:
        threading.Thread(target=resolve, name="look up", daemon=True).start()
    except RuntimeError as error:  # the machine has no thread left
        slots.release()
        raise socket.gaierror(socket.EAI_AGAIN, f"{host[:253]} is not looked up: {error}") from error
    try:
        result = outcome.get(timeout=max(0.0, began + seconds - time.monotonic()))
    except queue.Empty:
        raise socket.gaierror(
            socket.EAI_AGAIN, f"looking up {host[:253]} takes longer than {seconds:.0f} seconds"
        ) from None
    if isinstance(result, OSError):
        raise result
    return [str(address[0]) for *_, address in result]


def _as_address(host: str, port: int) -> list[str] | None:
    """Return what is an address already, which takes no look-up."""
    try:
        results = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None
    return [str(address[0]) for *_, address in results]


def _after_fork() -> None:
    # The threads that hold slots are the parent's.
    global _slots
    _slots = threading.BoundedSemaphore(MOST_AT_ONCE)


os.register_at_fork(after_in_child=_after_fork)
