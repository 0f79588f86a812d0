"""A token that is limited to a workspace learns nothing of its owner's other tokens, and cannot end them."""

from __future__ import annotations

import pytest

from environments.models import AccessToken, Role, Scope, Workspace
from environments.workspaces.tokens import create_token
from tests.builds.scenarios import person
from tests.studio.api.calling import Caller

pytestmark = pytest.mark.django_db


def test_a_token_of_a_workspace_sees_and_revokes_only_itself() -> None:
    olga = person("olga", lab=Role.OWNER, other=Role.OWNER)
    lab, other = (Workspace.objects.get(name=name) for name in ("lab", "other"))
    rest = [
        create_token(olga, "wide", Scope.WRITE)[0],
        create_token(olga, "there", Scope.WRITE, workspace=other)[0],
    ]
    rest.append(create_token(olga, "beside", Scope.READ, workspace=lab)[0])
    call = Caller(olga, workspace=lab)
    own = AccessToken.objects.get(name="test")

    assert [row["id"] for row in call.all("tokens/")] == [own.pk]
    for token in rest:
        assert call("DELETE", f"tokens/{token.pk}/").status == 404
    assert not AccessToken.objects.exclude(revoked_at=None).exists()

    assert call("DELETE", f"tokens/{own.pk}/").status == 204
    assert list(AccessToken.objects.exclude(revoked_at=None)) == [own]
    assert call("GET", "tokens/").status == 401


def test_a_token_of_no_workspace_sees_and_revokes_its_owners_tokens() -> None:
    olga, carl = person("olga", lab=Role.OWNER), person("carl", lab=Role.OWNER)
    narrow, _ = create_token(olga, "narrow", Scope.WRITE, workspace=Workspace.objects.get(name="lab"))
    strange, _ = create_token(carl, "strange", Scope.WRITE)
    call = Caller(olga)

    assert {row["name"] for row in call.all("tokens/")} == {"narrow", "test"}
    assert call("DELETE", f"tokens/{strange.pk}/").status == 404
    assert call("DELETE", f"tokens/{narrow.pk}/").status == 204
