"""The embedded studio's broker: a folder of messages, by kombu."""

import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty
from time import monotonic
from typing import Any
from uuid import uuid4

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.json import dumps, loads

log = logging.getLogger(__name__)

LOOK_UP_SECONDS = 0.2

Row = tuple[str, str, str]
"""A binding of an exchange: routing key, pattern and queue."""
_binding = threading.Lock()


class Channel(filesystem.Channel):
    """kombu's own, but every file is written under a temporary name, and an unreadable one stops no consumer.

    kombu writes a message under its final name: a consumer can take it half written, and exits.
    """

    def _put(self, queue: str, message: Any, **_: Any) -> None:  # type: ignore[override]
        """Add a message to a queue."""
        name = f"{round(monotonic() * 1000)}_{uuid4()}.{queue}.msg"
        _write(Path(self.data_folder_out, name), dumps(message))

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        """Return the queue's next message. An unreadable file is set aside with a warning."""
        for path in self._messages(queue):
            taken = path.with_name(f"{path.name}.{uuid4().hex}.taken")
            try:
                path.rename(taken)
            except OSError:
                continue  # another consumer was first
            try:
                payload = loads(taken.read_bytes().decode())
                # The consumer does the same, and exits when it raises.
                hash(self.Message(payload, channel=self).delivery_tag)
            except Exception as error:
                self._set_aside(taken, path, error)
                continue
            taken.unlink()
            return payload
        raise Empty

    def _messages(self, queue: str) -> list[Path]:
        """Return the files of a queue's messages, the oldest first."""
        folder = self.data_folder_in  # as a text: an idle worker spends most of its time here
        names = (name for name in os.listdir(folder) if name.partition(".")[2] == f"{queue}.msg")
        return [Path(folder, name) for name in sorted(names)]

    def _set_aside(self, taken: Path, path: Path, error: Exception) -> None:
        aside = path.with_name(f"{path.name}.unreadable")
        log.warning(
            "The message %s cannot be read (%s: %s) and is kept as %s.",
            path.name,
            type(error).__name__,
            error,
            aside.name,
        )
        with suppress(OSError):
            taken.rename(aside)

    # Exchanges: which queues a message goes to

    def get_table(self, exchange: str) -> list[Row]:  # type: ignore[override]
        """Return an exchange's bindings; none if its file is unreadable: the next process to bind a queue mends it."""
        file: Path = self._exchange_file(exchange)  # type: ignore[attr-defined]
        try:
            return [filesystem.exchange_queue_t(*row) for row in loads(file.read_bytes().decode())]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ChannelError(f"Cannot open {file}") from error
        except (ValueError, TypeError) as error:
            log.warning("The exchange %s cannot be read (%s); it is written again.", file.name, error)
            return []

    def queue_bind(self, *arguments: Any, **more: Any) -> None:
        """Bind a queue to an exchange, unless this process has done so."""
        # kombu remembers the binding before it writes it: another thread's message would get lost meanwhile.
        with _binding:
            super().queue_bind(*arguments, **more)

    def _queue_bind(self, exchange: str, routing_key: str | None, pattern: str | None, queue: str) -> None:
        """Add a queue to an exchange."""
        added = (routing_key or "", pattern or "", queue)
        self._change_table(exchange, lambda rows: rows if added in rows else [added, *rows])

    def _delete(
        self, queue: str, exchange: str, routing_key: str | None, pattern: str | None, *_: Any, **__: Any
    ) -> None:
        """Remove a queue: its messages and its binding."""
        self._purge(queue)
        removed = (routing_key or "", pattern or "", queue)
        self._change_table(exchange, lambda rows: [row for row in rows if row != removed])

    def _change_table(self, exchange: str, change: Callable[[list[Row]], list[Row]]) -> None:
        file: Path = self._exchange_file(exchange)  # type: ignore[attr-defined]
        self.control_folder.mkdir(exist_ok=True)
        with _locked(self.control_folder / "lock"):
            rows = self.get_table(exchange)
            changed = change(rows)
            if changed != rows:
                _write(file, dumps(changed))


class Transport(filesystem.Transport):
    """kombu's own, but a worker that waits for a message looks up often.

    Celery waits for two seconds at a time, and sees only between them that it is to stop: Ctrl-C took as long.
    """

    Channel = Channel

    def drain_events(self, connection: Any, timeout: float | None = None, **more: Any) -> None:
        """Deliver a message, or raise TimeoutError when none has come in a moment."""
        super().drain_events(connection, timeout=timeout and min(timeout, LOOK_UP_SECONDS), **more)


def _write(path: Path, text: str) -> None:
    """Write a file under a temporary name, and rename it when it is complete."""
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        part.write_bytes(text.encode())
        part.rename(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise ChannelError(f"Cannot write {path}") from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Run the block in one process and thread at a time."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # given back when the file is closed
        yield
