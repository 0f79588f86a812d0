"""The images of shared versions, and the API and pages that share, accept and decline."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from builds.images.repositories import image_of_version
from builds.images.retention import Rule, clean_up, preview
from builds.images.store_sweep import sweep
from builds.imaging.oci.store import BlobStore
from builds.models import Image
from builds.review.sharing import accept, share
from environments.models import Version
from environments.models.shares import Share
from tests.builds.distribution import basic, store_image
from tests.builds.scenarios import (
    browser_of,
    image_for,
    main_of,
    queue_build,
    save_text,
    succeed_build,
    workspace_named,
)
from tests.environments.sharing.sharing import API, SENT, post, refused

# The image


def test_the_receivers_pull_the_image_after_the_sender_has_deleted_theirs(
    olga: User, vera: User, settings: Settings
) -> None:
    store = BlobStore(settings.STORE)
    manifest = store_image(store, b"\0" * 1024)
    version = save_text("numpy==2.1.3\n", user=olga)
    image = succeed_build(queue_build(version, olga))
    Image.objects.filter(pk=image.pk).update(digest=manifest.digest, layers=[])
    saved = accept(share(version, "vision", olga), vera)
    Image.objects.filter(workspace__name="lab").delete()
    sweep(dry_run=False, grace_seconds=0)
    assert (image_of_version(saved, catalogue=False) or image).digest == manifest.digest
    pulled = Client().get(
        "/v2/vision/forecast/manifests/1", headers={"Authorization": basic("vera", "a long enough password")}
    )
    assert pulled.status_code == 200
    assert pulled.headers["Docker-Content-Digest"] == manifest.digest


def test_an_undecided_share_keeps_the_image_that_was_sent_also_when_it_is_rebuilt(
    forecast: Version, olga: User, vera: User
) -> None:
    Image.objects.update(digest=f"sha256:{'8' * 64}")
    row = share(forecast, "vision", olga)
    sent = Image.objects.get(workspace__name="lab")
    sent.current = False
    sent.used_at = timezone.now() - timedelta(days=400)
    sent.save()
    image_for(forecast)
    assert "shared" in {outcome.fate for outcome in preview(workspace_named("lab"), Rule()).stays}
    assert clean_up(workspace_named("lab"), Rule(), olga).images == 0
    saved = accept(row, vera)
    assert Image.objects.get(workspace=saved.environment.workspace).digest == row.digest
    assert clean_up(workspace_named("lab"), Rule(), olga).images == 1


def test_accepting_without_an_image_left_changes_nothing(forecast: Version, olga: User, vera: User) -> None:
    row = share(forecast, "vision", olga)
    Image.objects.all().delete()
    assert refused(lambda: accept(row, vera)) == "not-built"
    row.refresh_from_db()
    assert row.waiting
    assert not Version.objects.filter(environment__workspace__name="vision").exists()


def test_an_image_that_the_receivers_have_of_the_same_content_stays_theirs(
    forecast: Version, olga: User, vera: User
) -> None:
    own = image_for(save_text("# other\nnumpy==2.1.3\n", name="mine", workspace="vision"))
    accept(share(forecast, "vision", olga), vera)
    assert list(Image.objects.filter(workspace__name="vision")) == [own]


# The API and the pages


def test_the_api_shares_lists_accepts_and_declines(forecast: Version, olga: User, vera: User) -> None:
    there = "lab/environments/forecast/versions/1/share/"
    status, given = post(olga, there, {"workspace": "vision", "message": "Try it."})
    assert (status, given["state"], given["version"]) == (201, "waiting", "lab/forecast:1")
    (listed,) = browser_of(vera).get(f"{API}vision/shares/received/").json()["results"]
    assert (listed["message"], listed["shared_by"], listed["accepted"]) == ("Try it.", "olga", None)
    status, version = post(vera, f"vision/shares/{listed['id']}/accept/", {"name": "theirs"})
    assert (status, version["environment"], version["based_on"]) == (200, "theirs", "lab/forecast:1")
    assert version["image"] == "ready"
    page = browser_of(vera).get("/w/vision/environments/theirs/").content.decode()
    tab = browser_of(vera).get("/w/vision/environments/theirs/?tab=context").content.decode()
    assert "lab/forecast:1" in page
    assert "/w/lab/" not in page + tab  # which Vera can't open
    assert post(vera, f"vision/shares/{listed['id']}/decline/")[0] == 409
    assert (
        browser_of(vera).get(f"{API}vision/shares/received/").json()["results"][0]["accepted"]
        == "vision/theirs:1"
    )
    status, second = post(olga, there, {"workspace": "vision"})
    assert post(vera, f"vision/shares/{second['id']}/decline/")[1]["state"] == "declined"
    assert [row["state"] for row in browser_of(olga).get(f"{API}lab/shares/sent/").json()["results"]] == [
        "declined",
        "accepted",
    ]
    wrong: tuple[dict[str, object], ...] = (
        {},
        {"workspace": "7 "},
        {"workspace": ["vision"]},
        {"workspace": "vision", "message": "x" * 3000},
    )
    for sent in wrong:
        assert post(olga, there, sent)[0] in (400, 409)


def test_the_menu_leads_to_the_page_and_hostile_values_are_shown_as_text(
    forecast: Version, olga: User, vera: User
) -> None:
    browser = browser_of(olga)
    assert SENT in browser.get("/w/lab/environments/forecast/").content.decode()
    assert "What happens next" in browser.get(SENT).content.decode()
    answer = browser.post(SENT, {"to": "vision", "name": "<img src=x>", "message": "<img src=x>"})
    assert answer.status_code == 422
    assert "<img src=x>" not in answer.content.decode()
    assert browser.post(SENT, {"to": "vision", "message": "x" * 20_000}).status_code == 422
    browser.post(SENT, {"to": "vision", "message": "<img src=x>"})
    page = browser_of(vera).get(f"/w/vision/shares/{Share.objects.get().pk}/").content.decode()
    assert "<img src=x>" not in page
    assert "numpy==2.1.3" in page


def test_the_lists_take_the_same_queries_however_long(
    forecast: Version, olga: User, vera: User, django_assert_max_num_queries: Any
) -> None:
    share(forecast, "vision", olga)
    vera_there = browser_of(vera)
    vera_there.get("/w/vision/settings/?tab=sharing")
    for number in range(8):
        version = save_text(f"scipy==1.{number}", name=f"more-{number}")
        image_for(version)
        share(version, "vision", olga)
    with django_assert_max_num_queries(30):
        page = vera_there.get("/w/vision/settings/?tab=sharing").content.decode()
    assert main_of(page).count(">lab/more-") == 8
