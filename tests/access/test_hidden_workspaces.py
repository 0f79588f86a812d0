"""Nothing that names a workspace or its environments is shown to those who can't see that workspace."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache

from builds.queue.requests import request_build
from environments.catalogue.proposals import propose
from environments.models import Role, Version
from environments.versions.labels import set_label
from environments.versions.uses import report_use
from tests.access.asking import Cell, Studio, routes
from tests.access.crawling import answers
from tests.access.expected import EXPECTED
from tests.access.schema import schema_made_once as schema_made_once
from tests.access.test_everybody_everywhere import one_connection as one_connection
from tests.builds.scenarios import browser_of, person, queue_build, save_text, succeed_build

MARK = "Hid-"  # in every name of the workspace; a random token has no hyphen
STARTS = ("/", "/w/curated/environments/", "/w/curated/images/", "/w/curated/builds/", "/w/curated/exposed/")


def fill(user: User) -> list[Version]:
    """Have a workspace use all of the catalogue, in every way in which its names could get there; return its versions."""
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
    alone = save_text("numpy==2.1.3\nscipy==1.0", name=f"{MARK}alone", workspace="hid-room", user=user)
    succeed_build(queue_build(alone))
    propose(alone, user, name="AzureML-new", as_new=True, comment=f"{MARK}comment")
    return [*mine, alone]


@pytest.mark.slow
@pytest.mark.usefixtures("one_connection", "schema_made_once")
def test_names_of_a_workspace_are_shown_to_its_members_alone() -> None:
    cache.clear()
    studio = Studio.filled()
    member = person("mona", **{"hid-room": Role.OWNER})
    versions = fill(member)
    client = studio.client
    client.cookies.clear()
    client.cookies[settings.SESSION_COOKIE_NAME] = studio.sessions["owner"]
    marks = (MARK, MARK.lower())

    seen = list(answers(client, *STARTS, press=False))
    for route in routes():
        if "GET" in EXPECTED.get(route, {}) and route != "metrics":  # for those who run the studio
            for workspace in ("lab", "curated"):
                path = studio.path(Cell(route, "GET", "owner", workspace))
                seen += answers(client, path, press=False) if path.startswith("/api/") else ()

    shown = [
        f"{answer.what}: …{around(answer.text, mark)}…"
        for answer in seen
        for mark in marks
        if mark in answer.text
    ]
    assert not shown, "\n".join(shown)
    (first, *_), of_catalogue = (
        versions,
        f"/w/curated/environments/{versions[0].environment.name.removeprefix(MARK)}",
    )
    page = browser_of(member).get(f"{of_catalogue}/versions/{first.version}/").content.decode()
    assert f"hid-room/{first}" in page


def around(text: str, mark: str) -> str:
    at = text.index(mark)
    return text[max(0, at - 80) : at + 40]
