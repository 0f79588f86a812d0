"""A build as it happens, for programs."""

from __future__ import annotations

import asyncio
import json

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.sessions.models import Session
from django.http import StreamingHttpResponse
from django.test import AsyncClient

from builds.live import build_events
from environments.models import Member, Role, Scope
from environments.workspaces.tokens import create_token, revoke_token
from tests.builds.scenarios import person, queue_build, save_text, succeed_build

pytestmark = pytest.mark.django_db(transaction=True)


@async_to_sync
async def events(path: str, secret: str) -> tuple[int, str]:
    """Return the status and all that is sent until the stream ends."""
    response = await AsyncClient().get(path, headers={"Authorization": f"Bearer {secret}"})
    if not isinstance(response, StreamingHttpResponse):
        return response.status_code, response.content.decode()
    return response.status_code, b"".join([part async for part in response]).decode()


def test_a_program_is_sent_the_log_the_build_and_its_end() -> None:
    olga = person("olga", lab=Role.READER)
    build = queue_build(save_text("numpy==2.1.3"))
    succeed_build(build, "Packing numpy")
    path = f"/api/v1/workspaces/lab/builds/{build.pk}/events/"

    status, text = events(path, create_token(olga, "t", Scope.READ)[1])
    data = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert status == 200
    assert "Packing numpy" in "".join(json.loads(item).get("text", "") for item in data)
    assert any(json.loads(item).get("state") == "succeeded" for item in data)
    assert text.rstrip().endswith("event: end\ndata: {}")

    stranger = create_token(person("eve"), "t", Scope.READ)[1]
    assert events(path, stranger)[0] == 404
    assert events(path, create_token(olga, "t", Scope.PULL)[1])[0] == 403
    assert events(path, "studio_" + "x" * 43)[0] == 401


@pytest.mark.parametrize("how", ["token revoked", "taken out", "password changed", "signed out"])
def test_a_stream_ends_for_a_caller_who_may_no_longer_see_the_build(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_events, "ACCESS_SECONDS", 0.0)
    monkeypatch.setattr(build_events, "HEARTBEAT_SECONDS", 0.05)
    olga = person("olga", lab=Role.READER)
    token, secret = create_token(olga, "t", Scope.READ)
    path = f"/api/v1/workspaces/lab/builds/{queue_build(save_text('numpy==2.1.3')).pk}/events/"
    client = AsyncClient()
    by_session = how in ("password changed", "signed out")
    headers = {} if by_session else {"Authorization": f"Bearer {secret}"}
    client.force_login(olga)

    def lose() -> None:
        if how == "token revoked":
            revoke_token(token, olga)
        elif how == "taken out":
            Member.objects.filter(user=olga).delete()
        elif how == "signed out":
            Session.objects.all().delete()
        else:
            olga.set_password("another long enough one")
            olga.save()

    @async_to_sync
    async def until_its_end() -> None:
        response = await client.get(path, headers=headers)
        assert isinstance(response, StreamingHttpResponse)
        parts = aiter(response)
        async with asyncio.timeout(20):
            while b"still here" not in await anext(parts):
                continue
            await sync_to_async(lose)()
            async for part in parts:
                assert b"still here" in part

    until_its_end()
