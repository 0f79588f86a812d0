"""The pages of builds and images: who may see and stop what, what a build's page says, what a rebuild asks."""

from __future__ import annotations

import re
import uuid

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from builds.models import Build, BuildState
from builds.models.steps import StepName
from builds.pages.log_groups import LINES_SHOWN
from builds.queue import claims
from environments.models import Role
from tests.builds.scenarios import (
    browser_of,
    claim_build,
    fail_build,
    person,
    queue_build,
    save_text,
    succeed_build,
)

pytestmark = pytest.mark.django_db

LIST = "/w/lab/builds/"
TEXT = "numpy==2.1.3\n"


@pytest.fixture
def carla() -> User:
    return person("carla", lab=Role.CONTRIBUTOR)


@pytest.fixture
def contributor(carla: User) -> Client:
    return browser_of(carla)


@pytest.fixture
def build(carla: User) -> Build:
    return queue_build(save_text(TEXT), carla)


def page_of(build: Build) -> str:
    return f"{LIST}{build.pk}/"


def text_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    return str(response.content.decode())


# Access


@pytest.mark.parametrize("rest", ["", "log.txt"])
def test_a_stranger_gets_not_found(build: Build, rest: str) -> None:
    stranger = browser_of(person("stan", other=Role.OWNER))
    assert stranger.get(page_of(build) + rest).status_code == 404
    assert stranger.get(f"/w/other/builds/{build.pk}/{rest}").status_code == 404
    assert stranger.get(f"/w/other/builds/{uuid.uuid4()}/{rest}").status_code == 404


@pytest.mark.parametrize("path", [LIST, "/w/lab/images/"])
def test_a_stranger_sees_no_list(path: str, build: Build) -> None:
    assert browser_of(person("stan", other=Role.OWNER)).get(path).status_code == 404
    assert browser_of(None).get(path).status_code == 302


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_a_reader_may_look_and_neither_cancel_nor_retry(build: Build, verb: str) -> None:
    reader = browser_of(person("rita", lab=Role.READER))
    page = text_of(reader, page_of(build))
    assert "<span>Cancel build</span>" not in page
    assert reader.post(f"{page_of(build)}{verb}").status_code == 403
    assert reader.get(f"{page_of(build)}{verb}").status_code == 405
    build.refresh_from_db()
    assert build.state == BuildState.QUEUED


# One build


def test_a_queued_build_shows_its_requester_and_position(contributor: Client, build: Build) -> None:
    page = text_of(contributor, page_of(build))
    assert "Queued" in page
    assert "Next in line · waiting for a free worker" in page
    assert "Requested by carla" in page
    assert "<title>Queued: forecast:1 · Studio</title>" in page


def test_two_who_want_the_same_see_one_another_and_one_build(contributor: Client, build: Build) -> None:
    friend = browser_of(person("fred", lab=Role.CONTRIBUTOR))
    response = friend.post("/w/lab/environments/forecast/versions/1/build", follow=True)
    assert response.redirect_chain == [(page_of(build), 302)]
    assert "Requested by carla, fred" in response.content.decode()
    assert "Stop waiting" in response.content.decode()


def test_cancelling_mine_leaves_the_others(contributor: Client, build: Build) -> None:
    friend = browser_of(person("fred", lab=Role.CONTRIBUTOR))
    friend.post("/w/lab/environments/forecast/versions/1/build")
    contributor.post(f"{page_of(build)}cancel")
    build.refresh_from_db()
    assert build.state == BuildState.QUEUED
    friend.post(f"{page_of(build)}cancel")
    build.refresh_from_db()
    assert build.state == BuildState.CANCELLED
    assert "Build cancelled." in text_of(contributor, page_of(build))


def test_cancelling_what_one_did_not_ask_for_is_refused_with_a_sentence(build: Build) -> None:
    friend = browser_of(person("fred", lab=Role.CONTRIBUTOR))
    response = friend.post(f"{page_of(build)}cancel", follow=True)
    assert "You haven&#x27;t requested this build" in response.content.decode()
    build.refresh_from_db()
    assert build.state == BuildState.QUEUED


def test_a_running_build_shows_steps_how_far_they_are_and_the_log_so_far(
    contributor: Client, build: Build
) -> None:
    with claim_build(build) as (_, reporter):
        with reporter.step(StepName.BASE) as step:
            step.cached = True
            reporter.line("the base is here")
        with reporter.step(StepName.FETCH):
            reporter.progress(30_000_000, 60_000_000, "bytes")
            reporter.line("fetching \x1b[32mnumpy\x1b[0m")
            reporter.log.flush()
            reporter._write_progress()
            page = text_of(contributor, page_of(build))
    assert "Cached" in page
    assert '<progress class="step-progress" max="100" value="50"' in page
    assert "30 MB of 60 MB" in page
    assert 'id="L1"' in page
    assert '<span class="c2">numpy</span>' in page
    assert "Reload the page" in page  # for those without JavaScript


@pytest.mark.parametrize("code", ["registry-refused", "index-refused", "channel-refused"])
def test_a_server_that_refuses_leads_owners_to_the_connections(
    contributor: Client, build: Build, code: str
) -> None:
    """Issue 4: those who may manage connections are one click away from what puts it right."""
    fail_build(build, code=code)
    owner = browser_of(person("olga", lab=Role.OWNER))
    link = '<a href="/w/lab/settings/?tab=connections">'
    assert link in text_of(owner, page_of(build))
    assert link not in text_of(contributor, page_of(build))
    assert link not in text_of(browser_of(person("rita", lab=Role.READER)), page_of(build))


def test_another_failure_does_not_lead_to_the_connections(build: Build) -> None:
    fail_build(build)
    assert "?tab=connections" not in text_of(browser_of(person("olga", lab=Role.OWNER)), page_of(build))


def test_a_failed_build_says_what_happened_whose_fault_it_is_and_what_to_do(
    contributor: Client, build: Build
) -> None:
    fail_build(build)
    page = text_of(contributor, page_of(build))
    box = page.split('class="failure"')[1].split("</section>")[0]
    assert "There is no package nunpy." in box
    assert "Cause: the definition." in box
    assert "Did you mean numpy?" in box
    assert 'href="#L2"' in box
    assert "package-not-found" in box
    assert 'class="l bad" id="L2"' in page


def test_retrying_asks_again_and_a_build_under_way_cannot_be_retried(
    contributor: Client, build: Build
) -> None:
    response = contributor.post(f"{page_of(build)}retry", follow=True)
    assert "Only failed or cancelled builds" in response.content.decode()
    fail_build(build)
    response = contributor.post(f"{page_of(build)}retry")
    again = Build.objects.latest("queued_at")
    assert again.pk != build.pk
    assert response["Location"] == page_of(again)


def test_retrying_what_somebody_else_has_built_is_ready_at_once(contributor: Client, build: Build) -> None:
    fail_build(build)
    succeed_build(queue_build(save_text(TEXT, name="twin")))
    response = contributor.post(f"{page_of(build)}retry", follow=True)
    assert response.redirect_chain == [("/w/lab/environments/forecast/versions/1/", 302)]
    assert "is ready" in response.content.decode()


def test_a_finished_build_shows_the_image_and_how_to_pull_it(contributor: Client, build: Build) -> None:
    image = succeed_build(build, "Build done")
    page = text_of(contributor, page_of(build))
    by_name = page.index("docker pull testserver/lab/forecast:1<")
    assert by_name < page.index(f"docker pull testserver/{image.name}:latest<")
    assert image.digest in page
    assert 'data-active="no"' in page


def test_a_build_that_a_worker_lost_shows_its_attempts(contributor: Client, build: Build) -> None:
    with claim_build(build) as (_, reporter):
        with reporter.step(StepName.BASE):
            reporter.line("first attempt")
        reporter.log.flush()
        Build.objects.filter(pk=build.pk).update(state=BuildState.QUEUED, claim=None)
    with claim_build(build) as (_, reporter):
        with reporter.step(StepName.RESOLVE):
            reporter.line("second attempt")
        reporter.log.flush()
    page = text_of(contributor, page_of(build))
    assert "attempt 2" in page
    steps = page.partition('<ol class="steps-list">')[2].partition("</ol>")[0]
    # The steps of the attempt that counts
    assert re.findall(r'data-step="(\w+)" data-state="([\w-]+)"', steps)[:2] == [
        ("base", "skipped"),
        ("resolve", "succeeded"),
    ]
    assert page.index("first attempt") < page.index("second attempt")  # the log keeps both


def test_of_a_long_log_the_page_shows_the_end_and_all_of_it_when_asked(
    contributor: Client, build: Build
) -> None:
    with claim_build(build) as (_, reporter):
        for part in range(7):
            for line in range(1000):
                reporter.line(f"part {part} line {line}")
            reporter.log.flush()
    page = text_of(contributor, page_of(build))
    assert 'id="L7000"' in page
    assert 'id="L1"' not in page
    assert page.count('class="l"') <= LINES_SHOWN + 1000
    assert "Show lines 1 to 2000" in page
    everything = text_of(contributor, f"{page_of(build)}?all")
    assert everything.count('class="l"') == 7000


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous iterators")
def test_the_log_is_a_text_to_download_whole(contributor: Client, build: Build) -> None:
    fail_build(build)
    response = contributor.get(f"{page_of(build)}log.txt")
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert f"forecast-1-{str(build.pk)[:8]}.log" in response["Content-Disposition"]
    assert b"".join(response).decode().splitlines() == [
        "Resolving 1 requirement",
        "Error: There is no package nunpy.",
    ]


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous iterators")
def test_a_saved_log_has_no_terminal_escapes(contributor: Client, build: Build) -> None:
    """It may be shown in a terminal; on the page, colours are shown as colours."""
    with claim_build(build) as (_, reporter):
        reporter.line("\x1b[31mred\x1b[0m \x1b]0;title\x07and plain")
        reporter.log.flush()

    response = contributor.get(f"{page_of(build)}log.txt")

    assert b"".join(response).decode() == "red and plain\n"


def test_a_log_cannot_put_markup_on_the_page(contributor: Client, build: Build) -> None:
    fail_build(build, error="<script>alert(1)</script>", help="<img src=x>")
    page = text_of(contributor, page_of(build))
    assert "<script>alert" not in page
    assert "<img" not in page


# History


def test_the_history_filters_by_state_environment_and_person(contributor: Client, carla: User) -> None:
    fail_build(queue_build(save_text("nunpy==1\n", name="broken"), carla))
    succeed_build(queue_build(save_text(TEXT), person("fred", lab=Role.CONTRIBUTOR)))
    everything = text_of(contributor, LIST)
    assert ">broken:1</a>" in everything
    assert ">forecast:1</a>" in everything
    for address in ("?state=failed", "?q=BROK", "?by=me"):
        page = text_of(contributor, LIST + address)
        assert ">broken:1</a>" in page
        assert ">forecast:1</a>" not in page
    assert "No matching builds" in text_of(contributor, f"{LIST}?q=nothing-like-it")
    assert contributor.get(f"{LIST}?state=nonsense&page=-3").status_code == 200


def test_an_empty_history_says_how_a_build_comes_about(contributor: Client) -> None:
    assert "No builds yet" in text_of(contributor, LIST)
    assert "No images yet" in text_of(contributor, "/w/lab/images/")  # rule 25


@pytest.mark.parametrize("path", [LIST, "/w/lab/images/", "/w/lab/environments/forecast/?tab=builds"])
def test_lists_ask_the_database_as_often_for_ten_as_for_three(
    contributor: Client, django_assert_max_num_queries: DjangoAssertNumQueries, path: str
) -> None:
    save_text(TEXT)
    for number in range(3):
        succeed_build(queue_build(save_text(f"numpy==1.{number}.0\n")))
    contributor.get(path)
    with django_assert_max_num_queries(100) as three:
        contributor.get(path)
    for number in range(3, 10):
        succeed_build(queue_build(save_text(f"numpy==1.{number}.0\n")))
    with django_assert_max_num_queries(100) as ten:
        contributor.get(path)
    assert len(ten) == len(three) <= 26


# Images and rebuilds


def test_the_images_say_which_versions_share_them(contributor: Client, build: Build) -> None:  # rule 11
    image = succeed_build(build)
    save_text(TEXT, name="twin")
    page = text_of(contributor, "/w/lab/images/")
    assert image.digest[7:19] in page
    assert "forecast:1" in page
    assert "twin:1" in page


def test_a_rebuild_first_names_every_version_that_shares_the_image(
    contributor: Client, build: Build
) -> None:  # rule 16
    succeed_build(build)
    save_text(TEXT, name="twin")
    address = "/w/lab/environments/forecast/versions/1/"
    page = text_of(contributor, f"{address}rebuild/")
    assert "2 versions share this image" in page
    assert "twin:1" in page
    assert Build.objects.count() == 1
    contributor.post(f"{address}build", {"rebuild": "yes"})
    assert Build.objects.latest("queued_at").rebuild


def test_building_what_is_ready_builds_nothing(contributor: Client, build: Build) -> None:
    succeed_build(build)
    response = contributor.post("/w/lab/environments/forecast/versions/1/build", follow=True)
    assert "already exists" in response.content.decode()
    assert Build.objects.count() == 1


def test_a_build_that_is_being_stopped_says_so(contributor: Client, build: Build, carla: User) -> None:
    with claim_build(build) as (claim, _):
        contributor.post(f"{page_of(build)}cancel")
        page = text_of(contributor, page_of(build))
        assert "stopping" in page
        assert "<span>Cancel build</span>" not in page
        assert claims.request_cancellation(build.pk)
        claim.cancel()
    assert "Build cancelled." in text_of(contributor, page_of(build))


def test_what_its_author_must_put_right_is_edited_and_what_nobody_must_is_tried_again(
    build: Build, contributor: Client
) -> None:
    edit = (
        f'href="/w/lab/environments/{build.version.environment.name}/versions/{build.version.version}/edit/"'
    )
    fail_build(build)
    fault = Build.objects.filter(pk=build.pk)
    reader = browser_of(person("rita", lab=Role.READER))
    for who, whose, there in (
        (contributor, "author", True),
        (contributor, "outside", False),
        (reader, "author", False),
    ):
        fault.update(error_fault=whose)
        assert (edit in text_of(who, page_of(build))) is there
