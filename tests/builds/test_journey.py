"""One journey through the studio on each set-up: embedded, and a deployment with either broker."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.builds.faults.client import (
    RequestedBuilds,
    SetUp,
    Watcher,
    query,
    request_builds,
    wait_for,
    wait_until_paused,
)
from tests.builds.faults.invariants import assert_invariants
from tests.builds.faults.test_faults import PAUSED, SHOP
from tests.builds.imaging.serving import Index
from tests.services.fixtures import StartDeployment, StartStudio

pytestmark = pytest.mark.slow

BROKERS = {"redis": "redis_server", "rabbitmq": "rabbitmq"}


@pytest.fixture(params=["embedded", *BROKERS])
def studio(request: pytest.FixtureRequest, stock: Path, open_index: Index) -> tuple[SetUp, str, str]:
    """A studio, and the addresses of two of its web processes; the embedded one has one for both."""
    settings = {"STUDIO_INDEX_URL": open_index.url, **PAUSED}
    if request.param == "embedded":
        start: StartStudio = request.getfixturevalue("start_studio")
        embedded = start(stock, **settings)
        return embedded, embedded.url, embedded.url
    broker = request.getfixturevalue(BROKERS[request.param])
    deploy: StartDeployment = request.getfixturevalue("start_deployment")
    grown = deploy(stock, {**settings, "CELERY_BROKER_URL": broker.fresh_url()}, webs=2, workers=2)
    first_url, second_url = grown.urls
    return grown, first_url, second_url


def press(url: str, requested: RequestedBuilds, build: str, button: str) -> str:
    """Press a button on a build's page, and return where that leads."""
    page = f"{url}/w/default/builds/{build}/"
    with httpx.Client(cookies=requested.cookies, trust_env=False, timeout=30) as browser:
        token = browser.get(page).raise_for_status().cookies["studio_csrf"]
        answer = browser.post(f"{page}{button}", data={"csrfmiddlewaretoken": token})
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def test_a_build_requested_on_one_web_process_is_watched_cancelled_and_pulled_on_another(
    studio: tuple[SetUp, str, str], skopeo: Path, tmp_path: Path
) -> None:
    deployment, first_url, second_url = studio
    requested = request_builds(deployment, tmp_path, in_fetch=SHOP)
    wait_until_paused(deployment, requested.builds)

    press(second_url, requested, requested.only, "cancel")
    assert wait_for(deployment, requested.only)["state"] == "cancelled"

    build = press(first_url, requested, requested.only, "retry").rstrip("/").rpartition("/")[2]
    again = RequestedBuilds({"in-fetch": build}, requested.cookies["studio_session"])
    with Watcher([second_url], build, requested.cookies) as watcher:
        watcher.wait_for_line("Paused in-fetch.")
        (deployment.var / "resume").touch()
        ends = assert_invariants(deployment, again, url=first_url, watchers=[watcher])
    assert (ends["in-fetch"]["state"], ends["in-fetch"]["attempt"]) == ("succeeded", 1)

    question = "SELECT i.repository, i.digest FROM builds_image i JOIN builds_build b ON b.image_id = i.id WHERE b.id = ?"
    ((repository, digest),) = query(deployment, question, build)
    name = f"{second_url.removeprefix('http://')}/default/{repository}"
    argv: list[str | Path] = [skopeo, "inspect", "--tls-verify=false", f"docker://{name}:latest"]
    pulled = subprocess.run(argv, check=True, capture_output=True, text=True)
    assert json.loads(pulled.stdout)["Digest"] == digest
    argv = [
        skopeo,
        "copy",
        "--quiet",
        "--src-tls-verify=false",
        f"docker://{name}",
        f"dir:{tmp_path / 'image'}",
    ]
    subprocess.run(argv, check=True, capture_output=True)
