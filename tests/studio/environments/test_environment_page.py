"""The environment's page: changed in place, used elsewhere, its timeline, and what uses it."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from builds.images.packages import save_packages
from builds.imaging.lock import Lock
from builds.models import Image
from environments.models import Environment, Event, Role, Usage, Version
from environments.versions.anonymous import save_anonymous
from environments.versions.input import read_input
from environments.versions.uses import report_use
from tests.builds.healing.examples import affected_environment
from tests.builds.scenarios import (
    browser_of,
    fail_build,
    person,
    queue_build,
    save_text,
    succeed_build,
    workspace_named,
)
from tests.studio.html import collapsed
from tests.studio.queries import repeated_on

pytestmark = pytest.mark.django_db
PAGE = "/w/lab/environments/forecast/"
DESCRIBE = f"{PAGE}versions/1/describe"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def carla() -> User:
    return person("carla", lab=Role.CONTRIBUTOR)


@pytest.fixture
def browser(carla: User) -> Client:
    return browser_of(carla)


@pytest.fixture
def reader() -> Client:
    return browser_of(person("rita", lab=Role.READER))


def text_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    return html.unescape(collapsed(response.content.decode()))


def seen_on(page: str) -> str:
    match = re.search(r'name="seen" value="(\w+)"', page)
    assert match
    return match[1]


def versions_of_each_kind() -> dict[str, Version]:
    curated = save_text("nunpy==2.1.3", name="AzureML-forecast", workspace="curated")
    nameless = save_anonymous(workspace_named("lab"), read_input("nunpy==2.1.3"), version="nameless").version
    return {"curated": curated, "anonymous": nameless, "custom": save_text("nunpy==2.1.3")}


@pytest.mark.parametrize("kind", ["curated", "anonymous", "custom"])
def test_a_failure_offers_to_edit_only_what_can_be_edited(kind: str) -> None:
    version = versions_of_each_kind()[kind]
    workspace, name = version.environment.workspace.name, version.environment.name
    build = queue_build(version)
    fail_build(build)
    carl = browser_of(person("carl", lab=Role.OWNER, curated=Role.OWNER))
    page = f"/w/{workspace}/environments/{name}/versions/{version.version}/"

    for path in (page, f"/w/{workspace}/builds/{build.pk}/"):
        offered = f'href="{page}edit/"' in carl.get(path).content.decode()
        assert offered == (carl.get(f"{page}edit/").status_code == 200) == (kind == "custom"), path


def test_a_page_looks_nothing_up_twice_but_the_role(browser: Client) -> None:
    affected_environment("lab")
    fail_build(queue_build(save_text("nunpy==2.1.3")))

    assert repeated_on(browser, "/w/lab/environments/affected/") == []
    assert repeated_on(browser, PAGE) == []


# Description and tags


def test_description_and_tags_are_read_until_one_asks_to_edit_them(browser: Client, reader: Client) -> None:
    save_text("numpy==2.1.3", description="Nightly forecasts", tags={"team": "nord"})
    page = text_of(browser, PAGE)
    assert "Nightly forecasts" in page
    assert '<textarea class="form-control" id="description"' not in page
    assert '<textarea class="form-control" id="description"' in text_of(browser, f"{PAGE}?edit=about")
    assert '<textarea class="form-control" id="description"' not in text_of(reader, f"{PAGE}?edit=about")
    assert "edit=about" not in text_of(reader, PAGE)


def test_who_saves_over_what_somebody_else_has_changed_is_shown_both(browser: Client) -> None:
    save_text("numpy==2.1.3", description="Old words", tags={"a": "1"})
    seen = seen_on(text_of(browser, f"{PAGE}?edit=about"))
    other = browser_of(person("olga", lab=Role.OWNER))
    other.post(DESCRIBE, {"description": "Olga's words", "tags": "b=2", "seen": seen})

    mine = {"description": "My words", "tags": "c=3"}
    late = browser.post(DESCRIBE, mine | {"seen": seen})
    page = html.unescape(late.content.decode())
    assert late.status_code == 409
    assert "Someone else changed this meanwhile" in page
    assert "Olga's words" in page
    assert "b=2" in page
    assert ">My words</textarea>" in page
    assert 'value="c=3"' in page
    assert Version.objects.get().description == "Olga's words"

    again = browser.post(DESCRIBE, mine | {"seen": seen_on(page)})
    assert again.status_code == 302
    assert Version.objects.get().tags == {"c": "3"}
    events = Event.objects.filter(verb="version.described").order_by("pk")
    assert [event.after and event.after["description"] for event in events] == ["Olga's words", "My words"]


def test_in_place_the_same_form_answers_with_the_part_that_changed(browser: Client) -> None:
    save_text("numpy==2.1.3")
    done = browser.post(DESCRIBE, {"description": "New words"}, headers=HTMX)
    assert done.status_code == 200
    assert "Saved." in done.content.decode()
    assert "New words" in done.content.decode()
    # A live page fetches its address again: neither what was saved nor what is typed gives way to the other.
    assert done.headers["HX-Replace-Url"] == f"{PAGE}versions/1/"
    assert 'id="about" data-live="environments"' in done.content.decode()
    assert 'id="about" aria' in browser.get(f"{PAGE}?edit=about").content.decode()
    # htmx drops what comes as an error, so what is wrong comes as a page.
    wrong = browser.post(DESCRIBE, {"description": "x", "tags": "=2"}, headers=HTMX)
    assert wrong.status_code == 200
    assert "has no name" in html.unescape(wrong.content.decode())
    assert browser.post(DESCRIBE, {"tags": "=2"}).status_code == 422
    assert Version.objects.get().description == "New words"


# The target, and what the solvers warned of


def test_the_target_and_the_warnings_of_an_image_are_on_its_page(browser: Client, reader: Client) -> None:
    version = save_text(
        'image: host\ntarget: {cuda: "12.4", cpu: x86_64_v3}\nconda_file: {dependencies: [python]}'
    )
    image = succeed_build(queue_build(version))
    Image.objects.filter(pk=image.pk).update(
        lock={**(image.lock or {}), "warnings": ["torch 1.0 is installed in its CPU build <cpu_0>."]}
    )

    for client in (browser, reader):
        page = text_of(client, PAGE)
        assert "<dt>Target</dt><dd>CUDA 12.4, processor x86_64_v3</dd>" in page
        assert "torch 1.0 is installed in its CPU build <cpu_0>." in page

    context = text_of(reader, f"{PAGE}?tab=context")
    assert 'target: cuda: "12.4" cpu: "x86_64_v3"' in context  # its conda file
    assert "<dt>Target</dt><dd>CUDA 12.4, processor x86_64_v3</dd>" in text_of(browser, f"{PAGE}?tab=context")


# Usage snippets


@pytest.mark.parametrize(
    ("provider", "sentence"),
    [
        ("machine", "compiled with CPython 3.11.7 of the worker's machine"),
        ("uv", "compiled with CPython 3.11.7, which uv installed"),
        ("base", "compiled with CPython 3.11.7 of the base image, in a container"),
        ("none", "None: the worker had no Python 3.11.7 to compile with. The first import is slower."),
    ],
)
def test_the_page_says_with_whose_python_the_image_was_compiled(
    provider: str, sentence: str, reader: Client
) -> None:
    image = succeed_build(queue_build(save_text("a==1\n")))
    assert "Bytecode" not in text_of(reader, PAGE)
    image.bytecode = {"provider": provider, "python": "3.11.7", "identity": "3.11.7"}
    image.save()

    assert sentence in text_of(reader, PAGE)
    answer = reader.get(f"/api/v1/workspaces/lab/images/{image.digest}/").json()
    assert answer["bytecode"] == image.bytecode


def test_the_ways_to_use_it_are_chosen_by_the_address(browser: Client) -> None:
    version = save_text("numpy==2.1.3")
    assert "docker pull testserver/lab/forecast:1" in text_of(browser, PAGE)  # which builds it
    image = succeed_build(queue_build(version))
    name = "testserver/lab/forecast:1"
    assert f'docker run --rm -it -v "${{PWD}}:/work" -w /work {name} python' in text_of(browser, PAGE)
    assert f"FROM {name}@{image.digest}" in text_of(browser, f"{PAGE}?use=dockerfile")
    assert "uv pip sync" in text_of(browser, f"{PAGE}versions/1/?use=uv")
    assert "docker run" in text_of(browser, f"{PAGE}?use=nonsense")


# The timeline


def packed(version: Version, *packages: str) -> Image:
    """Build a version, and let its image hold these packages (name==version)."""
    image = succeed_build(queue_build(version))
    (like,) = Lock.model_validate(image.lock).packages
    named = [package.partition("==") for package in packages]
    held = tuple(like.model_copy(update={"name": name, "version": number}) for name, _, number in named)
    image.lock = Lock(packages=held).model_dump(mode="json")
    image.save(update_fields=["lock"])
    image.package_rows.all().delete()
    save_packages(image)
    return image


def entry(page: str, number: int) -> str:
    return page.split(f'<li id="version-{number}">')[1].split("<li id=")[0]


def test_each_version_shows_its_changes_and_its_image(browser: Client, carla: User) -> None:
    first = save_text("numpy==2.1.3\nsix==1.16.0\n", user=carla)
    second = save_text("numpy==2.2.0\npandas==2.2.3\n", user=carla)
    packed(first, "numpy==2.1.3", "six==1.16.0")
    image = packed(second, "numpy==2.2.0", "pandas==2.2.3", "pytz==2024.1")
    save_text("numpy==2.2.0\npandas==2.2.2\n")
    page = text_of(browser, f"{PAGE}?tab=versions")

    newest, middle, oldest = (entry(page, number) for number in (3, 2, 1))
    for text in ("2.2.3 → 2.2.2", "1 downgraded", "Not built", "by the studio"):
        assert text in newest, text
    for text in ("2.1.3 → 2.2.0", "pandas", "six", "1 upgraded", "Ready", "by carla", second.hash[:12]):
        assert text in middle, text
    assert "In the image: 1 upgraded, 2 added, 1 removed" in middle
    assert image.digest.removeprefix("sha256:")[:12] in middle
    assert re.search(r"<dt>Build time</dt> <dd> <a href=\"/w/lab/builds/[\w-]+/\">\d\.\d s", middle)
    assert "First version" in oldest
    assert "In the image" not in newest + oldest


def test_the_oldest_version_of_a_page_is_compared_with_the_next_pages_first(browser: Client) -> None:
    for number in range(22):
        save_text(f"numpy==1.{number}.0\n")
    page = text_of(browser, f"{PAGE}?tab=versions")
    assert "1.1.0 → 1.2.0" in entry(page, 3)
    assert "First version" not in page
    assert "First version" in entry(text_of(browser, f"{PAGE}?tab=versions&page=2"), 1)


def test_what_is_chosen_for_comparing_stays_chosen_on_the_next_page(browser: Client) -> None:
    for number in range(22):
        save_text(f"numpy==1.{number}.0\n")
    page = text_of(browser, f"{PAGE}?tab=versions")
    assert checked(page) == {"a": "lab/forecast:21", "b": "lab/forecast:22"}
    # The buttons that turn pages send the form, with what is chosen.
    assert 'name="page" value="2" formaction="/w/lab/environments/forecast/versions/22/"' in page
    page = text_of(browser, f"{PAGE}?tab=versions&page=2&a=lab/forecast:2&b=lab/forecast:20")
    assert checked(page) == {"a": "lab/forecast:2", "b": "lab/forecast:20"}
    assert "new: lab/forecast:20" in page
    assert "old: lab/forecast:2" not in page  # it is in the list
    other = text_of(browser, f"{PAGE}?tab=versions&a=<b>&b=other/secret:1")
    assert checked(other) == {"a": "lab/forecast:21", "b": "lab/forecast:22"}


def checked(page: str) -> dict[str, str]:
    match = re.findall(r'type="radio" name="(\w)" value="([^"]+)" checked', page)
    assert len(match) == len(dict(match))
    return dict(match)


def test_the_timeline_asks_the_database_as_often_for_many_versions_as_for_few(
    browser: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    def asks() -> int:
        with django_assert_max_num_queries(100) as counted:
            text_of(browser, f"{PAGE}?tab=versions")
        return len(counted)

    for number in range(3):
        packed(save_text(f"numpy==1.{number}.0\n"), f"numpy==1.{number}.0")
    text_of(browser, PAGE)  # the session notes the workspace once
    few = asks()
    for number in range(3, 10):
        packed(save_text(f"numpy==1.{number}.0\n"), f"numpy==1.{number}.0")
    assert asks() <= few <= 33


# Used by


def used(name: str, kind: str = "run", *, workspace: str = "lab", **more: Any) -> Usage:
    version = Version.objects.order_by("-pk")[0]
    return report_use(version, kind, name, workspace=workspace_named(workspace), user=None, **more).use


def test_what_uses_it_is_listed_filtered_and_linked(browser: Client) -> None:
    save_text("numpy==2.1.3")
    assert "kind" in text_of(browser, f"{PAGE}?tab=uses")  # how to report
    used("train-41", link="https://runs.example/41?a=1&b=2")
    used("train-40", active=False)
    used("churn", "deployment")
    used("secret", workspace="other")
    page = text_of(browser, f"{PAGE}?tab=uses")
    assert '<a href="https://runs.example/41?a=1&b=2" rel="noopener noreferrer">train-41</a>' in page
    assert "secret" not in page
    assert "1 more active use belongs to a workspace you can't see." in page
    assert re.search(r'Used by</span> <span class="count">2</span>', page)
    for query, names in (
        ("kind=run&state=active", ["train-41"]),
        ("state=ended", ["train-40"]),
        ("q=CHU", ["churn"]),
    ):
        shown = text_of(browser, f"{PAGE}?tab=uses&{query}").split("<tbody>")[1]
        assert [package for package in ("train-41", "train-40", "churn") if package in shown] == names
    assert "No matching uses" in text_of(browser, f"{PAGE}?tab=uses&q=nothing-is-called-this")
    assert "train-41" in text_of(browser, f"{PAGE}?tab=uses&kind=nonsense&page=x")


def test_a_contributor_ends_what_ended_without_a_word_and_then_archives(
    browser: Client, reader: Client, carla: User
) -> None:
    save_text("numpy==2.1.3")
    use = used("train-41")
    refused = browser.post(f"{PAGE}archive", follow=True).content.decode()
    assert "forecast is in use: run train-41 (forecast:1)." in html.unescape(refused)
    assert Environment.objects.get().archived_at is None

    assert "Mark as ended" not in text_of(reader, f"{PAGE}?tab=uses")
    assert reader.post(f"{PAGE}uses/{use.pk}/end").status_code == 403
    assert "Mark as ended" in text_of(browser, f"{PAGE}?tab=uses")
    browser.post(f"{PAGE}uses/{use.pk}/end")
    assert not Usage.objects.get().active
    assert Event.objects.get(verb="use.ended").actor == carla
    browser.post(f"{PAGE}archive")
    assert Environment.objects.get().archived_at is not None


def test_a_use_in_an_invisible_workspace_is_hidden(browser: Client) -> None:
    save_text("numpy==2.1.3")
    use = used("secret", workspace="other")
    assert browser.post(f"{PAGE}uses/{use.pk}/end").status_code == 404
    assert browser.post(f"{PAGE}uses/{use.pk + 1}/end").status_code == 404
    assert Usage.objects.get().active


def test_a_thousand_uses_cost_as_many_queries_as_thirty(
    browser: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    save_text("numpy==2.1.3")
    asks = []
    for first, last in ((0, 30), (30, 1_000)):
        like = used(f"run-{first}")
        Usage.objects.bulk_create(
            Usage(**{field: getattr(like, field) for field in
                   ("workspace", "environment", "version", "kind", "first_at", "last_at")}, name=f"run-{number}")
            for number in range(first + 1, last)
        )  # fmt: skip
        text_of(browser, PAGE)
        with django_assert_max_num_queries(100) as counted:
            assert "run-" in text_of(browser, f"{PAGE}?tab=uses&page=2")
        asks.append(len(counted))
    assert asks[0] >= asks[1]
    assert asks[0] <= 34
