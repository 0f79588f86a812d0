"""The folder of messages that an embedded studio has for a broker."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery import Celery
from kombu import Connection
from kombu.transport import filesystem

from studio import celery
from studio.broker import LOOK_UP_SECONDS, Transport


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
