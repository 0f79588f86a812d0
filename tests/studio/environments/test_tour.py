"""The tour after a first build: its steps are ticked off by what really happens, for each person alone."""

from __future__ import annotations

import html

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from builds.imaging.oci.store import BlobStore
from builds.models import Image
from environments.models import Role, Tour
from environments.workspaces.tour import PULLED, note
from tests.builds.distribution import basic, store_image
from tests.builds.scenarios import browser_of, main_of, person, queue_build, save_text, succeed_build

pytestmark = pytest.mark.django_db
PAGE = "/w/lab/environments/forecast/"
PASSWORD = "a long enough password"


@pytest.fixture
def carla() -> User:
    return person("carla", lab=Role.CONTRIBUTOR)


@pytest.fixture
def browser(carla: User) -> Client:
    return browser_of(carla)


def tour_of(client: Client) -> str:
    """Return the tour on the page; empty without one."""
    page = html.unescape(main_of(client.get(PAGE).content.decode()))
    return page.partition('id="tour"')[2].partition("</section>")[0]


def built(user: User | None) -> Image:
    image = succeed_build(queue_build(save_text("numpy==2.1.3"), user))
    manifest = store_image(BlobStore(settings.STORE), b"\0" * 1024)
    Image.objects.filter(pk=image.pk).update(digest=manifest.digest, layers=[])
    return image


def pull(name: str, method: str = "GET", reference: str = "1", secret: str = PASSWORD) -> int:
    headers = {"Authorization": basic(name, secret)} if name else {}
    path = f"/v2/lab/forecast/manifests/{reference}"
    return Client().generic(method, path, headers=headers).status_code


def test_it_begins_with_ones_own_first_image(browser: Client, carla: User) -> None:
    version = save_text("numpy==2.1.3")
    assert tour_of(browser) == ""
    succeed_build(queue_build(version, carla))
    assert "0/3" in tour_of(browser)
    other = browser_of(person("olga", lab=Role.OWNER))
    assert tour_of(other) == ""  # who has built nothing
    assert tour_of(browser_of(person("rita", lab=Role.READER))) == ""


def test_a_pull_a_second_version_and_a_comparison_tick_it_off(browser: Client, carla: User) -> None:
    built(carla)
    assert pull("carla") == 200
    assert "1/3" in tour_of(browser)
    save_text("numpy==2.1.3\nsix==1.16.0\n", user=carla)
    succeed_build(queue_build(save_text("numpy==2.1.3\nsix==1.16.0\n"), carla))
    steps = tour_of(browser)
    assert "2/3" in steps
    assert "compare/?b=lab/forecast%3A2" in steps
    browser.get("/w/lab/compare/")  # nothing is compared yet
    browser.get("/w/lab/compare/?a=lab/forecast:1&b=lab/nothing:2")
    assert "2/3" in tour_of(browser)
    browser.get("/w/lab/compare/?b=lab/forecast:2")
    assert "3/3" in tour_of(browser)


def test_only_a_real_pull_counts(browser: Client, carla: User) -> None:
    built(carla)
    assert pull("carla", "HEAD") == 200
    assert pull("carla", reference="9") == 404
    assert pull("carla", secret="wrong") == 401
    assert pull("") == 401
    person("olga", lab=Role.OWNER)
    assert pull("olga") == 200
    assert "0/3" in tour_of(browser)
    assert Tour.objects.get().user.get_username() == "olga"


def test_somebody_elses_version_is_not_ones_own_step(browser: Client, carla: User) -> None:
    built(carla)
    olga = person("olga", lab=Role.OWNER)
    succeed_build(queue_build(save_text("six==1.16.0", user=olga), olga))
    assert "0/3" in tour_of(browser)


def test_it_is_dismissed_for_good_and_for_one_person(browser: Client, carla: User) -> None:
    olga = person("olga", lab=Role.OWNER)
    built(carla)
    queue_build_again = browser_of(olga)
    queue_build_again.post(f"{PAGE}versions/1/build")  # answered by the image
    assert "0/3" in tour_of(queue_build_again)
    response = browser.post("/tour/dismiss", {"next": PAGE})
    assert response.headers["Location"] == PAGE
    assert tour_of(browser) == ""
    assert "0/3" in tour_of(queue_build_again)
    pull("carla")
    assert tour_of(browser) == ""


def test_dismissing_leads_nowhere_else(browser: Client) -> None:
    assert browser.post("/tour/dismiss", {"next": "https://evil.example/"}).headers["Location"] == "/"
    assert Client().post("/tour/dismiss").headers["Location"].startswith("/login/")
    assert browser.get("/tour/dismiss").status_code == 405


def test_a_step_keeps_its_first_time(carla: User) -> None:
    note(carla, PULLED)
    first = Tour.objects.get().pulled_at
    note(carla, PULLED)
    assert Tour.objects.get().pulled_at == first
