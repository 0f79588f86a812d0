"""A real worker builds the catalogue while it is idle, and leaves it at once for a build that somebody requests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.builds.conftest import PausedIndex
from tests.builds.faults.client import query
from tests.builds.faults.test_faults import QUICK
from tests.services.fixtures import StartStudio
from tests.services.processes import wait_until
from tests.services.servers.preloaded import run_preloaded
from tests.services.studio import Studio, copy_stock

pytestmark = pytest.mark.slow

CATALOGUE = """
from django.contrib.auth.models import User
from environments.catalogue.loader import load_catalogue
from environments.models import Environment
from environments.versions.service import archive_environment
from tests.builds.scenarios import save_text
load_catalogue()
admin, _ = User.objects.get_or_create(username="olga")
for environment in Environment.objects.listed().filter(workspace__curated=True):
    archive_environment(environment, admin)  # their bases are in no registry of this machine
save_text("shop==1.0\\n", name="AzureML-ahead", workspace="curated")
"""
REQUEST = """
from django.contrib.auth.models import User
from builds.queue.requests import request_build
from environments.definition import read
from environments.versions.service import save_reading
from tests.builds.scenarios import workspace_named
reading = read("name: mine\\nimage: host\\n", "environment.yaml")
saved = save_reading(workspace_named("default"), "mine", reading, source="")
request_build(saved.version, User.objects.get(username="olga"), rebuild=True)
"""


def run(script: str, environment: dict[str, str]) -> str:
    """Run a script on a studio's data."""
    done = run_preloaded(["manage.py", "shell", "-v", "0", "-c", script], env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def state(studio: Studio, *, background: bool) -> tuple[object, ...]:
    """Return state, attempt and background of the last build that is, or is not, in the background."""
    rows = query(studio, "SELECT state, attempt, background FROM builds_build ORDER BY queued_at DESC")
    return next((tuple(row) for row in rows if bool(row[2]) == background), ())


def test_an_idle_worker_builds_ahead_and_a_requested_build_overtakes_it(
    start_studio: StartStudio, stock: Path, index: PausedIndex, tmp_path: Path
) -> None:
    var = tmp_path / "var"
    copy_stock(stock, var)
    unstarted = Studio(tmp_path / "unstarted", {"STUDIO_VAR": str(var)})
    run(CATALOGUE, unstarted.environment())
    settings = {
        "STUDIO_PREBUILD_CATALOGUE": "true",
        "STUDIO_PREBUILD_FREE_GB": "0",
        "STUDIO_BUILDS_AT_ONCE": "1",
    }
    studio = start_studio(var, STUDIO_INDEX_URL=index.url, **QUICK, **settings)

    assert index.paused.wait(60), studio.text()  # the only worker fetches the package of the catalogue
    assert state(studio, background=True) == ("running", 1, 1)

    run(REQUEST, studio.environment())
    wait_until(lambda: state(studio, background=False)[0] == "succeeded", 60, studio.text)
    ahead = state(studio, background=True)
    assert ahead[0] in ("queued", "running")  # it waits for the package again
    index.resume.set()
    wait_until(lambda: state(studio, background=True)[0] == "succeeded", 60, studio.text)
    assert state(studio, background=True) == ("succeeded", 1, 1)  # the attempt that was left does not count
    ends = query(studio, "SELECT background FROM builds_build WHERE ended_at IS NOT NULL ORDER BY ended_at")
    assert [row[0] for row in ends][-2:] == [0, 1]

    requests = query(
        studio,
        "SELECT r.user_id FROM builds_buildrequest r JOIN builds_build b ON b.id = r.build_id WHERE b.background",
    )
    assert [row[0] for row in requests] == [None]
    assert query(studio, "SELECT count(*) FROM environments_notice WHERE subject LIKE '%ahead%'")[0][0] == 0
    doctor = run_preloaded(["manage.py", "doctor", "--json"], env={**studio.environment(), **settings})
    catalogue = next(row for row in json.loads(doctor.stdout)["findings"] if row["part"] == "catalogue")
    assert catalogue["message"] == "1 of 1 curated environments are built."
