"""The first screen of an environment's page: what is in it, whether it works, how to use it."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client

from builds.imaging.lock import Lock
from builds.models import Build, Image, Trial, TrialState
from builds.pages.queries import NOT_BUILT, image_states
from environments.definition import read
from environments.models import Role, Version
from environments.versions.service import save_reading
from studio.environments.summary.contents import contents_of
from studio.environments.summary.status import status_of
from tests.builds.scenarios import (
    browser_of,
    claim_build,
    fail_build,
    image_for,
    main_of,
    person,
    queue_build,
    save_text,
    succeed_build,
    workspace_named,
)

pytestmark = pytest.mark.django_db
PAGE = "/w/lab/environments/forecast/"


@pytest.fixture
def browser() -> Client:
    return browser_of(person("carla", lab=Role.CONTRIBUTOR))


@pytest.fixture
def reader() -> Client:
    return browser_of(person("rita", lab=Role.READER))


def main(client: Client, path: str = PAGE) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return html.unescape(main_of(response.content.decode()))


def head(page: str) -> str:
    return page[page.index('id="environment-head"') : page.index('id="environment-tabs"')]


def primary(page: str) -> list[str]:
    """Return the labels of the buttons of the header that stand out."""
    return re.findall(r'class="btn btn-main".*?<span>(.*?)</span>', head(page))


def locked(image: Image, *packages: str) -> Image:
    (like,) = Lock.model_validate(image.lock).packages
    named = [package.partition("==") for package in packages]
    held = tuple(like.model_copy(update={"name": name, "version": number}) for name, _, number in named)
    image.lock = Lock(packages=held).model_dump(mode="json")
    image.save(update_fields=["lock"])
    return image


# Contents


def test_requested_packages_are_shown_with_their_versions_in_the_image() -> None:
    version = save_text("pandas<3\nnumpy==2.1.3\nsix\n")
    before = contents_of(version, None)
    assert [(item.name, item.version, item.request) for item in before.packages] == [
        ("pandas", "", "<3"),
        ("numpy", "2.1.3", ""),
        ("six", "", ""),
    ]
    image = locked(image_for(version), "numpy==2.1.3", "pandas==2.2.3", "pytz==1", "six==1.17.0")
    after = contents_of(version, image)
    assert [(item.name, item.version, item.request) for item in after.packages] == [
        ("pandas", "2.2.3", "<3"),
        ("numpy", "2.1.3", ""),
        ("six", "1.17.0", ""),
    ]
    assert (after.python, after.size, after.base) == ("3.11.7", 88_400_000, "host")


def test_python_and_its_own_constraint_are_a_fact_and_no_package() -> None:
    text = "image: docker.io/library/ubuntu:22.04\nconda_file: {channels: [c], dependencies: [python=3.10, numpy, pip, {pip: [six]}]}\n"
    version = save_reading(workspace_named("lab"), "conda", read(text, "env.yaml"), source=text).version
    contents = contents_of(version, None)
    assert contents.python == "3.10"
    assert [item.name for item in contents.packages] == ["numpy", "six"]


@pytest.mark.parametrize(
    ("text", "packages", "cuda"),
    [
        ("torch==2.5.1", ["torch==2.5.1+cu124"], "12.4"),
        ("torch==2.5.1", ["nvidia-cuda-runtime-cu12==12.1.105", "torch==2.5.1"], "12.1"),
        ("torch==2.5.1", ["torch==2.5.1+cpu"], ""),
        ("numpy==1", ["numpy==1"], ""),
    ],
)
def test_cuda_is_read_from_the_packages(text: str, packages: list[str], cuda: str) -> None:
    version = save_text(text)
    contents = contents_of(version, locked(image_for(version), *packages))
    assert (contents.cuda, contents.gpu) == (cuda, bool(cuda))


@pytest.mark.parametrize(
    ("base", "cuda"),
    [
        ("nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04", "12.4"),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04", "11.8"),
        ("docker.io/library/python:3.11", ""),
        ("docker.io/library/barracuda:7", ""),
    ],
)
def test_cuda_is_read_from_the_base_image(base: str, cuda: str) -> None:
    text = f"image: {base}\nconda_file: {{dependencies: [pip, {{pip: [numpy]}}]}}\n"
    version = save_reading(workspace_named("lab"), "based", read(text, "env.yaml"), source=text).version
    assert contents_of(version, None).cuda == cuda


def test_a_tag_says_that_an_environment_is_for_gpus() -> None:
    contents = contents_of(save_text("torch==2.5.1", tags={"device": "cuda"}), None)
    assert (contents.gpu, contents.cuda) == (True, "")


def test_many_packages_are_shown_in_part_and_names_are_never_markup(browser: Client) -> None:
    save_text("".join(f"package-{number}==1\n" for number in range(40)) + "x @ https://e.example/?<b>\n")
    page = browser.get(PAGE).content.decode()
    assert "29 more packages" in page
    assert "<b>" not in page


# Status


def test_the_list_and_the_page_agree_on_every_state() -> None:
    version = save_text("numpy==2.1.3")
    workspace = version.environment.workspace

    def check(expected: str) -> None:
        listed = image_states(workspace, [version.hash]).get(version.hash, NOT_BUILT)
        shown = status_of(version, listed.image, base_updated=False)
        assert (listed.state, shown.state) == (expected, expected)

    check("none")
    build = queue_build(version)
    check("queued")
    with claim_build(build) as (claim, reporter):
        check("running")
        reporter.line("Error: no")
        reporter.flush(everything=True)
        claim.fail("package-not-found", "No.", "Yes.", "author", 1)
    check("failed")
    image = succeed_build(queue_build(version))
    check("ready")
    image.delete()
    check("none")


def test_a_failure_is_shown_with_its_cause_and_line_and_the_definition_is_edited_next(
    browser: Client,
) -> None:
    build = queue_build(save_text("nunpy==2.1.3"))
    fail_build(build, error="There is no package <nunpy>.", help="Did you mean numpy?")
    page = main(browser)
    assert primary(page) == ["Edit the definition"]
    failure = page[page.index('id="failure"') : page.index('id="contents"')]
    for text in (
        "There is no package <nunpy>.",
        "Did you mean numpy?",
        "Error: There is no package",
        f"/builds/{build.pk}/#L2",
    ):
        assert text in failure, text
    assert "&lt;nunpy&gt;" in browser.get(PAGE).content.decode()
    assert "Build again" in head(page)  # in the menu
    assert "docker pull" not in page  # it would only repeat the failure


def test_a_failure_outside_of_the_definition_is_built_again(browser: Client) -> None:
    build = queue_build(save_text("numpy==2.1.3"))
    with claim_build(build) as (claim, reporter):
        reporter.flush(everything=True)
        claim.fail("index-away", "No answer.", "Wait.", "outside", 0)
    assert primary(main(browser)) == ["Build again"]


def test_each_state_has_one_primary_button(browser: Client, reader: Client) -> None:
    version = save_text("numpy==2.1.3")
    assert (primary(main(browser)), primary(main(reader))) == (["Build"], [])
    build = queue_build(version)
    assert (primary(main(browser)), primary(main(reader))) == (["See the build"], ["See the build"])
    succeed_build(build)
    assert (primary(main(browser)), primary(main(reader))) == (["Use it"], ["Use it"])
    assert "Rebuild" not in main(reader)


def test_the_state_is_shown_once(browser: Client) -> None:
    succeed_build(queue_build(save_text("numpy==2.1.3")))
    assert main(browser).count(">Ready<") == 2  # in the header, and in its menu of versions


def test_a_failed_rebuild_leaves_the_image_and_says_so(browser: Client) -> None:
    from builds.queue.requests import request_build

    version = save_text("numpy==2.1.3")
    succeed_build(queue_build(version))
    build = request_build(version, rebuild=True).build
    assert build is not None
    fail_build(build)
    page = main(browser)
    assert ">Ready<" in page
    assert "The last rebuild failed. The previous image is unchanged." in page


def test_the_trial_of_imports_is_part_of_the_state(browser: Client) -> None:
    image = succeed_build(queue_build(save_text("numpy==2.1.3")))
    trial = Trial.objects.create(digest=image.digest, state=TrialState.PASSED, imported=7)
    assert "all 7 imports pass" in main(browser)
    Trial.objects.filter(pk=trial.pk).update(
        state=TrialState.FAILED, problems=[{"package": "a"}, {"package": "b"}]
    )
    assert "2 imports fail" in main(browser)


# The menu


def test_compare_starts_with_this_version(browser: Client) -> None:
    save_text("numpy==2.1.3")
    save_text("numpy==2.2.0")
    assert 'compare/?b=lab/forecast%3A2"' in main(browser)
    page = browser.get("/w/lab/compare/?b=lab/forecast:2").content.decode()
    assert "2.1.3" in page  # of the version before


def test_the_definition_is_downloaded_as_it_was_given(reader: Client) -> None:
    save_text("numpy==2.1.3  # kept\n")
    response = reader.get(f"{PAGE}versions/1/file")
    assert response.content.decode() == "numpy==2.1.3  # kept\n"
    assert response["Content-Disposition"] == 'attachment; filename="requirements.txt"'
    assert response["Content-Type"].startswith("text/plain")
    stranger = browser_of(person("stan", elsewhere=Role.OWNER))
    assert stranger.get(f"{PAGE}versions/1/file").status_code == 404


def test_a_downloads_name_is_harmless(reader: Client) -> None:
    version = save_text("numpy==2.1.3")
    Version.objects.filter(pk=version.pk).update(source_path='a/..\\"; x="\r\nSet-Cookie: a.txt')
    header = reader.get(f"{PAGE}versions/1/file")["Content-Disposition"]
    assert re.fullmatch(r'attachment; filename="[A-Za-z0-9._-]+"', header)


# A curated environment in one's own workspace


def test_a_member_builds_and_uses_a_curated_environment_in_one_click(browser: Client) -> None:
    start = save_text(
        "numpy==2.1.3", name="AzureML-nice", workspace="curated", description="Nice", tags={"a": "1"}
    )
    browser.get("/w/lab/environments/")  # the open workspace
    page = main(browser, "/w/curated/environments/AzureML-nice/")
    assert primary(page) == ["Build and use"]
    assert "numpy" in page[page.index('id="contents"') :]  # without opening the text
    browser.post("/w/lab/catalogue/AzureML-nice/build")
    assert Build.objects.get().version == start
    assert primary(main(browser, "/w/curated/environments/AzureML-nice/")) == ["See the build"]
    succeed_build(Build.objects.get())
    assert primary(main(browser, "/w/curated/environments/AzureML-nice/")) == ["Use it"]


def test_a_description_is_markdown_on_the_page_and_its_first_line_in_the_list(browser: Client) -> None:
    save_text("numpy==2.1.3", description="# Nightly *forecasts*\n\n<script>x</script> [go](javascript:x)")
    page = browser.get(PAGE).content.decode()
    assert "<h3>Nightly <em>forecasts</em></h3>" in page
    assert "<script>x" not in page
    assert 'href="javascript' not in page
    row = browser.get("/w/lab/environments/").content.decode()
    assert '<p class="about">Nightly forecasts</p>' in row
