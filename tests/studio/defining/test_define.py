"""Defining environments on the pages: what is refused and why, what is kept, what the next version is."""

from __future__ import annotations

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from builds.models import Build
from environments.models import Role, Version
from tests.builds.scenarios import browser_of, person, queue_build, save_text, succeed_build, workspace_named
from tests.studio.html import collapsed

pytestmark = pytest.mark.django_db

LIST = "/w/lab/environments/"
PAGE = "/w/lab/environments/forecast/"
NEW = "/w/lab/new/"
EDIT = "/w/lab/environments/forecast/versions/1/edit/"
TEXT = "numpy==2.1.3\n"


@pytest.fixture
def contributor() -> Client:
    return browser_of(person("carla", lab=Role.CONTRIBUTOR))


def text_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    return collapsed(response.content.decode())


# Creating


def form(**values: object) -> dict[str, object]:
    return {"text": TEXT, "name": "forecast", "workspace": "lab", "action": "save", **values}


def test_pasting_a_definition_makes_the_first_version(contributor: Client) -> None:
    response = contributor.post(NEW, form(description="Nightly", tags="team=forecasting, gpu"))
    assert response["Location"] == f"{PAGE}versions/1/"
    version = Version.objects.get()
    assert version.definition.python.pip == ("numpy==2.1.3",)
    assert version.source == TEXT
    assert (version.description, version.tags) == ("Nightly", {"team": "forecasting", "gpu": ""})
    assert version.created_by is not None
    assert version.created_by.username == "carla"


def test_save_and_build_goes_to_the_build(contributor: Client) -> None:
    response = contributor.post(NEW, form(action="build"))
    assert response["Location"] == reverse("builds:build", args=["lab", Build.objects.get().pk])


def test_what_has_an_image_already_is_ready_at_once(contributor: Client) -> None:  # rule 12
    succeed_build(queue_build(save_text(TEXT)))
    response = contributor.post(NEW, form(name="another", action="build"), follow=True)
    assert "an image for this definition already exists" in response.content.decode()
    assert Build.objects.count() == 1


def test_a_broken_definition_is_refused_with_its_findings_and_keeps_what_was_typed(
    contributor: Client,
) -> None:
    broken = "dependencies:\n  - numpy\n  - [\n"
    response = contributor.post(NEW, form(text=broken, name="mine", description="My words", tags="a=1"))
    page = response.content.decode()
    assert response.status_code == 422
    assert "state-bad" in page
    assert 'data-line="' in page
    for typed in ("- numpy\n  - [", 'value="mine"', "My words", 'value="a=1"'):
        assert typed in page
    assert not Version.objects.exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("AzureML-mine", "curated environments. Choose"),  # rule 27
        ("microsoft-mine", "curated environments"),
        ("has space", "letters, digits"),  # rule 28
        ("", "Name it"),
        ("x" * 256, ""),
        ("../up", ""),
    ],
)
def test_a_name_that_may_not_be_is_refused_beside_its_field(
    contributor: Client, name: str, sentence: str
) -> None:
    response = contributor.post(NEW, form(name=name))
    page = response.content.decode()
    assert response.status_code == 422
    problem = page.split('id="hint_name"')[1].split("</p>")[0]
    assert 'role="alert"' in problem
    assert sentence in problem
    assert page.count("autofocus") == 1  # the browser focuses it, whichever button was pressed
    assert not Version.objects.exists()


def test_a_taken_name_is_refused_and_the_old_environment_stays(contributor: Client) -> None:
    save_text("six==1.16.0\n")
    response = contributor.post(NEW, form())
    assert response.status_code == 422
    assert Version.objects.count() == 1


def test_the_name_in_the_definition_is_taken_when_none_is_typed(contributor: Client) -> None:
    text = "name: from-the-file\nchannels: [conda-forge]\ndependencies: [python=3.12]\n"
    assert contributor.post(NEW, form(text=text, name="")).status_code == 302
    assert Version.objects.get().environment.name == "from-the-file"


@pytest.mark.parametrize("version", ["latest", "a/b", "-1", "x" * 65])
def test_a_version_that_cannot_be_part_of_a_url_is_refused(contributor: Client, version: str) -> None:
    assert contributor.post(NEW, form(version=version)).status_code == 422


def test_a_secret_in_the_definition_is_refused_and_not_saved(contributor: Client) -> None:  # rule 43
    text = "--index-url https://me:hunter2hunter2@example.org/simple\nnumpy==2.1.3\n"
    response = contributor.post(NEW, form(text=text))
    assert response.status_code == 422
    assert "secret-in-definition" in response.content.decode()
    assert not Version.objects.exists()


def test_a_file_is_read_by_its_name(contributor: Client) -> None:
    file = SimpleUploadedFile("Dockerfile", b"FROM debian:12\nRUN true\n")
    assert contributor.post(NEW, form(text="", file=file)).status_code == 302
    assert Version.objects.get().definition.dockerfile == "FROM debian:12\nRUN true\n"


def test_a_file_that_is_no_definition_is_refused_with_what_it_is(contributor: Client) -> None:
    file = SimpleUploadedFile("picture.png", b"\x89PNG\r\n\x1a\n\x00\x00")
    response = contributor.post(NEW, form(text="", file=file))
    assert response.status_code == 422
    assert "state-bad" in response.content.decode()


def test_a_file_over_the_limit_is_refused_with_the_limit(contributor: Client) -> None:  # rule 41
    file = SimpleUploadedFile("requirements.txt", b"# much\n" * 3_000_000)
    response = contributor.post(NEW, form(text="", file=file))
    assert response.status_code == 422
    assert "too-large" in response.content.decode()


def test_a_build_context_is_given_as_an_archive(contributor: Client) -> None:  # rule 39
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("Dockerfile", "FROM debian:12\nCOPY hello.txt /\n")
        archive.writestr("hello.txt", "hello")
    file = SimpleUploadedFile("context.zip", packed.getvalue())
    assert contributor.post(NEW, form(text="", file=file)).status_code == 302
    page = text_of(contributor, f"{PAGE}?tab=context")
    assert "hello.txt" in page
    assert "COPY hello.txt" in page
    assert "has a build context" in text_of(contributor, EDIT)


def test_an_archive_that_is_none_is_refused(contributor: Client) -> None:
    response = contributor.post(NEW, form(text="", file=SimpleUploadedFile("context.zip", b"PK\x03\x04 no")))
    assert response.status_code == 422
    assert "state-bad" in response.content.decode()


def test_nothing_at_all_is_refused(contributor: Client) -> None:
    assert contributor.post(NEW, form(text="")).status_code == 422


def test_nobody_creates_in_a_workspace_that_is_not_theirs(contributor: Client) -> None:
    workspace_named("other")
    assert contributor.post(NEW, form(workspace="other")).status_code == 422
    save_text(TEXT, name="AzureML-x", workspace="curated")
    assert contributor.post(NEW, form(workspace="curated")).status_code == 422
    assert Version.objects.count() == 1


def test_checking_says_what_a_build_would_do_and_saves_nothing(contributor: Client) -> None:
    succeed_build(queue_build(save_text(TEXT)))
    assert "already exists" in contributor.post("/w/lab/check", form()).content.decode()
    assert (
        "This will build a new image"
        in contributor.post("/w/lab/check", form(text="six==1.16.0")).content.decode()
    )
    page = contributor.post(NEW, form(action="check")).content.decode()  # without JavaScript
    assert "shared with 1 version: forecast:1" in page
    assert Version.objects.count() == 1


# The next version, and a start of a new environment


def test_editing_makes_the_next_version_and_keeps_the_old_version(contributor: Client) -> None:  # rule 30
    save_text(TEXT, tags={"team": "x"})
    assert TEXT in text_of(contributor, EDIT)
    response = contributor.post(EDIT, {"text": "numpy==2.2.0\n", "action": "save"})
    assert response["Location"] == f"{PAGE}versions/2/"
    old, new = Version.objects.order_by("number")
    assert old.definition.python.pip == ("numpy==2.1.3",)
    assert new.based_on == old


def test_editing_without_a_change_says_so_and_makes_none(contributor: Client) -> None:  # rule 30
    save_text(TEXT)
    response = contributor.post(EDIT, {"text": TEXT, "action": "save"}, follow=True)
    assert "no new version" in response.content.decode()
    assert Version.objects.count() == 1


def test_other_content_under_a_taken_number_is_refused_with_the_difference(
    contributor: Client,
) -> None:  # rule 30
    save_text(TEXT)
    response = contributor.post(EDIT, {"text": "numpy==2.2.0\n", "version": "1", "action": "save"})
    assert response.status_code == 422
    assert "1 upgraded" in response.content.decode()
    assert Version.objects.count() == 1


def test_a_curated_environment_cannot_be_edited_only_started_from(contributor: Client) -> None:  # rule 29
    start = save_text(TEXT, name="AzureML-sklearn-1.5", workspace="curated")
    assert contributor.get("/w/curated/environments/AzureML-sklearn-1.5/versions/1/edit/").status_code == 404
    address = f"{NEW}?from=curated/AzureML-sklearn-1.5:1"
    page = text_of(contributor, address)
    assert TEXT in page
    assert 'value="sklearn-1.5-copy"' in page
    assert contributor.post(address, form(name="sklearn-mine")).status_code == 302
    assert Version.objects.get(environment__name="sklearn-mine").based_on == start


def test_nobody_starts_from_what_they_cannot_see(contributor: Client) -> None:
    save_text("six==1.16.0\n", workspace="other")
    assert contributor.get(f"{NEW}?from=other/forecast:1").status_code == 404
