"""Signing in through a real OpenID Connect provider (issue 6 point 2)."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from environments.models import Event, Identity
from tests.studio.signing_in.conftest import Provider
from tests.studio.signing_in.provider import CLIENT_ID, CLIENT_SECRET

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def with_provider(provider: Provider, settings: Settings) -> None:
    cache.clear()
    provider.be("sam")
    settings.OIDC_ISSUER = provider.issuer
    settings.OIDC_NAME = "Example"
    settings.OIDC_RP_CLIENT_ID = CLIENT_ID
    settings.OIDC_RP_CLIENT_SECRET = CLIENT_SECRET


def sent_to(client: Client, path: str = "/login/provider/") -> str:
    """Return where a visitor is sent who wants to sign in through the provider."""
    response = client.get(path)
    assert response.status_code == 302, response.content
    return str(response["Location"])


def at_provider(address: str) -> str:
    """Sign in at the provider, and return where it sends the visitor back to."""
    with httpx.Client(trust_env=False) as browser:
        for _ in range(6):
            answer = browser.get(address)
            assert answer.is_redirect, answer.text
            address = str(answer.next_request.url) if answer.next_request else ""
            if address.startswith("http://testserver/"):
                return address
    raise AssertionError(f"the provider never sends the visitor back: {address}")


def come_back(client: Client, address: str) -> HttpResponse:
    parts = urlsplit(address)
    return client.get(f"{parts.path}?{parts.query}")  # type: ignore[return-value]


def signed_in(client: Client) -> str | None:
    number = client.session.get("_auth_user_id")
    return User.objects.get(pk=number).username if number else None


def refused(client: Client, response: HttpResponse) -> None:
    """Assert that nobody was signed in, and that the login page says so."""
    assert response["Location"] == "/login/"
    assert "could not sign you in" in client.get("/login/").content.decode()
    assert signed_in(client) is None


def test_the_first_sign_in_makes_a_person_and_the_second_finds_them() -> None:
    for _ in range(2):
        client = Client()
        response = come_back(client, at_provider(sent_to(client)))
        assert response["Location"] == "/"
        assert signed_in(client) == "sam"

    person = User.objects.get(username="sam")
    assert (person.email, person.has_usable_password()) == ("sam@example.com", False)
    assert Identity.objects.filter(user=person).count() == 1
    assert Event.objects.filter(verb="person.joined").count() == 1


def test_a_person_from_the_provider_never_gets_the_account_that_has_their_name() -> None:
    own = User.objects.create_user("sam", "sam@example.com", "a long enough password")
    client = Client()
    come_back(client, at_provider(sent_to(client)))

    assert signed_in(client) == "sam-2"
    assert not Identity.objects.filter(user=own).exists()


def test_the_visitor_ends_where_they_wanted_to_go_but_never_elsewhere() -> None:
    for wanted, got in [("/account/tokens/", "/account/tokens/"), ("https://evil.example/", "/")]:
        client = Client()
        path = "/login/provider/?" + urlencode({"next": wanted})
        assert come_back(client, at_provider(sent_to(client, path)))["Location"] == got


def test_the_request_holds_state_nonce_and_a_challenge() -> None:
    query = parse_qs(urlsplit(sent_to(Client())).query)
    assert query["code_challenge_method"] == ["S256"]
    assert all(len(query[name][0]) >= 32 for name in ("state", "nonce", "code_challenge"))


def test_the_provider_sends_visitors_back_to_the_public_url(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://studio.example.com"
    answer = Client().get("/login/provider/", HTTP_X_FORWARDED_HOST="evil.example")
    (back,) = parse_qs(urlsplit(answer["Location"]).query)["redirect_uri"]
    assert back == "https://studio.example.com/login/provider/back/"


def test_an_answer_to_somebody_else_signs_nobody_in() -> None:
    answer = at_provider(sent_to(Client()))
    other = Client()
    sent_to(other)
    refused(other, come_back(other, answer))


def test_an_answer_counts_once() -> None:
    client = Client()
    answer = at_provider(sent_to(client))
    come_back(client, answer)
    client.logout()
    refused(client, come_back(client, answer))


@pytest.mark.parametrize("what", ["nonce", "audience", "issuer", "secret"])
def test_an_identity_token_that_is_not_for_this_sign_in_is_refused(what: str, settings: Settings) -> None:
    client = Client()
    answer = at_provider(sent_to(client))
    if what == "nonce":
        session = client.session
        for state in session["oidc_states"].values():
            state["nonce"] = "another"
        session.save()
    elif what == "audience":
        from studio.signing_in.openid import ProviderBackend as Backend

        get_token = Backend.get_token

        def for_another(self: Backend, payload: dict[str, str]) -> object:
            # The code is redeemed as ourselves; what comes is then held against another name.
            claims = get_token(self, payload)
            settings.OIDC_RP_CLIENT_ID = "another"
            return claims

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Backend, "get_token", for_another)
            refused(client, come_back(client, answer))
        return
    elif what == "issuer":
        discovery_document = cache.get(f"{settings.OIDC_ISSUER}/.well-known/openid-configuration")
        settings.OIDC_ISSUER = "https://another.example"
        cache.set("https://another.example/.well-known/openid-configuration", discovery_document)
    else:
        settings.OIDC_RP_CLIENT_SECRET = "wrong"
    refused(client, come_back(client, answer))


@pytest.mark.slow
def test_an_unreachable_provider_is_reported_in_plain_words(provider: Provider) -> None:
    client = Client()
    with provider.outage():
        refused(client, client.get("/login/provider/"))  # type: ignore[arg-type]
    client = Client()
    answer = at_provider(sent_to(client))
    with provider.outage():
        refused(client, come_back(client, answer))


def test_refusing_at_the_provider_leads_back_to_the_login_page() -> None:
    client = Client()
    state = parse_qs(urlsplit(sent_to(client)).query)["state"][0]
    refused(client, client.get(f"/login/provider/back/?error=access_denied&state={state}"))  # type: ignore[arg-type]


def test_a_closed_account_is_not_signed_in() -> None:
    client = Client()
    come_back(client, at_provider(sent_to(client)))
    User.objects.filter(username="sam").update(is_active=False)
    again = Client()
    refused(again, come_back(again, at_provider(sent_to(again))))


def test_without_a_provider_there_is_no_such_door(settings: Settings) -> None:
    settings.OIDC_ISSUER = ""
    assert "Sign in with" not in Client().get("/login/").content.decode()
    assert Client().get("/login/provider/").status_code == 404


def test_the_page_to_sign_in_on_offers_the_provider() -> None:
    assert "Sign in with Example" in Client().get("/login/").content.decode()
