"""A sign-in provider that is slow, endless or broken: nobody is signed in, and no thread waits for it."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from tests.hostile.network.trickling import BODIES, HEADS, Trickle

pytestmark = pytest.mark.django_db

ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
Answer = Callable[[str], Iterator[bytes]]


@pytest.fixture(autouse=True)
def with_provider(settings: Settings) -> None:
    cache.clear()
    settings.OIDC_TIMEOUT = 0.5
    settings.OIDC_NAME = "Example"
    settings.OIDC_RP_CLIENT_ID, settings.OIDC_RP_CLIENT_SECRET = "studio", "secret"


def whole(content: bytes, *headers: str) -> Iterator[bytes]:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(content)}", "Connection: close", *headers]
    yield "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def is_refused(client: Client, path: str) -> bool:
    """Return whether the visitor is back at the sign-in soon, with a sentence about it, and nobody."""
    began = time.monotonic()
    response = client.get(path, follow=True)
    soon = time.monotonic() - began < 10
    explained = "could not sign you in" in response.content.decode()
    return soon and explained and "_auth_user_id" not in client.session


BROKEN: dict[str, Answer] = {
    "too much": lambda _: whole(b'{"issuer": "' + b"x" * (2 << 20) + b'"}'),
    "compressed": lambda _: whole(gzip.compress(b" " * (64 << 20)), "Content-Encoding: gzip"),
    "a list": lambda _: whole(b"[]"),
    "no JSON": lambda _: whole(b"{" * 100_000),
    "no text": lambda _: whole(b"\xff\xfe\xff"),
    "no HTTP": lambda _: iter([b"SSH-2.0-OpenSSH_9.2\r\n"]),
    "another issuer": lambda _: whole(b'{"issuer": "https://other.example"}'),
    "no such URL": lambda _: whole(b"", "X: y"),
}


@pytest.mark.parametrize("answer", [*HEADS.values(), *BODIES.values(), *BROKEN.values()])
def test_a_provider_whose_metadata_never_come_is_given_up(
    client: Client, settings: Settings, answer: Answer
) -> None:
    with Trickle(answer).running() as server:
        settings.OIDC_ISSUER = server.url
        assert is_refused(client, "/login/provider/")


@pytest.mark.parametrize(
    "answer", [HEADS["headers"], BODIES["body"], BODIES["chunks"], BROKEN["too much"], BROKEN["a list"]]
)
def test_a_provider_that_never_gives_its_token_is_given_up(
    client: Client, settings: Settings, answer: Answer
) -> None:
    def provider(line: str) -> Iterator[bytes]:
        if ".well-known" in line:
            urls = {name: f"{server.url}/{name}" for name in ENDPOINTS}
            return whole(json.dumps({"issuer": server.url, **urls}).encode())
        return answer(line)

    with Trickle(provider).running() as server:
        settings.OIDC_ISSUER = server.url
        there = client.get("/login/provider/")["Location"]
        state = parse_qs(urlsplit(there).query)["state"][0]
        back = urlsplit(parse_qs(urlsplit(there).query)["redirect_uri"][0]).path
        assert is_refused(client, f"{back}?code=c&state={state}")
        assert server.requests[-1].startswith("POST /token_endpoint")
