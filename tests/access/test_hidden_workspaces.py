"""Things of a workspace are neither named to those who can't see it, nor reached from another workspace."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction

from builds.models.healing import HealState
from builds.queue.requests import request_build
from environments.catalogue.proposals import propose
from environments.models import Role, Version
from environments.versions.labels import set_label
from environments.versions.uses import report_use
from studio.environments.views import TABS
from tests.access.asking import Cell, Studio, routes
from tests.access.changes import CHANGES
from tests.access.crawling import answers
from tests.access.expected import EXPECTED
from tests.access.schema import schema_made_once as schema_made_once
from tests.access.test_everybody_everywhere import one_connection as one_connection
from tests.builds.healing.examples import heal_item
from tests.builds.scenarios import (
    browser_of,
    person,
    queue_build,
    save_text,
    succeed_build,
    workspace_named,
)

NUMBERED = set(
    "build run item connection webhook invitation share rebase use decision exception delivery number key".split()
)
MARK = "Hid-"  # in every name of the workspace; a random token has no hyphen


def fill(studio: Studio, user: User) -> Version:
    """Have a workspace use all of the catalogue, in every way that could bring its names there; return a version of it."""
    catalogue = Version.objects.named().filter(environment__workspace__curated=True)
    mine = []
    for version in catalogue.select_related("environment__workspace").order_by("pk"):
        own = save_text(
            version.source, name=f"{MARK}{version.environment.name}", workspace="hid-room", user=user
        )
        assert own.hash == version.hash
        request_build(own, user)
        set_label(own, "hid-label", user=user)
        for used in (own, version):
            report_use(used, "run", f"{MARK}job", workspace=own.environment.workspace, user=user)
        mine.append(own)
    affected = Version.objects.get(environment__name="AzureML-affected")
    item = heal_item(affected, HealState.READY, workspace_named("hid-room"))
    item.build = queue_build(
        save_text("six==1.0", name=f"{MARK}healed", workspace="hid-room", user=user), user
    )
    item.save()
    save_text("six==1.16.0", name="started", workspace="lab", user=user, based_on=mine[0])
    alone = save_text("numpy==2.1.3\nscipy==1.0", name=f"{MARK}alone", workspace="hid-room", user=user)
    succeed_build(queue_build(alone))
    propose(alone, user, name="AzureML-new", as_new=True, comment=f"{MARK}comment")
    studio.there["curated"] |= {"run": str(item.run_id), "item": str(item.pk)}
    return mine[0]


@pytest.mark.slow
@pytest.mark.usefixtures("one_connection", "schema_made_once")
def test_names_of_a_workspace_are_shown_to_its_members_alone() -> None:
    cache.clear()
    studio = Studio.filled()
    member = person("mona", **{"hid-room": Role.OWNER})
    used = fill(studio, member)
    client = studio.client
    client.cookies.clear()
    client.cookies[settings.SESSION_COOKIE_NAME] = studio.sessions["owner"]
    marks = (MARK, MARK.lower())

    paths = [
        studio.path(Cell(route, "GET", "owner", workspace))
        for route in routes()
        for workspace in ("curated", "lab")
        if "GET" in EXPECTED.get(route, {}) and route != "metrics"  # for those who run the studio
    ]
    started = "/w/lab/environments/started/"
    tabs = [f"{started}?tab={tab}" for tab in TABS]
    seen = list(answers(client, started, *tabs, "/", *paths, press=False))
    seen += answers(client, f"/api/v1{started.replace('/w/', '/workspaces/')}versions/1/", press=False)

    shown = [
        f"{answer.what}: …{around(answer.text, mark)}…"
        for answer in seen
        for mark in marks
        if mark in answer.text
    ]
    assert not shown, "\n".join(shown)
    curated = f"/w/curated/environments/{used.environment.name.removeprefix(MARK)}/versions/{used.version}/"
    assert f"hid-room/{used}" in browser_of(member).get(curated).content.decode()


@pytest.mark.slow
@pytest.mark.usefixtures("one_connection", "schema_made_once")
def test_what_belongs_to_another_workspace_does_not_exist_under_an_address_of_ones_own() -> None:
    cache.clear()
    studio = Studio.filled()
    own, others = studio.there["lab"], studio.there["curated"]
    owner = studio.sessions["owner"]
    tried, wrong = 0, []
    for route in (route for route in routes() if "workspace>" in route):
        keys = {first or second for first, second in re.findall(r"\(\?P<(\w+)>|<\w+:(\w+)>", route)}
        for key in sorted(keys & NUMBERED):
            studio.there["lab"] = own | {key: others[key]}
            path = studio.path(Cell(route, "GET", "owner", "lab"))
            for method in EXPECTED.get(route, {}):
                change = CHANGES.get((route, method))
                status = answered(studio, owner, method, path, change.sent if change else {})
                tried += 1
                if status not in (404, 405):
                    wrong.append(f"{method} {path} with {key} of another workspace: {status}")
    assert not wrong, "\n".join(wrong)
    assert tried > 60


def answered(studio: Studio, session: str, method: str, path: str, sent: dict[str, Any]) -> int:
    client = studio.client
    client.cookies.clear()
    client.cookies[settings.SESSION_COOKIE_NAME] = session
    if path.startswith("/environment/"):
        client.cookies.clear()
    headers = (
        {"Authorization": f"Bearer {studio.bearers['owner']}"} if path.startswith("/environment/") else {}
    )
    as_json = path.startswith(("/api/", "/environment/"))
    body = json.dumps(sent) if as_json else urlencode(sent, doseq=True)
    kind = "application/json" if as_json else "application/x-www-form-urlencoded"
    with transaction.atomic():
        response = client.generic(method, path, "" if method == "GET" else body, kind, headers=headers)
        transaction.set_rollback(True)
    response.close()
    return response.status_code


def around(text: str, mark: str) -> str:
    at = text.index(mark)
    return text[max(0, at - 80) : at + 40]
