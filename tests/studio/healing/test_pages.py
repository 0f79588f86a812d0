"""The pages on which environments are healed: what is affected, runs, and decisions."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.test import Client

from builds.models.healing import HealItem, HealRun, HealState
from environments.models import Role, Version
from environments.models.catalogue import Proposal
from tests.builds.healing.examples import KEY, affected_environment, drifted, heal_item
from tests.builds.scenarios import browser_of, main_of, person, queue_build, save_text, workspace_named

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> Client:
    return browser_of(person("ann", lab=Role.CONTRIBUTOR))


def test_the_affected_environments_of_this_workspace_are_shown_and_no_others(ann: Client) -> None:
    affected_environment("lab", "forecast")
    affected_environment("secret", "vault")
    save_text("flask==3.0.0\n", name="web")

    page = main_of(ann.get(f"/w/lab/heal/?id={KEY.lower()}").content.decode())

    assert "1 affected environment" in page
    assert "forecast" in page
    assert "vault" not in page


@pytest.mark.parametrize("names", ["CVE-1999-0", "<script>alert(1)</script>", "x" * 5000, ", ,"])
def test_an_unknown_advisory_is_explained(ann: Client, names: str) -> None:
    response = ann.get("/w/lab/heal/", {"id": names})

    page = response.content.decode()
    assert "<script>alert" not in page
    assert response.status_code in (200, 422)
    assert ("knows no advisory" in page) == (names.strip(", ") != "")


def test_a_preview_is_started_over_the_chosen_environments(ann: Client) -> None:
    chosen = affected_environment("lab", "forecast")
    affected_environment("lab", "left-out")

    response = ann.post(
        "/w/lab/heal/", {"id": KEY, "environment": chosen.environment_id, "action": "preview"}
    )

    run = HealRun.objects.get()
    assert response.headers["Location"] == f"/w/lab/heal/{run.pk}/"
    assert run.dry_run
    assert [item.version for item in run.items.all()] == [chosen]


def test_environments_of_another_workspace_are_never_healed_from_here(ann: Client) -> None:
    affected_environment("lab", "forecast")
    secret = affected_environment("secret", "vault")

    response = ann.post("/w/lab/heal/", {"id": KEY, "environment": secret.environment_id, "action": "heal"})

    assert response.status_code == 422
    assert not HealRun.objects.exists()


def test_a_run_shows_only_what_belongs_to_its_workspace(ann: Client) -> None:
    item = heal_item(affected_environment("lab", "forecast"), HealState.READY)
    secret = affected_environment("secret", "vault")
    HealItem.objects.create(run=item.run, environment=secret.environment, version=secret)

    page = main_of(ann.get(f"/w/lab/heal/{item.run_id}/").content.decode())

    assert "Needs a decision" in page
    assert "numpy==2.1.4" in page
    assert "vault" not in page
    assert ann.get(f"/w/secret/heal/{item.run_id}/").status_code == 404


def test_what_is_ready_is_saved_by_a_decision_once(ann: Client) -> None:
    version = affected_environment("lab", "forecast")
    item = heal_item(version, HealState.READY)

    first = ann.post(f"/w/lab/heal/{item.run_id}/items/{item.pk}/publish", follow=True)
    ann.post(f"/w/lab/heal/{item.run_id}/items/{item.pk}/publish")

    assert "forecast:2 is saved." in first.content.decode()
    latest = version.environment.latest()
    assert latest is not None
    assert (latest.version, latest.based_on) == ("2", version)
    assert version.environment.versions.count() == 2


@pytest.fixture
def theirs() -> HealItem:
    """A healed curated environment that was built in a workspace of others, to be proposed from there."""
    secret = workspace_named("secret")
    item = heal_item(affected_environment("curated", "AzureML-forecast"), HealState.READY, secret)
    item.build = queue_build(save_text("flask==3.0.0\n", name="vault", workspace="secret"))
    item.published = item.build.version
    item.save()
    return item


def test_a_curator_saves_nothing_in_a_workspace_of_others(theirs: HealItem) -> None:
    curator = browser_of(person("cora", curated=Role.CONTRIBUTOR))
    item = f"{theirs.run_id}/items/{theirs.pk}"

    page = curator.post(f"/w/curated/heal/{item}/publish", follow=True).content.decode()
    refused = curator.post(f"/api/v1/workspaces/curated/heals/{item}/save/")

    assert "You may not propose from the workspace" in page
    assert "/publish" not in page
    assert refused.status_code == 403, refused.content
    theirs.refresh_from_db()
    assert theirs.state == HealState.READY
    assert not Proposal.objects.exists()
    assert not Version.objects.filter(environment__name="forecast").exists()


def test_a_member_of_that_workspace_who_curates_proposes_it(theirs: HealItem) -> None:
    both = browser_of(person("bo", curated=Role.CONTRIBUTOR, secret=Role.CONTRIBUTOR))
    address = f"/w/curated/heal/{theirs.run_id}/"
    assert "/w/secret/builds/" in both.get(address).content.decode()

    both.post(f"{address}items/{theirs.pk}/publish")

    theirs.refresh_from_db()
    assert theirs.state == HealState.PROPOSED
    assert Proposal.objects.get().version.environment.workspace.name == "secret"


def test_readers_of_the_catalogue_are_shown_nothing_of_the_workspace_that_it_is_built_in(
    theirs: HealItem,
) -> None:
    reader = browser_of(person("rita", lab=Role.READER))
    vault = Version.objects.get(environment__name="vault")
    before = HealItem.objects.create(run=theirs.run, environment=vault.environment, version=vault)
    HealItem.objects.filter(pk=theirs.pk).update(after=before, state=HealState.WAITING)

    page = reader.get(f"/w/curated/heal/{theirs.run_id}/").content.decode()

    assert "numpy==2.1.4" in page
    assert "secret" not in page
    assert "vault" not in page


def test_a_failed_import_test_cannot_be_saved_by_anybody(ann: Client) -> None:
    item = heal_item(affected_environment("lab", "forecast"), HealState.READY)
    HealItem.objects.filter(pk=item.pk).update(state=HealState.FAILED)

    page = ann.get(f"/w/lab/heal/{item.run_id}/").content.decode()
    ann.post(f"/w/lab/heal/{item.run_id}/items/{item.pk}/publish")

    assert "/publish" not in page
    assert Version.objects.filter(environment__name="forecast").count() == 1


def test_the_page_of_a_run_takes_as_many_queries_with_many_items(
    ann: Client, django_assert_max_num_queries: object
) -> None:
    item = heal_item(affected_environment("lab", "forecast"), HealState.READY)
    for number in range(5):
        other = affected_environment("lab", f"other-{number}")
        HealItem.objects.create(run=item.run, environment=other.environment, version=other)
    with django_assert_max_num_queries(24):  # type: ignore[operator]
        ann.get(f"/w/lab/heal/{item.run_id}/")


def test_the_api_starts_follows_and_stops_a_run(ann: Client) -> None:
    affected_environment("lab", "forecast")
    sent = {"advisories": [KEY], "environments": ["forecast"]}

    started = ann.post("/api/v1/workspaces/lab/heals/", json.dumps(sent), "application/json")

    assert started.status_code == 201, started.content
    run = started.json()
    assert (run["dry_run"], run["states"]) == (True, {"waiting": 1})
    assert ann.get("/api/v1/workspaces/lab/heals/").json()["results"][0]["run"] == run["run"]
    assert ann.delete(f"/api/v1/workspaces/lab/heals/{run['run']}/").status_code == 204
    after = ann.get(f"/api/v1/workspaces/lab/heals/{run['run']}/").json()
    assert (after["ended"], after["states"]) == (True, {"refused": 1})


def test_the_page_of_drift_shows_what_would_change_and_makes_it_a_version(ann: Client) -> None:
    version = save_text("numpy==2.1.3\n", name="forecast")
    assert "Not watched" in ann.get("/w/lab/environments/forecast/drift/").content.decode()
    drifted(version, User.objects.get(username="ann"))

    page = main_of(ann.get("/w/lab/environments/forecast/drift/").content.decode())
    assert "2.3.1" in page
    assert "1 package would change" in main_of(ann.get("/w/lab/environments/forecast/").content.decode())
    ann.post("/w/lab/environments/forecast/drift/", {"action": "version"})

    latest = version.environment.latest()
    assert latest is not None
    assert (latest.version, bool(latest.definition.cutoff.as_of)) == ("2", True)
