"""The test of a connection: what the server answers is reported, and the password goes nowhere else."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from environments.connections import check
from environments.connections.check import check_connection
from environments.connections.service import add_connection
from environments.models import Connection, Role
from environments.network.policy import LOCAL_POLICY, EgressPolicy
from tests.builds.scenarios import browser_of, person, workspace_named
from tests.services.processes import free_port
from tests.services.servers.registry import Registry

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse"
RIGHT = "Basic " + base64.b64encode(f"robot:{PASSWORD}".encode()).decode()


@pytest.fixture(autouse=True)
def reachable(settings: Settings) -> None:
    settings.EGRESS_POLICY = LOCAL_POLICY


def connection(kind: str, address: str, password: str = PASSWORD, user: str = "robot") -> Connection:
    owner = User.objects.filter(username="olga").first() or person("olga", lab=Role.OWNER)
    return add_connection(workspace_named("lab"), kind, address, user, password, owner)


class Guarded(BaseHTTPRequestHandler):
    """Lets `robot` in, and remembers which passwords came."""

    seen: list[str]
    challenge = 'Basic realm="x"'

    def do_GET(self) -> None:
        sent = self.headers.get("Authorization", "")
        self.seen.append(sent)
        self.send_response(200 if sent == RIGHT else 401)
        self.send_header("WWW-Authenticate", self.challenge)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the output of tests readable."""


class Silent(Guarded):
    """Sends a header a second, and never comes to an end."""

    ended: threading.Event

    def do_GET(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self.ended.wait(0.05):
            self.wfile.write(b"X-More: 1\r\n")


@contextmanager
def served(handler: type[Guarded], **fields: object) -> Iterator[tuple[str, list[str]]]:
    """Serve with a handler; yield its address and the Authorization headers that came."""
    seen: list[str] = []
    kind = type("Handler", (handler,), {"seen": seen, **fields})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("kind", ["index", "channel"])
def test_an_index_or_channel_accepts_or_rejects(kind: str) -> None:
    with served(Guarded) as (host, seen):
        row = connection(kind, f"http://{host}/simple")
        assert check_connection(row).works is True
        assert seen == ["", RIGHT]
        wrong = connection(kind, f"http://{host}/other", password="wrong horse")
        outcome = check_connection(wrong)
    assert outcome.works is False
    assert "rejects the user or password" in outcome.message


def test_a_registry_accepts_rejects_or_lets_anyone_in(private_registry: Registry, registry: Registry) -> None:
    row = connection("registry", private_registry.address, private_registry.password, private_registry.user)
    assert check_connection(row).works is True
    wrong = connection("registry", f"{private_registry.address}/team", "wrong horse", private_registry.user)
    assert check_connection(wrong).works is False
    outcome = check_connection(connection("registry", registry.address))
    assert outcome.works is None
    assert "lets anyone in" in outcome.message


def test_a_registry_cannot_have_the_password_sent_elsewhere_in_the_clear() -> None:
    challenge = 'Bearer realm="http://collector.example/token",service="x"'
    with served(Guarded, challenge=challenge) as (host, seen):
        outcome = check_connection(connection("registry", host))
    assert outcome.works is False
    assert "token service" in outcome.message
    assert seen == [""]


def test_a_registry_with_its_own_token_service_is_tried_there() -> None:
    class Token(Guarded):
        def do_GET(self) -> None:
            self.challenge = f'Bearer realm="http://{self.headers["Host"]}/token",service="it"'
            if self.path.startswith("/v2/"):
                self.headers.replace_header("Authorization", "") if self.headers.get(
                    "Authorization"
                ) else None
            super().do_GET()

    with served(Token) as (host, seen):
        assert check_connection(connection("registry", host)).works is True
    assert seen == ["", RIGHT]


def test_servers_that_are_away_or_never_finish_are_reported_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    away = check_connection(connection("index", f"http://127.0.0.1:{free_port()}/simple"))
    assert away.works is False
    assert "Can't reach 127.0.0.1" in away.message
    nowhere = check_connection(connection("index", "https://no-such-host.invalid/simple"))
    assert nowhere.works is False
    assert "Can't reach no-such-host.invalid" in nowhere.message
    monkeypatch.setattr(check, "SECONDS", 0.3)
    ended = threading.Event()
    with served(Silent, ended=ended) as (host, _seen):
        outcome = check_connection(connection("index", f"http://{host}/simple"))
        ended.set()
    assert outcome.works is False
    assert "did not answer within" in outcome.message


def test_addresses_that_members_may_not_reach_are_refused(settings: Settings) -> None:

    row = connection("index", "http://127.0.0.1:9/simple")
    settings.EGRESS_POLICY = EgressPolicy()
    outcome = check_connection(row)
    assert outcome.works is False
    assert "127.0.0.1" in outcome.message


def test_the_button_shows_the_outcome_to_owners_only() -> None:
    with served(Guarded) as (host, _seen):
        row = connection("index", f"http://{host}/simple")
        path = f"/w/lab/settings/connections/{row.pk}/test"
        owner = browser_of(User.objects.get(username="olga"))
        assert "accepts the user and password" in owner.post(path, follow=True).content.decode()
        assert browser_of(person("carl", lab=Role.CONTRIBUTOR)).post(path).status_code == 403
        assert owner.get(path).status_code == 405
        assert PASSWORD not in owner.get("/w/lab/settings/?tab=connections").content.decode()
