"""The worker of a whole studio sends what waits in the outbox, by itself."""

from __future__ import annotations

import json

from tests.browser.backstage import ask
from tests.environments.notifications.receiving import Receiver
from tests.services.studio import Studio


def test_a_studios_worker_sends_to_webhooks(studio: Studio) -> None:
    with Receiver().running() as receiver:
        ask(studio, "webhook", "posted", receiver.url)
        assert receiver.arrived.wait(60)
    assert json.loads(receiver.got[0].body)["type"] in {"webhook.created", "webhook.tested"}
