"""The pages and the API of base images and rebases: who sees and changes what, and hostile input."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from builds.models import BaseCheck, Image, Rebase, RebasedImage, RebaseState
from builds.models.rebases import Fate
from environments.models import Event, Role
from tests.builds.scenarios import browser_of, image_for, main_of, person, save_text, workspace_named

pytestmark = pytest.mark.django_db

BASE = "docker.io/library/python:3.11-slim"
HOSTILE = [
    "<script>alert(1)</script>",
    '"><b>',
    "a b",
    "",
    "x" * 1_000_000,
    "UPPER/case",
    "python:3.11@sha256:1",
]


@pytest.fixture
def owner() -> User:
    return person("olga", lab=Role.OWNER)


@pytest.fixture
def image() -> Image:
    image = image_for(save_text("numpy\n"))
    Image.objects.update(base=BASE, base_created_at=timezone.now() - timedelta(days=90))
    check = {"digest": "sha256:" + "f" * 64, "newer": "3.11.14-slim", "checked_at": timezone.now()}
    BaseCheck.objects.create(workspace=workspace_named("lab"), reference=BASE, **check)
    image.refresh_from_db()
    return image


def planned(image: Image, **fields: object) -> Rebase:
    rebase = Rebase.objects.create(
        workspace=image.workspace, base=BASE, target=BASE, state=RebaseState.READY, **fields
    )
    RebasedImage.objects.create(
        rebase=rebase,
        image=image,
        workspace=image.workspace,
        hash=image.hash,
        digest_before=image.digest,
        base_before=image.base,
        base_digest_before=image.base_digest,
    )
    return rebase


def test_the_page_shows_each_base_with_its_age_owner_and_what_is_newer(image: Image, owner: User) -> None:
    page = main_of(browser_of(owner).get("/w/lab/bases/").content.decode())

    for text in ("python:3.11-slim", "Docker Official Images", "Tag updated", "Older than 30 days"):
        assert text in page
    assert "Newer: 3.11.14-slim" in page
    assert "1 image</strong> of 1 on an outdated base image" in page
    assert "Preview rebase" in page
    reader = browser_of(person("rita", lab=Role.READER)).get("/w/lab/bases/").content.decode()
    assert "Preview rebase" not in reader
    assert "Check now" not in reader


def test_many_bases_cost_no_more_queries(
    image: Image, owner: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        other = image_for(save_text(f"numpy=={number}\n", name=f"e{number}"))
        Image.objects.filter(pk=other.pk).update(base=f"docker.io/library/base{number}:1")
    browser = browser_of(owner)
    with django_assert_max_num_queries(25):
        assert browser.get("/w/lab/bases/").status_code == 200
    with django_assert_max_num_queries(25):
        assert browser.get("/bases/").status_code == 200


def test_everywhere_shows_members_their_workspaces_and_admins_all(image: Image, owner: User) -> None:
    other = image_for(save_text("six\n", workspace="shop"))
    Image.objects.filter(pk=other.pk).update(base="docker.io/library/secret:1")

    assert "secret:1" not in browser_of(owner).get("/bases/").content.decode()
    admin = User.objects.create_superuser("admin")
    page = main_of(browser_of(admin).get("/bases/").content.decode())
    assert "secret:1" in page
    assert "Outdated base images by workspace" in page


def test_an_owner_previews_starts_and_stops_a_rebase(image: Image, owner: User) -> None:
    browser = browser_of(owner)
    previewed = browser.post(
        "/w/lab/rebases/preview", {"base": "python:3.11-slim", "digest": image.base_digest}
    )
    rebase = Rebase.objects.get()
    assert previewed["Location"] == f"/w/lab/rebases/{rebase.pk}/"
    assert (rebase.base, rebase.target, rebase.base_digest) == (BASE, BASE, image.base_digest)
    assert "Preparing the preview" in browser.get(previewed["Location"]).content.decode()

    ready = planned(image)
    page = main_of(browser.get(f"/w/lab/rebases/{ready.pk}/").content.decode())
    assert "Rebase 1 image" in page
    browser.post(f"/w/lab/rebases/{ready.pk}/start", {"rebuild": "on"})
    ready.refresh_from_db()
    assert (ready.state, ready.rebuild, ready.requested_by) == (RebaseState.RUNNING, True, owner)
    browser.post(f"/w/lab/rebases/{ready.pk}/start")
    assert Event.objects.filter(verb="rebase.started").count() == 1
    browser.post(f"/w/lab/rebases/{ready.pk}/cancel")
    ready.refresh_from_db()
    assert ready.state == RebaseState.CANCELLED


@pytest.mark.parametrize("typed", HOSTILE)
def test_what_is_no_reference_is_refused_with_the_reason(image: Image, owner: User, typed: str) -> None:
    browser = browser_of(owner)
    page = browser.post("/w/lab/rebases/preview", {"base": typed, "to": typed}, follow=True)

    assert "This is no reference to an image" in page.content.decode()
    assert "<script>alert" not in page.content.decode()
    sent = json.dumps({"base": typed, "to": typed})
    answer = browser.post("/api/v1/workspaces/lab/rebases/", sent, "application/json")
    assert answer.status_code == 400
    assert not Rebase.objects.exists()


def test_another_workspaces_rebase_does_not_exist_here(image: Image) -> None:
    rebase = planned(image)
    browser = browser_of(person("sam", shop=Role.OWNER))

    assert browser.get(f"/w/lab/rebases/{rebase.pk}/").status_code == 404
    for url in (f"/w/shop/rebases/{rebase.pk}/", f"/api/v1/workspaces/shop/rebases/{rebase.pk}/"):
        assert browser.get(url).status_code == 404
    assert browser.post(f"/w/shop/rebases/{rebase.pk}/start").status_code == 404
    member = browser_of(person("carl", lab=Role.CONTRIBUTOR))
    assert member.post(f"/w/lab/rebases/{rebase.pk}/start").status_code == 403


def test_the_api_gives_what_the_pages_show(image: Image, owner: User) -> None:
    browser = browser_of(owner)
    listed = browser.get("/api/v1/workspaces/lab/bases/").json()
    (base,) = listed["bases"]
    assert (base["base"], base["moved"], base["newer"]) == (
        BASE,
        True,
        "docker.io/library/python:3.11.14-slim",
    )
    assert listed["outdated"] == [{"workspace": "lab", "images": 1, "outdated": 1, "moved": 1, "old": 1}]
    sent = json.dumps({"base": "python:3.11-slim", "to": "python:3.11.14-slim", "dry_run": False})
    made = browser.post("/api/v1/workspaces/lab/rebases/", sent, "application/json")
    assert made.status_code == 201
    assert made.json()["target"] == "docker.io/library/python:3.11.14-slim"
    rebase = planned(image)
    images = browser.get(f"/api/v1/workspaces/lab/rebases/{rebase.pk}/images/").json()["results"]
    assert [row["fate"] for row in images] == ["rebase"]
    shown = browser.get(f"/api/v1/workspaces/lab/rebases/{rebase.pk}/").json()
    assert shown["images"]["rebase"] == 1
    assert len(browser.get("/api/v1/workspaces/lab/rebases/").json()["results"]) == 2
    assert browser.post("/api/v1/workspaces/lab/bases/check/").json() == {"requested": 0}


def test_pages_of_images_show_the_image_before_and_the_image_after_a_rebase(
    image: Image, owner: User
) -> None:
    rebase = planned(image, requested_by=owner)
    after = "sha256:" + "9" * 64
    RebasedImage.objects.update(
        fate=Fate.REBASED, digest_after=after, base_digest_after="sha256:" + "8" * 64, at=timezone.now()
    )
    fields = {name: getattr(image, name) for name in ("hash", "repository", "size", "base", "base_digest")}
    Image.objects.update(current=False)
    Image.objects.create(workspace=image.workspace, digest=after, **fields)
    browser = browser_of(owner)

    new = main_of(browser.get(f"/w/lab/images/{after}/").content.decode())
    old = main_of(browser.get(f"/w/lab/images/{image.digest}/").content.decode())

    assert "by olga" in new
    assert f"/w/lab/images/{image.digest}/" in new
    assert "See the new image" in old
    assert rebase.pk
