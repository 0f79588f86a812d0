"""The embedded studio's broker: a folder of messages, by kombu."""

from typing import Any

from kombu.transport import filesystem

LOOK_UP_SECONDS = 0.2


class Transport(filesystem.Transport):
    """kombu's own, but a worker that waits for a message looks up often.

    Celery waits for two seconds at a time, and sees only between them that it is to stop: Ctrl-C took as long.
    """

    def drain_events(self, connection: Any, timeout: float | None = None, **more: Any) -> None:
        """Deliver a message, or raise TimeoutError when none has come in a moment."""
        super().drain_events(connection, timeout=timeout and min(timeout, LOOK_UP_SECONDS), **more)
