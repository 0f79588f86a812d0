"""Every link and every button that a page shows to a user works for that user."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from environments.models import Member, Role, Version
from environments.versions.anonymous import save_anonymous
from environments.versions.input import read_input
from tests.access.asking import Studio
from tests.access.crawling import answers
from tests.access.schema import schema_made_once as schema_made_once
from tests.access.test_everybody_everywhere import one_connection as one_connection
from tests.builds.scenarios import fail_build, queue_build, save_text, succeed_build, workspace_named

STARTS = ("/", "/w/lab/environments/", "/w/curated/environments/")


def in_every_state(workspace: str, prefix: str) -> None:
    """Save an environment for each state that a version can be in."""

    def saved(state: str) -> Version:
        return save_text(f"{state}==1.0", name=f"{prefix}{state}", workspace=workspace)

    saved("unbuilt")
    queue_build(saved("queued"))
    fail_build(queue_build(saved("failed")))
    archived = saved("archived")
    succeed_build(queue_build(archived))
    archived.archived_at = timezone.now()
    archived.save()


def nameless(text: str) -> Version:
    return save_anonymous(workspace_named("lab"), read_input(text), version=text.partition("=")[0]).version


@pytest.mark.slow
@pytest.mark.usefixtures("one_connection", "schema_made_once")
@pytest.mark.parametrize("caller", ["reader", "owner"])
def test_what_a_page_offers_a_user_works(caller: str) -> None:
    cache.clear()
    studio = Studio.filled()
    if caller == "owner":  # with all buttons of the catalogue too, but those of admins
        owner = Member.objects.get(workspace__name="lab", user__username="owner").user
        Member.objects.create(workspace=workspace_named("curated"), user=owner, role=Role.OWNER)
    in_every_state("lab", "")
    in_every_state("curated", "AzureML-")
    fail_build(queue_build(nameless("broken==1.0")))
    succeed_build(queue_build(nameless("built==1.0")))
    client = studio.client
    client.cookies.clear()
    client.cookies[settings.SESSION_COOKIE_NAME] = studio.sessions[caller]

    seen = list(answers(client, *STARTS))

    refused = [str(answer) for answer in seen if answer.refused]
    assert not refused, "\n".join(refused)
    assert len(seen) > 100
