"""An advisory about what a base brings is not healed, but leads to the rebase: page, API and command."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from builds.exposure.base_fixes import anchor_of
from builds.models.healing import HealState
from builds.worker.healing.planning import run_waiting_items
from environments.models import Role
from tests.builds.scenarios import browser_of, main_of, person
from tests.studio.exposure.making import built, known, package
from tests.studio.exposure.test_bases import BASE, FLASK, brings, installed

pytestmark = pytest.mark.django_db
COMMAND = f"python manage.py rebase '{BASE}' --workspace lab --dry-run"
KEY = "CVE-2026-1111"


@pytest.fixture
def in_the_base(tmp_path: Path) -> None:
    """An environment on a base with jinja2, one on a base that a Dockerfile makes, and one with its own."""
    known(tmp_path)
    _, image = built(FLASK, base=BASE)
    brings(image, installed())
    _, image = built(FLASK, name="made", base="Dockerfile (FROM debian)", base_digest="sha256:made")
    brings(image, installed())
    built(package("jinja2", "3.0"), name="own", base_digest="sha256:empty")


@pytest.mark.usefixtures("in_the_base")
def test_page_and_api_refuse_and_link_to_the_rebase() -> None:
    ann = browser_of(person("ann", lab=Role.CONTRIBUTOR))
    page = main_of(ann.get(f"/w/lab/heal/?id={KEY}").content.decode())
    assert "3 affected environments" in page
    assert page.count("In the base image") == 2
    assert page.count(f"/w/lab/bases/#{anchor_of(BASE)}") == 1
    assert page.count("checked") == 1  # only what can be healed

    started = ann.post(
        "/api/v1/workspaces/lab/heals/",
        {"advisories": [KEY], "environments": ["forecast", "made"]},
        content_type="application/json",
    ).json()
    assert [item["rebase"] for item in started["items"]] == [None, None]
    run_waiting_items()
    items = ann.get(f"/api/v1/workspaces/lab/heals/{started['run']}/").json()["items"]
    assert [item["state"] for item in items] == [HealState.REFUSED, HealState.REFUSED]
    assert items[0]["rebase"] == {"base": BASE, "command": COMMAND}
    assert "come with its base image: rebase it instead" in items[0]["reason"]
    assert items[1]["rebase"] is None
    assert "come with its Dockerfile" in items[1]["reason"]
    page = main_of(ann.get(f"/w/lab/heal/{started['run']}/").content.decode())
    assert page.count(f'href="/w/lab/bases/#{anchor_of(BASE)}"') == 1
    assert "Rebase images on python:3.11 &lt;b&gt;" in page


@pytest.mark.usefixtures("in_the_base")
def test_the_command_prints_the_line_that_rebases() -> None:
    (text, code), (output, _) = heal(KEY), heal(KEY, "--json")
    assert f"To rebase it: {COMMAND}" in text
    assert code == 1
    items: list[Any] = json.loads(output)["items"]
    assert [item["rebase"] for item in items if item["environment"] == "forecast"] == [
        {"base": BASE, "command": COMMAND}
    ]


def heal(*arguments: str) -> tuple[str, int]:
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("heal", *arguments, stdout=out)
    return out.getvalue(), int(str(ended.value.code))
