"""Guessing passwords is slow: on the page, and at the registry (issue 6 point 2)."""

from __future__ import annotations

import pytest
from django.test import Client, RequestFactory
from pytest_django import Settings

from environments.models import Role
from studio.signing_in.views import guess_source
from tests.builds.distribution import ask, basic
from tests.builds.scenarios import person

pytestmark = pytest.mark.django_db
RIGHT = "a long enough password"


@pytest.fixture(autouse=True)
def guarded(settings: Settings) -> None:
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 3


def tried(password: str, name: str = "olga", address: str = "10.0.0.1") -> int:
    return Client(REMOTE_ADDR=address).post("/login/", {"username": name, "password": password}).status_code


def test_after_too_many_wrong_passwords_the_right_password_waits_too() -> None:
    person("olga", lab=Role.READER)
    assert [tried("wrong") for _ in range(3)] == [200, 200, 429]
    response = Client(REMOTE_ADDR="10.0.0.1").post("/login/", {"username": "olga", "password": RIGHT})
    assert response.status_code == 429
    assert "Wait 15 minutes" in response.content.decode()


def test_guessing_locks_nobody_else_out() -> None:
    person("olga", lab=Role.READER)
    person("paul", lab=Role.READER)
    for _ in range(4):
        tried("wrong")
    assert tried(RIGHT, address="10.0.0.2") == 302
    assert tried(RIGHT, name="paul") == 302


def test_another_address_of_the_same_ipv6_network_gives_no_more_tries() -> None:
    """A customer has at least 64 bits of them: each address would have had tries of its own."""
    person("olga", lab=Role.READER)
    assert [tried("wrong", address=f"2001:db8:0:7::{n}") for n in range(1, 4)] == [200, 200, 429]
    assert tried(RIGHT, address="2001:db8:0:7:ffff::1") == 429
    assert tried(RIGHT, address="2001:db8:0:8::1") == 302


@pytest.mark.parametrize(
    ("remote", "counted"),
    [
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("x", "x"),
    ],
)
def test_tries_are_counted_by_the_address_behind_the_way_it_is_written(remote: str, counted: str) -> None:
    assert guess_source(RequestFactory(REMOTE_ADDR=remote).get("/login/")) == counted


def test_a_right_password_in_between_starts_the_count_again() -> None:
    person("olga", lab=Role.READER)
    assert [tried(p) for p in ("wrong", "wrong", RIGHT, "wrong", "wrong", RIGHT)][-1] == 302


def test_unknown_names_are_answered_like_wrong_passwords() -> None:
    person("olga", lab=Role.READER)
    client = Client()
    answers = [
        client.post("/login/", {"username": name, "password": "wrong"}).content.decode()
        for name in ("olga", "nobody")
    ]
    assert all("Wrong user name or password" in answer for answer in answers)
    assert [tried("wrong", name="nobody") for _ in range(3)][-1] == 429


def test_the_registry_counts_too_and_says_it_in_its_own_words() -> None:
    person("olga", lab=Role.READER)
    answers = [ask("/v2/token", Authorization=basic("olga", "wrong")) for _ in range(4)]
    assert [answer.status for answer in answers] == [401, 401, 429, 429]
    assert answers[-1].code == "TOOMANYREQUESTS"
    assert ask("/v2/token", Authorization=basic("olga", RIGHT)).status == 429
