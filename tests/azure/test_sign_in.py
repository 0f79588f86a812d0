"""Clients sign in with a client secret, which is an access token of the studio; its JWT ends with it."""

from __future__ import annotations

import pytest

from tests.azure.clients import Session
from tests.azure.studios import AzureStudio

pytestmark = pytest.mark.slow


def test_a_client_secret_signs_in(each_secure_session: Session) -> None:
    session = each_secure_session
    assert session.run("signed_in(tokens['owner']).workspaces.get('lab').name") == "lab"
    made = "signed_in(tokens['contributor'], tenant='another.tenant').environments.create_or_update(Environment(name='signed', image='a:1')).version"
    assert session.run(made) == "1"


def test_a_jwt_has_the_claims_that_both_sdks_read(each_secure_session: Session) -> None:
    session = each_secure_session
    claims, seconds = session.run(
        """
        import base64, json
        token = credential(tokens['owner']).get_token("https://management.azure.com/.default")
        part = token.token.split('.')[1]
        claims = json.loads(base64.urlsafe_b64decode(part + '=' * (-len(part) % 4)))
        [claims, token.expires_on - time.time()]
        """
    )
    assert claims["exp"] > claims["iat"]
    assert claims["tid"]
    assert 3_000 < seconds <= 3_600


def test_wrong_secrets_are_refused(each_secure_session: Session) -> None:
    session = each_secure_session
    for secret in ("studio_" + "x" * 43, "a password", "x" * 5_000):
        refused = session.fails("signed_in(secret).workspaces.get('lab')", secret=secret)
        assert refused.kind == "ClientAuthenticationError"
        assert "isn't a valid access token" in refused.message


def test_a_jwt_has_the_rights_of_its_access_token(each_secure_session: Session) -> None:
    session = each_secure_session
    save = (
        "signed_in(tokens[who]).environments.create_or_update(Environment(name='rights-of-jwt', image='a:1'))"
    )
    assert session.fails(save, who="reads").status == 403
    assert session.fails(save, who="reader").status == 403
    assert session.fails(save, who="stranger").status == 404
    assert session.fails("signed_in(tokens['pulls']).workspaces.get('lab')").status == 403
    assert session.run("signed_in(tokens['reads']).workspaces.get('lab').name") == "lab"


def test_a_jwt_ends_when_its_access_token_is_revoked(
    each_secure_session: Session, azure_studio: AzureStudio
) -> None:
    session = each_secure_session
    name = f"ends-{session.way}"
    session.run("short = signed_in(tokens[name]); short.workspaces.get('lab')", name=name)
    azure_studio.revoke(name)
    refused = session.fails("short.workspaces.get('lab')")
    assert (refused.kind, refused.status) == ("ClientAuthenticationError", 401)
