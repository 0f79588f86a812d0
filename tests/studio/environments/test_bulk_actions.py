"""Several environments of the list at once: comparing two, building, archiving."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from builds.models import Build
from environments.models import Environment, Role
from environments.versions.uses import report_use
from tests.builds.scenarios import browser_of, main_of, person, queue_build, save_text, succeed_build

pytestmark = pytest.mark.django_db
LIST = "/w/lab/environments/"
CHOSEN = "/w/lab/chosen/"


@pytest.fixture
def carla() -> Client:
    return browser_of(person("carla", lab=Role.CONTRIBUTOR))


@pytest.fixture
def rita() -> Client:
    return browser_of(person("rita", lab=Role.READER))


def send(browser: Client, what: str, *names: str, **more: str) -> str:
    """Press a button of the list and return the page that follows."""
    sent = {"environment": list(names), "next": f"{LIST}?sort=name", **more}
    answer = browser.post(f"{CHOSEN}{what}", sent, follow=True)
    assert answer.redirect_chain[0][0].startswith(("/w/lab/compare/", f"{LIST}?sort=name"))
    return main_of(answer.content.decode())


def archived() -> set[str]:
    return set(Environment.objects.exclude(archived_at=None).values_list("name", flat=True))


def test_two_are_compared_the_older_one_first_also_one_of_the_catalogue(rita: Client) -> None:
    save_text("numpy==2.1.3\n", name="AzureML-old", workspace="curated")
    save_text("numpy==2.2.0\n", name="newer")
    page = send(rita, "compare", "lab/newer", "curated/AzureML-old")
    old, new = page.split("<fieldset")[1:3]
    assert "<option selected>curated/AzureML-old</option>" in old
    assert "<option selected>lab/newer</option>" in new
    assert "2.2.0" in page


@pytest.mark.parametrize("names", [(), ("lab/one",), ("lab/one", "lab/two", "lab/three")])
def test_one_or_three_are_not_compared_and_the_page_says_so(rita: Client, names: tuple[str, ...]) -> None:
    for name in ("one", "two", "three"):
        save_text(f"numpy==2.1.3\n# {name}\n", name=name)
    assert "Choose two environments to compare." in send(rita, "compare", *names)


@pytest.mark.parametrize("name", ["lab/gone", "other/secret", "lab", "/", "lab/a:b:c"])
def test_what_one_cannot_see_is_not_compared(rita: Client, name: str) -> None:
    save_text("numpy==2.1.3\n", name="one")
    save_text("numpy==2.1.3\n", name="secret", workspace="other")
    answer = rita.post(f"{CHOSEN}compare", {"environment": ["lab/one", name]})
    assert answer.status_code == 404


def test_several_are_built_at_once_and_those_that_have_an_image_are_not(carla: Client) -> None:
    save_text("numpy==2.1.3\n", name="one")
    save_text("numpy==2.2.0\n", name="two")
    succeed_build(queue_build(save_text("six==1.16.0\n", name="ready")))
    page = send(carla, "build", "lab/one", "lab/two", "lab/ready")
    assert "2 builds requested." in page
    assert "1 environment is already built." in page
    assert Build.objects.count() == 3


def test_a_full_queue_is_reported_once_and_the_rest_is_built(carla: Client, settings: Settings) -> None:
    settings.LIMIT_QUEUED = 1
    for name in ("one", "two", "three"):
        save_text(f"{name}==1\n", name=name)
    page = send(carla, "build", "lab/one", "lab/two", "lab/three")
    assert Build.objects.count() == 1
    assert page.count("notice-error") == 1
    assert "1 build requested." in page


def test_a_just_stopped_build_is_reported_and_the_others_are_built(carla: Client) -> None:
    for name in ("one", "two"):
        save_text(f"{name}==1\n", name=name)
    send(carla, "build", "lab/one")
    Build.objects.update(cancel_requested=True, stopped_by=person("olga"))
    page = send(carla, "build", "lab/one", "lab/two")
    assert "olga stopped the build" in page
    assert Build.objects.count() == 2


def test_several_are_archived_and_come_back_together(carla: Client) -> None:
    for name in ("one", "two", "three"):
        save_text(f"numpy==2.1.3\n# {name}\n", name=name)
    page = send(carla, "archive", "lab/one", "lab/two")
    assert "2 environments archived." in page
    assert archived() == {"one", "two"}
    assert ">one</a>" not in page
    shown = main_of(carla.get(LIST, {"archived": "1"}).content.decode())
    assert 'name="restore" value="yes"' in shown
    assert "1 environment restored." in send(carla, "archive", "lab/one", "lab/three", restore="yes")
    assert archived() == {"two"}


def test_what_is_in_use_stays_and_the_others_are_archived(carla: Client) -> None:  # rule 34
    used = save_text("numpy==2.1.3\n", name="used")
    save_text("numpy==2.1.3\n", name="free")
    report_use(used, "deployment", "blue", workspace=used.environment.workspace, user=None)
    page = send(carla, "archive", "lab/free", "lab/used")
    assert archived() == {"free"}
    assert page.count("notice-error") == 1
    assert "blue" in page


def test_another_workspaces_environments_are_not_touched(carla: Client) -> None:
    save_text("numpy==2.1.3\n", name="theirs", workspace="other")
    for what in ("archive", "build"):
        assert "Choose at least one environment." in send(carla, what, "other/theirs", "lab/theirs", "x\0")
    assert not archived()
    assert not Build.objects.exists()


def test_readers_are_offered_to_compare_and_nothing_else(rita: Client, carla: Client) -> None:
    save_text("numpy==2.1.3\n", name="one")
    reading, writing = (main_of(client.get(LIST).content.decode()) for client in (rita, carla))
    assert f'action="{CHOSEN}compare"' in reading
    assert f'formaction="{CHOSEN}' not in reading
    assert writing.count(f'formaction="{CHOSEN}') == 2
    for what in ("archive", "build"):
        assert rita.post(f"{CHOSEN}{what}", {"environment": "lab/one"}).status_code == 403
