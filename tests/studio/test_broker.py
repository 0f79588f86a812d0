"""The folder of messages that an embedded studio has for a broker."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import cast

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from kombu import Connection
from kombu.transport import filesystem

from studio import celery
from studio.broker import LOOK_UP_SECONDS, Channel, Transport


def test_a_worker_that_waits_looks_up_often_and_gets_its_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert celery.app  # loaded, it has kombu take ours
    folders = {f"data_folder_{way}": str(tmp_path) for way in ("in", "out")}
    options = {**folders, "control_folder": str(tmp_path / "control"), "polling_interval": 0.01}
    waited: list[float | None] = []
    really = filesystem.Transport.drain_events

    def drained(self: filesystem.Transport, connection: Connection, timeout: float | None = None) -> None:
        waited.append(timeout)
        really(self, connection, timeout)

    monkeypatch.setattr(filesystem.Transport, "drain_events", drained)
    with Celery(broker="filesystem://", broker_transport_options=options).connection() as connection:
        assert isinstance(connection.transport, Transport)
        queue = connection.SimpleQueue("letters")
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=2.0)
        queue.put("a letter")
        assert queue.get(timeout=60).payload == "a letter"
        assert waited == [LOOK_UP_SECONDS] * len(waited)
        assert waited
        queue.close()


def options_of(folder: Path) -> dict[str, object]:
    folders = {f"data_folder_{way}": str(folder) for way in ("in", "out")}
    return {**folders, "control_folder": str(folder / "control"), "polling_interval": 0.01}


def application(folder: Path) -> Celery:
    assert celery.app  # loaded, it has kombu take ours
    app = Celery(
        "letters", broker="filesystem://", broker_transport_options=options_of(folder), set_as_current=False
    )
    # kombu remembers by their names, for the whole process, which queues it has declared.
    app.conf.task_default_queue = folder.name
    app.conf.task_ignore_result = True
    app.conf.worker_enable_remote_control = False
    app.conf.worker_hijack_root_logger = False
    return app


GARBAGE = {
    "nothing": b"",
    "half a message": b'{"body": "W1tdLCB7fS',
    "no text": b"\xff\xfe\x00\x01",
    "no object": b"[1, 2]",
    "no message": b'{"body": "W10="}',
    "no body": b'{"body": "W10", "properties": {"body_encoding": "base64", "delivery_tag": "1"}}',
    "no tag": b'{"body": "", "properties": {"delivery_tag": []}}',
    "no task": b'{"body": "W10=", "properties": {"body_encoding": "base64", "delivery_tag": "2"}}',
}


def test_a_worker_skips_what_is_no_message_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The studio's loggers pass nothing on to where pytest listens.
    monkeypatch.setattr(logging.getLogger("studio.broker"), "handlers", [caplog.handler])
    app = application(tmp_path)
    received: SimpleQueue[int] = SimpleQueue()

    @app.task(name="received")
    def receive(number: int) -> None:
        received.put(number)

    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=60):
        app.send_task("received", [1])
        assert received.get(timeout=60) == 1
        for number, content in enumerate(GARBAGE.values()):
            part = tmp_path / f"{number}.part"
            part.write_bytes(content)
            part.rename(tmp_path / f"0_{number}.{tmp_path.name}.msg")  # sorted before the next message
        app.send_task("received", [2])
        assert received.get(timeout=60) == 2

    aside = sorted(path.name for path in tmp_path.glob("*.unreadable"))
    assert aside == [f"0_{number}.{tmp_path.name}.msg.unreadable" for number in range(len(GARBAGE) - 1)]
    warned = [record.getMessage() for record in caplog.records if record.name == "studio.broker"]
    assert len(warned) == len(aside)
    assert all(name.removesuffix(".unreadable") in text for name, text in zip(aside, warned, strict=True))
    assert not list(tmp_path.glob("*.msg"))  # the last of the garbage was Celery's to refuse


class ReadMeanwhile:
    """A value that a reader interrupts while the message that holds it is being written."""

    def __init__(self, read: Callable[[], object]) -> None:
        self._read = read

    def __json__(self) -> str:
        with pytest.raises(Empty):
            self._read()
        return "written"


def test_a_message_that_is_still_being_written_is_not_taken(tmp_path: Path) -> None:
    app = application(tmp_path)
    with app.connection() as writing, app.connection() as reading:
        name = tmp_path.name
        queue, other = writing.SimpleQueue(name), reading.SimpleQueue(name)
        read = partial(cast(Channel, reading.default_channel)._get, name)
        queue.put("a letter", headers={"value": ReadMeanwhile(read)})
        message = other.get(timeout=60)
        message.ack()
        assert (message.payload, message.headers["value"]) == ("a letter", "written")
        queue.close()
        other.close()


@pytest.mark.slow
def test_many_writers_and_readers_lose_nothing_and_get_nothing_twice(tmp_path: Path) -> None:
    app = application(tmp_path)
    writers, readers, letters = 4, 3, 250
    received: list[str] = []
    until = time.monotonic() + 120

    def write(writer: int) -> None:
        with app.connection() as connection:
            queue = connection.SimpleQueue(tmp_path.name)
            for number in range(letters):
                queue.put(f"{writer}-{number}" + " " * 20_000)
            queue.close()

    def read() -> None:
        with app.connection() as connection:
            queue = connection.SimpleQueue(tmp_path.name)
            while len(received) < writers * letters and time.monotonic() < until:
                with suppress(Empty):
                    message = queue.get(timeout=0.2)
                    message.ack()
                    received.append(message.payload.strip())
            queue.close()

    with ThreadPoolExecutor(writers + readers) as pool:
        work = [pool.submit(read) for _ in range(readers)]
        work += [pool.submit(write, number) for number in range(writers)]
        for future in work:
            future.result()

    expected = [f"{writer}-{number}" for writer in range(writers) for number in range(letters)]
    assert sorted(received) == sorted(expected)
    assert [path.name for path in tmp_path.iterdir()] == ["control"]


def test_an_exchange_that_cannot_be_read_is_written_again(tmp_path: Path) -> None:
    file = tmp_path / "control" / f"{tmp_path.name}.exchange"
    file.parent.mkdir()
    file.write_text('[["let')
    with application(tmp_path).connection() as connection:
        queue = connection.SimpleQueue(tmp_path.name)
        queue.put("a letter")
        assert queue.get(timeout=60).payload == "a letter"
        queue.close()
    assert json.loads(file.read_text()) == [[tmp_path.name, "", tmp_path.name]]


def test_a_queue_is_bound_before_another_thread_sends_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kombu remembers that it has bound a queue before it has."""
    app, writing, sending = application(tmp_path), threading.Event(), threading.Event()
    bind = Channel._queue_bind

    def slowly(self: Channel, *arguments: str) -> None:
        writing.set()
        sending.wait(0.5)  # the other thread sends meanwhile, where it may
        bind(self, *arguments)

    def send(text: str) -> None:
        with app.connection() as connection:
            queue = connection.SimpleQueue(tmp_path.name)
            queue.put(text)
            queue.close()

    monkeypatch.setattr(Channel, "_queue_bind", slowly)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(send, "first")
        assert writing.wait(60)
        second = pool.submit(send, "second")
        second.add_done_callback(lambda _: sending.set())
        first.result()
        second.result()

    assert len(list(tmp_path.glob("*.msg"))) == 2
