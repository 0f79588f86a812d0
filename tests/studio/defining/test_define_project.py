"""Defining an environment from a project on the pages: several files, and the part of it to read."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from environments.definition.files.limits import Limits
from environments.models import Role, Version
from environments.versions import input as inputs
from tests.builds.scenarios import browser_of, person
from tests.environments.definition import toy_project
from tests.environments.definition.toy_project import LOCK, MANIFEST

pytestmark = pytest.mark.django_db

NEW = "/w/lab/new/"
CHECK = "/w/lab/check"
PAGE = "/w/lab/environments/forecast/"
EDIT = f"{PAGE}versions/1/edit/"
STALE = MANIFEST.replace("main numpy", "main numpy\nmain pandas")


@pytest.fixture
def contributor(monkeypatch: pytest.MonkeyPatch) -> Client:
    toy_project.install(monkeypatch)
    return browser_of(person("carla", lab=Role.CONTRIBUTOR))


def project(manifest: str = MANIFEST, lock: str = LOCK) -> list[SimpleUploadedFile]:
    """Return both files as they are dropped."""
    return [
        SimpleUploadedFile("project.toy", manifest.encode()),
        SimpleUploadedFile("toy.lock", lock.encode()),
    ]


def form(**values: object) -> dict[str, object]:
    return {"text": "", "name": "forecast", "workspace": "lab", "action": "save", **values}


def fields(page: str) -> dict[str, list[str]]:
    """Return what a browser would send of the form's choice and of the files beside the text."""
    checked = re.findall(r'<input class="form-check-input" type="checkbox"\s[^>]*?checked[^>]*>', page)
    sent: dict[str, list[str]] = {}
    for box in checked:
        name, value = re.search(r'name="([^"]*)"', box), re.search(r'value="([^"]*)"', box)
        if name and value:
            sent.setdefault(name[1], []).append(value[1])
    for name_, value_ in re.findall(r'<textarea name="(beside:[^"]*)" hidden>\n([^<]*)</textarea>', page):
        sent[name_] = [value_]
    select = page.partition('name="environment">')[2].partition("</select>")[0]
    if chosen := re.search(r'<option value="([^"]*)" selected', select):
        sent["environment"] = [chosen[1]]
    return sent


def text_in(page: str) -> str:
    return page.partition('id="id_text"')[2].partition(">\n")[2].partition("</textarea>")[0]


# Several files


def test_dropped_files_are_read_as_one_folder_and_kept(contributor: Client) -> None:
    contributor.post(NEW, form(file=project(), extras=["viz"]))
    version = Version.objects.get()
    assert "matplotlib==3.9.0" in version.definition.python.pip
    assert version.source == MANIFEST
    assert version.source_path == "project.toy"
    assert [(file.path, file.text) for file in version.source_files.all()] == [("toy.lock", LOCK)]
    assert version.definition.selection.extras == ("viz",)


def test_of_files_beside_a_lock_its_manifest_is_edited(contributor: Client) -> None:
    readme = SimpleUploadedFile("README.md", b"# A project\n")
    page = contributor.post(CHECK, form(file=[readme, *project()])).content.decode()
    assert "0 conda, " in page
    contributor.post(NEW, form(file=[SimpleUploadedFile("README.md", b"# A project\n"), *project()]))
    version = Version.objects.get()
    assert (version.source_path, version.source) == ("project.toy", MANIFEST)


def test_the_next_version_begins_with_the_same_definition(contributor: Client) -> None:
    contributor.post(NEW, form(file=project(), extras=["viz"], environment="gpu"))
    page = contributor.get(EDIT).content.decode()
    assert text_in(page) == MANIFEST
    sent = fields(page)
    assert sent == {"extras": ["viz"], "groups": ["test"], "environment": ["gpu"], "beside": ["toy.lock"]}
    response = contributor.post(EDIT, form(text=MANIFEST, filename="project.toy", **sent), follow=True)
    assert "has this content already" in response.content.decode()
    response = contributor.post(
        EDIT, form(text=MANIFEST, filename="project.toy", **sent | {"extras": ["docs"]})
    )
    assert response.status_code == 302
    second = Version.objects.get(number=2)
    assert "sphinx==8.0.0" in second.definition.python.pip
    assert second.source_files.get().text == LOCK


def test_an_edited_manifest_makes_the_lock_stale_until_it_is_solved_again(contributor: Client) -> None:
    contributor.post(NEW, form(file=project()))
    sent = fields(contributor.get(EDIT).content.decode())
    edited = form(text=STALE, filename="project.toy", **sent)
    response = contributor.post(EDIT, edited)
    page = response.content.decode()
    assert response.status_code == 422
    assert "lock-stale" in page
    assert 'name="ignore_lock"' in page
    assert text_in(page) == STALE
    contributor.post(EDIT, edited | {"ignore_lock": "yes"})
    second = Version.objects.get(number=2)
    assert "pandas" in second.definition.python.pip
    assert second.definition.selection.ignore_lock
    assert second.source_files.get().path == "toy.lock"


def test_a_file_that_is_taken_out_is_not_read(contributor: Client) -> None:
    contributor.post(NEW, form(file=project()))
    sent = fields(contributor.get(EDIT).content.decode())
    del sent["beside"]
    contributor.post(EDIT, form(text=STALE, filename="project.toy", **sent))
    second = Version.objects.get(number=2)
    assert "pandas" in second.definition.python.pip
    assert not second.source_files.exists()


def test_a_refused_form_shows_the_files_again(contributor: Client) -> None:
    response = contributor.post(NEW, form(name="has space", file=project(), extras=["viz"]))
    page = response.content.decode()
    assert response.status_code == 422
    sent = fields(page)
    assert sent["beside:toy.lock"] == [LOCK]
    assert sent["extras"] == ["viz"]
    contributor.post(NEW, form(text=text_in(page), filename="project.toy", **sent))
    assert "matplotlib==3.9.0" in Version.objects.get().definition.python.pip


def test_an_archive_of_a_project_can_be_edited_like_its_files(contributor: Client) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("project.toy", MANIFEST)
        archive.writestr("toy.lock", LOCK)
    contributor.post(NEW, form(file=SimpleUploadedFile("project.zip", packed.getvalue()), extras=["viz"]))
    version = Version.objects.get()
    assert (version.source, version.source_path) == (MANIFEST, "project.toy")
    assert version.source_files.get().text == LOCK


def test_a_dockerfile_with_its_files_is_a_build_context(contributor: Client) -> None:
    files = [
        SimpleUploadedFile("Dockerfile", b"FROM debian:12\nCOPY run.sh .\n"),
        SimpleUploadedFile("run.sh", b"true\n"),
    ]
    contributor.post(NEW, form(file=files))
    version = Version.objects.get()
    assert version.definition.context is not None
    assert (version.source, version.source_files.count()) == ("", 0)
    assert "run.sh" in contributor.get(f"{PAGE}?tab=context").content.decode()


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["project.toy", "project.toy"], "file-twice"),
        (["a/project.toy", "b\\project.toy"], "file-twice"),
        (["one.bin", "two.bin"], "not-a-definition"),
        (["../../etc/passwd", "C:\\.ssh\\id"], "not-a-definition"),
    ],
)
def test_files_that_are_no_folder_are_refused(contributor: Client, names: list[str], code: str) -> None:
    files = [SimpleUploadedFile(name, b"\1") for name in names]
    response = contributor.post(NEW, form(file=files))
    assert response.status_code == 422
    assert code in response.content.decode()


def test_the_limit_holds_for_all_files_together(contributor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "LIMITS", Limits(context=300))
    response = contributor.post(NEW, form(file=[*project(), SimpleUploadedFile("data.csv", b"1," * 100)]))
    assert response.status_code == 422
    assert "too-large" in response.content.decode()


def test_a_file_that_is_not_needed_is_not_held_in_memory() -> None:
    class Unread(SimpleUploadedFile):
        def read(self, *_: object) -> bytes:
            raise AssertionError("nothing needs it")

    unread = Unread("data.bin", b"")
    unread.size = inputs.LIMITS.sources
    given = inputs.read_input("", "", [SimpleUploadedFile("requirements.txt", b"six==1.17.0\n"), unread])
    assert given.reading.accepted
    assert (given.text, given.beside) == ("six==1.17.0\n", {})


def test_files_of_another_persons_workspace_cannot_be_named(contributor: Client) -> None:
    contributor.post(NEW, form(file=project()))
    other = browser_of(person("otto", theirs=Role.CONTRIBUTOR))
    url = "/w/theirs/new/?from=lab/forecast:1"
    sent = form(text=MANIFEST, filename="project.toy", beside=["toy.lock"], workspace="theirs")
    assert other.post(url, sent).status_code == 404
    own = "/w/theirs/new/"
    response = other.post(own, sent | {"beside": ["toy.lock", "/etc/passwd", "x" * 2000]})
    assert response.status_code == 302
    assert not Version.objects.get(environment__workspace__name="theirs").source_files.exists()


# The choice


def test_a_check_offers_the_parts_with_the_default_chosen(contributor: Client) -> None:
    page = contributor.post(CHECK, form(text=MANIFEST)).content.decode()
    assert 'id="choice" hx-swap-oob="innerHTML"' in page
    assert fields(page) == {"groups": ["test"], "environment": ["default"]}
    assert 'value="viz"' in page
    assert 'name="ignore_lock"' not in page


DEFAULT_GROUP = (
    '[project]\nname = "lab"\nversion = "1"\ndependencies = ["six"]\n'
    '[dependency-groups]\ndocs = ["packaging"]\ntest = ["attrs"]\n[tool.uv]\ndefault-groups = ["docs"]\n'
)


@pytest.mark.parametrize(
    ("sent", "checked", "packages"),
    [
        ({}, {"docs"}, 2),
        ({"default_groups": ["docs"], "groups": ["docs", "test"]}, {"docs", "test"}, 3),
        ({"default_groups": ["docs"]}, set(), 1),
        ({"default_groups": ["docs"], "groups": ["test"]}, {"test"}, 2),
    ],
)
def test_a_default_group_can_be_unchecked(
    contributor: Client, sent: dict[str, object], checked: set[str], packages: int
) -> None:
    page = contributor.post(CHECK, form(text=DEFAULT_GROUP, **sent)).content.decode()
    boxes = {value: box for box in re.findall(r"<input[^>]*>", page) if (value := _value(box))}
    assert {name for name, box in boxes.items() if "checked" in box} == checked
    assert page.count('<input type="hidden" name="default_groups" value="docs">') == 1
    assert f"0 conda, {packages} pip" in page


def test_the_next_version_leaves_the_default_group_out_too(contributor: Client) -> None:
    contributor.post(NEW, form(text=DEFAULT_GROUP, filename="pyproject.toml", default_groups=["docs"]))
    version = Version.objects.get()
    assert (version.definition.python.pip, version.definition.selection.no_groups) == (("six",), ("docs",))
    page = contributor.get(EDIT).content.decode()
    assert "groups" not in fields(page)
    assert 'name="default_groups" value="docs"' in page
    assert "Groups left out" in contributor.get(f"{PAGE}?tab=context").content.decode()


def test_a_refused_definition_keeps_its_default_groups_checked(contributor: Client) -> None:
    sent = {"extras": ["gone"], "default_groups": ["docs"]}
    page = contributor.post(CHECK, form(text=DEFAULT_GROUP, groups=["docs"], **sent)).content.decode()
    assert fields(page)["groups"] == ["docs"]
    assert "groups" not in fields(contributor.post(CHECK, form(text=DEFAULT_GROUP, **sent)).content.decode())
    first = contributor.post(CHECK, form(text=DEFAULT_GROUP, extras=["gone"])).content.decode()
    assert fields(first)["groups"] == ["docs"]


def _value(box: str) -> str:
    match = re.search(r'name="groups" value="([^"]*)"', box)
    return match[1] if match else ""


@pytest.mark.parametrize("text", ["numpy==2.1.3\n", ""])
def test_there_is_no_choice_where_there_is_nothing_to_choose(contributor: Client, text: str) -> None:
    response = contributor.post(CHECK, form(text=text))
    assert response.status_code == 200
    assert "choice-head" not in response.content.decode()


def test_a_chosen_name_that_is_gone_can_be_taken_back(contributor: Client) -> None:
    page = contributor.post(CHECK, form(text=MANIFEST, extras=["gone", "viz"])).content.decode()
    assert "selection-unknown" in page
    assert fields(page)["extras"] == ["viz", "gone"]


def test_the_choice_survives_a_text_that_cannot_be_read(contributor: Client) -> None:
    page = contributor.post(CHECK, form(text="{", extras=["viz"], environment="gpu")).content.decode()
    assert fields(page) == {"extras": ["viz"], "environment": ["gpu"]}
    assert '<option value="" >default of the project</option>' in page


def test_the_review_and_the_context_tab_say_what_is_read(contributor: Client) -> None:
    chosen = form(file=project(), extras=["viz", "docs"], environment="gpu")
    review = contributor.post(NEW, chosen | {"action": "review"}).content.decode()
    assert "viz, docs" in review
    contributor.post(NEW, form(file=project(), extras=["viz", "docs"], environment="gpu"))
    page = contributor.get(f"{PAGE}?tab=context").content.decode()
    part = page.partition('id="part-head"')[2].partition("</dl>")[0]
    for value in ("gpu", "viz, docs", "test", "project.toy", "toy.lock"):
        assert value in part
    link = re.search(r'href="([^"]*\?file=toy\.lock)"', part)
    assert link
    assert contributor.get(link[1]).content.decode() == LOCK
    assert "selection-unknown" not in contributor.get(PAGE).content.decode()
