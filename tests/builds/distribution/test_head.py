"""The head of an image that a version does not have: it has no body, and leads to an address that names the reason."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urljoin

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from builds.distribution.errors import NoImage
from builds.live.build_events import hub
from environments.models import Role, Version
from tests.builds.distribution import ask, basic
from tests.builds.distribution.test_waiting import PASSWORD, PATH, Pull, run
from tests.builds.scenarios import fail_build, person, queue_build, save_text

on_a_database = pytest.mark.django_db(transaction=True)


@pytest.fixture
def member(settings: Settings) -> User:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return person("cora", lab=Role.CONTRIBUTOR)


@pytest.fixture
def version(member: User) -> Version:
    return save_text("numpy==2.1.3\n")


@on_a_database
def test_a_client_that_requests_the_head_is_led_to_an_address_that_names_the_cause(
    member: User, version: Version
) -> None:
    build = queue_build(version, member)
    fail_build(build)
    login = basic("cora", PASSWORD)

    head = ask(PATH, "HEAD", Authorization=login)

    assert head.status == 307
    address = urljoin(PATH, head.headers["Location"])
    assert address.startswith(f"{PATH}?message=The+build+of+forecast:1+failed:+There+is+no+package+nunpy.")
    assert address.endswith(f"http://testserver/w/lab/builds/{build.pk}/")
    # Not 404, of which containerd prints no address
    assert ask(address, "HEAD", Authorization=login).status == 409
    assert ask(address, Authorization=login).status == 404
    stranger = basic(person("stranger").username, PASSWORD)
    assert ask(PATH, "HEAD", Authorization=stranger).status == 404
    assert ask(address, "HEAD", Authorization=stranger).status == 404
    assert ask(PATH.replace("/1", "/9"), "HEAD", Authorization=login).status == 404


@on_a_database
def test_the_head_behind_the_redirect_does_not_wait_again(member: User, version: Version) -> None:
    async def scenario() -> None:
        pull = Pull(member, method="HEAD", query=b"message=The+image+is+being+built")
        await pull.send()
        answer = await pull.answer()
        assert (answer.status, answer.headers["Retry-After"]) == (429, "5")

    run(scenario())
    assert hub.viewer_count == 0


@given(st.text(max_size=2_000))
def test_any_message_is_sent_within_an_address(text: str) -> None:
    refusal = NoImage(404, "MANIFEST_UNKNOWN", text)

    address = refusal.response_to(RequestFactory().head(PATH))["Location"]

    assert re.fullmatch(r"\?message=[!-~]*", address)
    assert len(address) < 6_000  # proxies read headers of 8 kB
    sent = parse_qs(address[1:], keep_blank_values=True)["message"][0]
    assert (sent == text) if len(text) <= 450 else sent == f"{text[:300]} ... {text[-150:]}"
