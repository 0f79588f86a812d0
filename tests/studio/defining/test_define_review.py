"""The review step forecasts what saving and building would do."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from builds.models import BaseImage, Build, Image
from environments.definition import read
from environments.models import Event, Role, Version
from environments.versions.service import save_reading
from tests.builds.scenarios import browser_of, person, queue_build, save_text, succeed_build, workspace_named

pytestmark = pytest.mark.django_db

NEW = "/w/lab/new/"
EDIT = "/w/lab/environments/forecast/versions/1/edit/"
TEXT = "numpy==2.1.3\n"


@pytest.fixture
def contributor() -> Client:
    return browser_of(person("carla", lab=Role.CONTRIBUTOR))


def form(**values: object) -> dict[str, object]:
    return {"text": TEXT, "name": "forecast", "workspace": "lab", "action": "review", **values}


def test_the_review_names_the_version_and_saves_nothing(contributor: Client) -> None:
    response = contributor.post(NEW, form(description="Nightly", tags="team=x"))
    page = response.content.decode()
    assert response.status_code == 200
    assert "forecast:1 will be created in Lab" in page
    assert "Create and build" in page
    assert re.search(r">\s*team=x\s*<", page)
    assert not Version.objects.exists()
    assert not Event.objects.exists()


def test_the_review_says_which_number_the_next_version_gets(contributor: Client) -> None:
    save_text(TEXT)
    save_text("numpy==2.2.0\n")
    page = contributor.post(EDIT, form(text="numpy==2.3.0\n")).content.decode()
    assert "forecast:3 will be the next version" in page
    assert Version.objects.count() == 2


def test_the_review_is_served_as_a_partial_or_a_page(contributor: Client) -> None:
    part = contributor.post(NEW, form(), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "forecast:1 will be created" in part
    page = contributor.post(NEW, form()).content.decode()
    assert '<div class="stack" id="step-define" hidden>' in page
    assert 'name="name" value="forecast"' in page  # everything typed goes along


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"version": "latest"}, "latest"),
        ({"workspace": "curated"}, "valid choice"),
        ({"tags": "=x"}, "no name before"),
        ({"text": "dependencies:\n  - [\n"}, "Fix the errors"),
        ({"text": ""}, "No definition yet"),
    ],
)
def test_a_problem_is_shown_and_nothing_can_be_created(
    contributor: Client, typed: dict[str, str], sentence: str
) -> None:
    response = contributor.post(NEW, form(**typed))
    page = response.content.decode()
    assert response.status_code == 422
    problem = page.split('id="reviewed-head"')[1]
    assert "Not ready to save" in problem
    assert sentence in problem
    assert "Create" not in problem


def test_a_taken_name_is_reported_before_saving(contributor: Client) -> None:
    save_text("six==1.16.0\n")
    page = contributor.post(NEW, form(), headers={"HX-Request": "true"}).content.decode()
    assert "“forecast” already exists. Save as version 2, or choose another name." in page
    assert 'href="/w/lab/environments/forecast/"' in page
    assert "Save as version 2 and build" in page


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "Name it: the definition has no name."),
        ("AzureML-mine", "curated environments"),
        ("a b", "letters"),
    ],
)
def test_a_missing_or_wrong_name_is_typed_in_the_review(
    contributor: Client, name: str, sentence: str
) -> None:
    response = contributor.post(NEW, form(name=name))
    page = response.content.decode().split('id="reviewed-head"')[1]
    assert response.status_code == 422
    assert "Name it to save it" in page
    assert re.search(rf'id="review-name" name="name" value="{name}"[^>]*autofocus', page)
    assert sentence in page
    assert "Create and build" in page


def test_the_name_of_the_review_counts(contributor: Client) -> None:
    """Without a script both fields are sent, the review's last."""
    contributor.post(NEW, form(name=["old", "typed-in-review"], action="save"))
    assert Version.objects.get().environment.name == "typed-in-review"


def test_the_review_shows_what_differs_from_where_it_started(contributor: Client) -> None:
    save_text("numpy==2.1.3\nsix==1.16.0\n", name="AzureML-base", workspace="curated")
    page = contributor.post(
        f"{NEW}?from=curated/AzureML-base:1", form(text="numpy==2.2.0\n")
    ).content.decode()
    assert "1 upgraded, 1 removed" in page
    assert "upgraded" in page


def test_the_page_of_a_derived_environment_shows_what_differs_from_its_start(contributor: Client) -> None:
    start = save_text(TEXT, name="AzureML-base", workspace="curated")
    contributor.post(f"{NEW}?from=curated/AzureML-base:1", form(text="numpy==2.2.0\n", action="save"))
    assert Version.objects.get(environment__name="forecast").based_on == start
    page = contributor.get("/w/lab/environments/forecast/?tab=context").content.decode()
    assert "Started from" in page
    assert "1 upgraded" in page
    assert "a=curated/AzureML-base:1&amp;b=lab/forecast%3A1" in page


def test_an_invisible_origin_is_not_named_in_the_context() -> None:
    hidden = save_text(TEXT, name="secret", workspace="other")
    save_text("numpy==2.2.0\n", based_on=hidden)
    reader = browser_of(person("rita", lab=Role.READER))
    assert "secret" not in reader.get("/w/lab/environments/forecast/?tab=context").content.decode()


def test_the_expected_duration_comes_from_earlier_builds(contributor: Client) -> None:
    for number in range(3):
        build = queue_build(save_text(f"numpy==2.1.{number}\n", name=f"e{number}"))
        succeed_build(build)
        Build.objects.filter(pk=build.pk).update(started_at=timezone.now() - timedelta(seconds=40))
    page = contributor.post("/w/lab/check", form(text="six==1.16.0\n")).content.decode()
    assert "This will build a new image, in about 40 s." in page


def test_an_image_on_a_base_whose_tag_floats_is_looked_at_before_anything_is_saved(
    contributor: Client,
) -> None:  # rule 18
    text = "image: python:3.12\n"
    version = save_reading(workspace_named("lab"), "floating", read(text), source=text).version
    image = succeed_build(queue_build(version))
    Image.objects.filter(pk=image.pk).update(floating=True, base_digest="sha256:1")
    known = BaseImage.objects.create(
        reference=BaseImage.reference_of(version.definition), digest="sha256:1", checked_at=timezone.now()
    )
    assert "already exists" in contributor.post("/w/lab/check", form(text=text)).content.decode()
    BaseImage.objects.filter(pk=known.pk).update(digest="sha256:2")
    assert "This will build a new image" in contributor.post("/w/lab/check", form(text=text)).content.decode()


def test_the_outlook_is_that_of_the_workspace_it_goes_to() -> None:
    succeed_build(queue_build(save_text(TEXT, workspace="attic")))
    client = browser_of(person("carla", lab=Role.CONTRIBUTOR, attic=Role.CONTRIBUTOR))
    assert "This will build a new image" in client.post("/w/lab/check", form()).content.decode()
    assert "already exists" in client.post("/w/lab/check", form(workspace="attic")).content.decode()
    stranger = browser_of(person("sam", lab=Role.CONTRIBUTOR))
    assert (
        "This will build a new image"
        in stranger.post("/w/lab/check", form(workspace="attic")).content.decode()
    )


# The files of a build context, one by one


def context_of(**files: bytes) -> SimpleUploadedFile:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in {"Dockerfile": b"FROM debian:12\nCOPY . /\n", **files}.items():
            archive.writestr(name, content)
    return SimpleUploadedFile("context.zip", packed.getvalue())


@pytest.fixture
def in_context(contributor: Client) -> Version:
    file = context_of(hello=b"hello\n", blob=b"\x00\x01\xff")
    assert contributor.post(NEW, form(text="", file=file, action="save")).status_code == 302
    return Version.objects.get()


def test_one_file_of_a_build_context_is_edited_and_the_others_stay(
    contributor: Client, in_context: Version
) -> None:
    page = contributor.get("/w/lab/environments/forecast/?tab=context&file=hello").content.decode()
    assert 'name="context_file" value="hello"' in page
    response = contributor.post(EDIT, {"text": "good bye\r\n", "context_file": "hello", "action": "save"})
    assert response["Location"] == "/w/lab/environments/forecast/versions/2/"
    version = Version.objects.get(number=2)
    assert version.source == ""  # one file is not the text of the whole
    context = version.definition.context
    assert context is not None
    assert {file.path: file.content for file in context.files} == {
        "Dockerfile": b"FROM debian:12\nCOPY . /\n",
        "hello": b"good bye\n",
        "blob": b"\x00\x01\xff",
    }


def test_a_dockerfile_broken_in_a_context_is_refused_with_its_line(
    contributor: Client, in_context: Version
) -> None:
    broken = "FROM debian:12\nRUNN true\n"
    sent = {"text": broken, "context_file": "Dockerfile", "action": "save"}
    response = contributor.post(EDIT, sent)
    page = response.content.decode()
    review = contributor.post("/w/lab/check?from=lab/forecast:1&next=1", sent).content.decode()
    assert response.status_code == 422
    assert 'data-severity="error" data-line="2"' in page
    assert 'data-severity="error" data-line="2"' in review
    assert "RUNN true" in page
    assert Version.objects.count() == 1


def test_a_file_that_is_no_text_or_not_there_is_not_edited(contributor: Client, in_context: Version) -> None:
    page = contributor.get("/w/lab/environments/forecast/?tab=context&file=blob").content.decode()
    assert 'name="context_file" value="Dockerfile"' in page
    assert 'file=hello"' in page
    assert 'file=blob"' not in page.split('id="files-head"')[1].split("<dialog")[0]
    for path in ("nowhere", "../../etc/passwd"):
        assert contributor.post(EDIT, {"text": "x", "context_file": path}).status_code == 404


def test_a_build_context_is_started_from_with_all_its_files(contributor: Client, in_context: Version) -> None:
    address = f"{NEW}?from=lab/forecast:1"
    assert "COPY . /" in contributor.get(address).content.decode()
    sent = form(name="twin", text="FROM debian:13\nCOPY . /\n", context_file="Dockerfile", action="save")
    assert contributor.post(address, sent).status_code == 302
    context = Version.objects.get(environment__name="twin").definition.context
    assert context is not None
    assert len(context.files) == 3


def test_a_new_build_context_replaces_the_old_context(contributor: Client, in_context: Version) -> None:
    sent = {"text": "FROM debian:12\n", "context_file": "Dockerfile", "file": context_of(), "action": "save"}
    assert contributor.post(EDIT, sent).status_code == 302
    context = Version.objects.get(number=2).definition.context
    assert context is not None
    assert [file.path for file in context.files] == ["Dockerfile"]


def test_an_archive_is_requested_again_if_the_browser_cannot_keep_it(contributor: Client) -> None:
    page = contributor.post(NEW, form(text="", file=context_of())).content.decode()
    assert "Choose context.zip again" in page
    part = contributor.post(NEW, form(text="", file=context_of()), headers={"HX-Request": "true"})
    assert "context.zip again" not in part.content.decode()


# The tab where the next version is written


def test_the_context_tab_is_an_editor_for_those_who_may_define_and_a_text_for_others() -> None:
    save_text(TEXT, description="Kept", tags={"team": "x"})
    address = "/w/lab/environments/forecast/?tab=context"
    reader = browser_of(person("rita", lab=Role.READER)).get(address).content.decode()
    assert "<textarea" not in reader
    assert "numpy==2.1.3" in reader
    page = browser_of(person("carla", lab=Role.CONTRIBUTOR)).get(address).content.decode()
    assert f'action="{EDIT}"' in page
    assert 'name="description" value="Kept"' in page  # the next version keeps the description


def test_the_context_tab_saves_and_builds_what_keeps_its_description(contributor: Client) -> None:
    save_text(TEXT, description="Kept", tags={"team": "x"})
    page = contributor.get("/w/lab/environments/forecast/?tab=context").content.decode()
    sent = dict(re.findall(r'<input type="hidden" name="(description|tags)" value="([^"]*)"', page))
    response = contributor.post(EDIT, {**sent, "text": "numpy==2.2.0\n", "action": "build"})
    version = Version.objects.get(number=2)
    assert (version.description, version.tags) == ("Kept", {"team": "x"})
    assert response["Location"] == f"/w/lab/builds/{Build.objects.get(version=version).pk}/"


def test_only_pages_with_the_editor_let_it_style_them(contributor: Client) -> None:
    save_text(TEXT)
    plain = contributor.get("/w/lab/environments/forecast/")
    assert "nonce" not in plain["Content-Security-Policy"]
    pages = [contributor.get(address) for address in (NEW, EDIT, "/w/lab/environments/forecast/?tab=context")]
    nonces = set()
    for page in pages:
        nonce = page.content.decode().split('nonce="')[1].split('"')[0]
        assert page["Content-Security-Policy"].endswith(f"style-src 'self' 'nonce-{nonce}'")
        nonces.add(nonce)
    assert len(nonces) == 3
