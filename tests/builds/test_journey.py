"""One way through the studio on each set-up: embedded, and grown up with either broker (issue 5, point 5)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.builds.aftermath import (
    Asked,
    SetUp,
    Watcher,
    ask,
    assert_nothing_is_lost,
    query,
    wait_for,
    wait_until_held,
)
from tests.builds.test_faults import HELD, SHOP
from tests.images.serving import Index
from tests.services.fixtures import StartDeployment, StartStudio

BROKERS = {"redis": "redis_server", "rabbitmq": "rabbitmq"}


@pytest.fixture(params=["embedded", *BROKERS])
def studio(request: pytest.FixtureRequest, stock: Path, open_index: Index) -> tuple[SetUp, str, str]:
    """A studio, and the addresses of two of its web processes; the embedded one has one for both."""
    settings = {"STUDIO_INDEX_URL": open_index.url, **HELD}
    if request.param == "embedded":
        start: StartStudio = request.getfixturevalue("start_studio")
        embedded = start(stock, **settings)
        return embedded, embedded.url, embedded.url
    broker = request.getfixturevalue(BROKERS[request.param])
    deploy: StartDeployment = request.getfixturevalue("start_deployment")
    grown = deploy(stock, {**settings, "CELERY_BROKER_URL": broker.url}, webs=2, workers=2)
    here, there = grown.urls
    return grown, here, there


def press(url: str, asked: Asked, build: str, button: str) -> str:
    """Press a button on a build's page, and return where that leads."""
    page = f"{url}/w/default/builds/{build}/"
    with httpx.Client(cookies=asked.cookies, trust_env=False, timeout=30) as browser:
        token = browser.get(page).raise_for_status().cookies["studio_csrf"]
        answer = browser.post(f"{page}{button}", data={"csrfmiddlewaretoken": token})
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def test_what_is_asked_on_one_web_process_is_watched_cancelled_and_pulled_on_another(
    studio: tuple[SetUp, str, str], skopeo: Path, tmp_path: Path
) -> None:
    place, here, there = studio
    asked = ask(place, tmp_path, in_fetch=SHOP)
    wait_until_held(place, asked.builds)

    press(there, asked, asked.only, "cancel")
    assert wait_for(place, asked.only)["state"] == "cancelled"

    build = press(here, asked, asked.only, "retry").rstrip("/").rpartition("/")[2]
    again = Asked({"in-fetch": build}, asked.cookies["studio_session"])
    with Watcher([there], build, asked.cookies) as watcher:
        watcher.wait_for_line("Held in-fetch.")
        (place.var / "let-go").touch()
        ends = assert_nothing_is_lost(place, again, url=here, watchers=[watcher])
    assert (ends["in-fetch"]["state"], ends["in-fetch"]["attempt"]) == ("succeeded", 1)

    question = "SELECT i.repository, i.digest FROM builds_image i JOIN builds_build b ON b.image_id = i.id WHERE b.id = ?"
    ((repository, digest),) = query(place, question, build)
    name = f"{there.removeprefix('http://')}/default/{repository}"
    words: list[str | Path] = [skopeo, "inspect", "--tls-verify=false", f"docker://{name}:latest"]
    pulled = subprocess.run(words, check=True, capture_output=True, text=True)
    assert json.loads(pulled.stdout)["Digest"] == digest
    words = [
        skopeo,
        "copy",
        "--quiet",
        "--src-tls-verify=false",
        f"docker://{name}",
        f"dir:{tmp_path / 'image'}",
    ]
    subprocess.run(words, check=True, capture_output=True)
