"""Images that nobody uses: what goes, what stays and why, how much that frees, and nobody's build is harmed."""

from __future__ import annotations

import datetime
import os
import time
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from builds import tasks
from builds.images.layers import Shared, exclusive_bytes, save_layers, shared_layers
from builds.images.retention import Rule, clean_up, preview
from builds.imaging.oci.store import BlobStore
from builds.models import Build, Image, ImageLayer
from builds.queue import requests
from environments.catalogue.proposals import ask_for_changes, propose, withdraw
from environments.models import Environment, Event, Role, Workspace
from environments.versions.listing import update_listing
from environments.versions.service import archive_version
from environments.versions.uses import end_use, report_use
from tests.builds.distribution import store_image
from tests.builds.scenarios import browser_of, image_for, person, save_text, workspace_named

pytestmark = pytest.mark.django_db

PAGE = "/w/lab/images/clean-up/"
BASE, OWN = 60_000_000, 28_400_000  # the layers of a played image


@pytest.fixture
def olga() -> User:
    return person("olga", lab=Role.OWNER)


@pytest.fixture
def lab(olga: User) -> Workspace:
    return workspace_named("lab")


def unused(image: Image, days: float = 100) -> Image:
    Image.objects.filter(pk=image.pk).update(used_at=timezone.now() - datetime.timedelta(days=days))
    return image


def built(text: str, *, days: float = 100, name: str = "forecast", workspace: str = "lab") -> Image:
    """Return the image of a new version, unused for so long."""
    return unused(image_for(save_text(text, name=name, workspace=workspace)), days)


def fates(workspace: Workspace, rule: Rule) -> tuple[dict[str, int], dict[str, int]]:
    plan = preview(workspace, rule)
    return {row.fate: row.images for row in plan.goes}, {row.fate: row.images for row in plan.stays}


# Deleted and kept images


def test_what_nobody_used_goes_but_not_what_the_latest_version_or_an_archived_one_has(
    lab: Workspace, olga: User
) -> None:
    older = built("six==1.0\n")
    built("six==1.1\n", days=10)
    archived = save_text("six==1.2\n")
    unused(image_for(archived))
    built("six==1.3\n")
    archive_version(archived, olga)
    nobodys = built("idna==1\n", name="gone")
    Environment.objects.filter(name="gone").update(anonymous=True)
    update_listing(Environment.objects.get(name="gone"))
    replaced = built("attrs==1\n", name="rebuilt")
    Image.objects.filter(pk=replaced.pk).update(current=False)

    assert fates(lab, Rule(90)) == (
        {"replaced": 1, "nobodys": 1, "older": 1},
        {"used": 1, "latest": 1, "archived": 1},  # rule 33
    )
    assert [image.pk for image in preview(lab, Rule(90)).images] == [older.pk, nobodys.pk, replaced.pk]
    assert fates(lab, Rule(90, older=False))[1]["older"] == 1
    assert fates(lab, Rule(7))[0]["older"] == 2
    assert clean_up(lab, Rule(90), olga).images == 3
    assert Image.objects.count() == 3


def test_an_image_that_is_being_rebuilt_is_kept(lab: Workspace, olga: User) -> None:
    image = built("six==1.0\n")
    version = image.workspace.environments.get().versions.get()
    save_text("six==2.0\n")
    assert fates(lab, Rule())[0] == {"older": 1}
    requests.request_build(version, rebuild=True)
    assert fates(lab, Rule()) == ({}, {"building": 1})
    assert clean_up(lab, Rule(), olga).images == 0


def test_what_a_deployment_uses_stays_until_it_ends(lab: Workspace, olga: User) -> None:  # rule 34
    built("six==1.0\n")
    version = lab.environments.get().versions.get()
    save_text("six==2.0\n")
    use = report_use(version, "deployment", "shop", workspace=lab, user=olga).use
    assert fates(lab, Rule()) == ({}, {"in-use": 1})
    assert clean_up(lab, Rule(), olga).images == 0
    end_use(use, olga)
    assert fates(lab, Rule())[0] == {"older": 1}


def test_what_is_proposed_for_the_catalogue_stays_until_that_is_decided(lab: Workspace, olga: User) -> None:
    """Also where it is no longer its environment's latest: nothing can be approved without its image."""
    built("six==1.0\n")
    version = lab.environments.get().versions.get()
    save_text("six==2.0\n")
    built("six==1.0\n", workspace="other")  # the same content, which nobody proposed from there
    save_text("six==2.0\n", workspace="other")
    proposal = propose(version, olga, name="AzureML-six", as_new=True, comment="It is small.")
    assert fates(lab, Rule()) == ({}, {"proposed": 1})
    assert fates(workspace_named("other"), Rule())[0] == {"older": 1}

    ask_for_changes(proposal, person("cora", curated=Role.CONTRIBUTOR), "Pin it.")
    assert clean_up(lab, Rule(), olga).images == 0
    assert "Proposed for the catalogue" in browser_of(olga).get(PAGE).content.decode()

    withdraw(proposal, olga)
    assert fates(lab, Rule())[0] == {"older": 1}


def test_an_image_of_the_catalogue_stays_while_a_workspace_proposes_its_content(olga: User) -> None:
    """Reviewers see this image."""
    catalogue = workspace_named("curated")
    built("six==1.0\n", name="AzureML-six", workspace="curated")
    save_text("six==2.0\n", name="AzureML-six", workspace="curated")
    version = save_text("six==1.0\n", name="mine")
    save_text("six==3.0\n", name="mine")
    assert fates(catalogue, Rule())[0] == {"older": 1}
    propose(version, olga, name="AzureML-mine", as_new=True, comment="It is older.")
    assert fates(catalogue, Rule()) == ({}, {"proposed": 1})


def test_an_image_of_the_catalogue_stays_as_long_as_anybodys_latest_version_has_it(olga: User) -> None:
    catalogue = workspace_named("curated")
    built("six==1.0\n", name="AzureML-six", workspace="curated")
    save_text("six==2.0\n", name="AzureML-six", workspace="curated")
    assert fates(catalogue, Rule())[0] == {"older": 1}
    save_text("six==1.0\n", name="derived", workspace="lab")
    assert fates(catalogue, Rule()) == ({}, {"latest": 1})


def test_another_workspaces_images_are_not_touched(lab: Workspace, olga: User) -> None:
    built("six==1.0\n", workspace="other")
    save_text("six==2.0\n", workspace="other")
    assert fates(lab, Rule()) == ({}, {})
    assert clean_up(lab, Rule(), olga).images == 0
    assert Image.objects.count() == 1


# Freed bytes


def test_shared_layers_are_freed_with_the_last_image_that_has_them(lab: Workspace) -> None:
    first, second = built("six==1.0\n"), built("six==1.1\n")
    far = built("six==1.1\n", workspace="other")  # the same bytes: one store for all
    assert shared_layers([first.pk, second.pk]) == {first.pk: Shared(2, 1, OWN), second.pk: Shared(2, 2, 0)}
    assert exclusive_bytes([first.pk]) == OWN
    assert exclusive_bytes([first.pk, second.pk]) == OWN
    assert exclusive_bytes([first.pk, second.pk, far.pk]) == BASE + 2 * OWN
    assert exclusive_bytes([]) == 0


def test_layers_of_every_manifest_of_an_index_are_freed_with_it(lab: Workspace) -> None:
    image = built("six==1.0\n")
    others = [{"digest": "sha256:" + "9" * 64, "size": 5, "variant": "linux/arm64"}]
    pulled = image.layers
    image.layers = pulled + others
    save_layers(image)
    assert exclusive_bytes([image.pk]) == BASE + OWN + 5
    assert image.pulled_layers == pulled


def test_a_layer_that_is_in_an_image_twice_is_stored_once(lab: Workspace) -> None:
    image = built("six==1.0\n")
    image.layers = image.layers * 2 + [{}]
    save_layers(image)
    assert exclusive_bytes([image.pk]) == BASE + OWN


def test_a_preview_and_the_list_ask_as_often_for_many_images_as_for_four(
    lab: Workspace, olga: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = browser_of(olga)
    for number in range(4):
        built(f"six=={number}\n")
    for address in (PAGE, "/w/lab/images/"):
        client.get(address)
    few = []
    for address in (PAGE, "/w/lab/images/"):
        with django_assert_max_num_queries(30) as queries_with_few:
            client.get(address)
        few.append(len(queries_with_few))
    for number in range(4, 40):
        built(f"six=={number}\n")
    for address, count in zip((PAGE, "/w/lab/images/"), few, strict=True):
        with django_assert_max_num_queries(count + 1):  # what does not fit on a page is counted
            client.get(address)


# Taking away


def test_the_page_shows_first_and_deletes_then_and_the_activity_tells(
    lab: Workspace, olga: User, settings: Settings
) -> None:
    image = built("six==1.0\n")
    save_text("six==2.0\n")
    build = Build.objects.create(workspace=lab, version=save_text("six==1.0\n", name="twin"), hash=image.hash, image=image, state="succeeded")  # fmt: skip
    save_text("six==3.0\n", name="twin")
    client = browser_of(olga)
    page = client.get(PAGE).content.decode()
    assert "Delete 1 image" in page
    assert "frees 88 MB" in page
    assert "Used by older versions only" in page
    assert Image.objects.count() == 1
    response = client.post(PAGE, {"days": "90", "older": "yes"}, follow=True)
    assert "1 image deleted" in response.content.decode()
    assert not ImageLayer.objects.exists()
    build.refresh_from_db()
    assert build.image is None  # the history stays
    event = Event.objects.get(verb="images.cleaned")
    assert (event.actor, event.details["freed"], event.subject) == (olga, BASE + OWN, "1 image")
    assert "deleted unused images" in client.get("/w/lab/activity/").content.decode()
    again = client.post(PAGE, {"days": "90", "older": "yes"}, follow=True)
    assert "Nothing deleted" in again.content.decode()


@pytest.mark.parametrize("address", ["?days=0", "?days=-5", "?days=1e9", "?days=%00&older=%00"])
def test_no_address_makes_the_rule_any_stricter_than_its_choices(
    lab: Workspace, olga: User, address: str
) -> None:
    built("six==1.0\n", days=50)
    save_text("six==2.0\n")
    assert "Nothing to delete. Every image is needed" in browser_of(olga).get(PAGE + address).content.decode()


def test_a_contributor_sees_no_way_to_clean_up_and_has_none(lab: Workspace) -> None:
    built("six==1.0\n")
    client = browser_of(person("carla", lab=Role.CONTRIBUTOR))
    assert "clean-up" not in client.get("/w/lab/images/").content.decode()
    assert client.post(PAGE, {"days": "7"}).status_code == 403


def test_an_image_requested_after_the_preview_is_kept(lab: Workspace, olga: User) -> None:
    image = built("six==1.0\n")
    version = lab.environments.get().versions.get()
    save_text("six==2.0\n")
    assert len(preview(lab, Rule()).images) == 1
    assert requests.request_build(version).image == image
    assert clean_up(lab, Rule(), olga).images == 0


def test_who_asks_for_an_image_that_goes_at_this_moment_gets_a_build(
    lab: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = built("six==1.0\n")
    version = lab.environments.get().versions.get()
    monkeypatch.setattr(requests, "image_status", lambda _: requests.ImageStatus(image, None))
    Image.objects.all().delete()
    request = requests.request_build(version)
    assert request.build is not None
    assert not request.reused


def test_a_swept_store_has_the_files_of_what_stays_and_no_others(
    lab: Workspace, olga: User, settings: Settings, tmp_path: Path
) -> None:
    settings.STORE = tmp_path / "store"
    store = BlobStore(settings.STORE)
    made = []
    for number, text in enumerate(("six==1.0\n", "six==2.0\n")):
        manifest = store_image(store, bytes([number]) * 4096)
        image = built(text)
        Image.objects.filter(pk=image.pk).update(digest=manifest.digest)
        store.tag(f"{image.name}:latest", manifest)
        made.append(manifest)
    assert clean_up(lab, Rule(), olga).images == 1
    tasks.sweep_store()  # within a day a build may count on any file
    assert all(store.whole(manifest) for manifest in made)
    for path in store.blob_path(made[0].digest).parent.iterdir():
        os.utime(path, (time.time() - 2 * 86400,) * 2)
    tasks.sweep_store()
    assert not store.has(made[0].digest)
    assert store.whole(made[1])
    assert list(store.tags()) == [f"{Image.objects.get().name}:latest"]


def test_the_api_tells_and_does_the_same(lab: Workspace, olga: User) -> None:
    image = built("six==1.0\n")
    built("six==2.0\n")
    client = browser_of(olga)
    address = "/api/v1/workspaces/lab/images/clean-up/"
    body = client.get(f"{address}?days=30").json()
    assert body["goes"] == [{"fate": "older", "images": 1, "size": image.size}]
    assert body["stays"] == [{"fate": "latest", "images": 1, "size": image.size}]
    assert [image["digest"] for image in body["images"]] == [image.digest]
    assert (body["freed"], body["more"]) == (OWN, 0)
    assert client.get(f"{address}?older=false").json()["goes"] == []
    assert client.get(f"{address}?days=0").json()["errors"].keys() == {"days"}
    done = client.post(address, {"days": 30}, content_type="application/json")
    assert done.json() == {"images": 1, "freed": OWN}
    assert client.post(address, {}, content_type="application/json").json() == {"images": 0, "freed": 0}


def test_admins_see_what_the_whole_store_could_do_without(
    lab: Workspace, olga: User, settings: Settings, tmp_path: Path
) -> None:
    settings.STORE = tmp_path / "store"
    image = built("six==1.0\n")
    assert image.pk
    assert "store=1" not in browser_of(olga).get(PAGE).content.decode()
    assert browser_of(olga).post(f"{PAGE}store").status_code == 403
    olga.is_superuser = True
    olga.save()
    client = browser_of(olga)
    assert "store=1" in client.get(PAGE).content.decode()
    assert "No unneeded files" in client.get(f"{PAGE}?store=1").content.decode()
    assert "A worker deletes unneeded files now." in client.post(f"{PAGE}store", follow=True).content.decode()
