"""Projects over the API: several files in a form, the part of a project, and what an answer says about both."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from environments.models import Version
from tests.environments.definition import toy_project
from tests.environments.definition.toy_project import LOCK, MANIFEST
from tests.studio.api.calling import Caller

pytestmark = pytest.mark.django_db

VERSIONS = "workspaces/lab/environments/forecast/versions/"
NOTHING = {
    "environment": "",
    "extras": [],
    "groups": [],
    "no_groups": [],
    "ignore_lock": False,
    "platforms": [],
}
DEFAULT = NOTHING | {"environment": "default", "groups": ["test"]}
DOCS_BY_DEFAULT = """\
[project]
name = "lab"
version = "1"
dependencies = ["six"]
[dependency-groups]
docs = ["packaging"]
[tool.uv]
default-groups = ["docs"]
"""


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    toy_project.install(monkeypatch)


def project(lock: str = LOCK) -> list[SimpleUploadedFile]:
    texts = {"project.toy": MANIFEST, "toy.lock": lock}
    return [SimpleUploadedFile(name, text.encode()) for name, text in texts.items()]


def post(call: Caller, path: str, form: dict[str, object], **headers: str) -> Any:
    """Send a form with files."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return call.client.post(f"/api/v1/{path}", form, headers=call.headers | named)


def test_several_files_are_read_as_one_folder_and_given_again(call: Caller) -> None:
    response = post(call, VERSIONS, {"file": project(), "extras": ["viz", "docs"], "environment": "gpu"})
    assert response.status_code == 201, response.content
    version = response.json()
    assert "matplotlib==3.9.0" in version["definition"]["python"]["pip"]
    assert version["selection"] == DEFAULT | {"extras": ["viz", "docs"], "environment": "gpu"}
    assert version["files"] == ["project.toy", "toy.lock"]
    path = f"{VERSIONS}1/definition/"
    for query, text in (("", MANIFEST), ("?file=project.toy", MANIFEST), ("?file=toy.lock", LOCK)):
        assert call("GET", f"{path}{query}").response.content.decode() == text
    assert call("GET", f"{path}?file=../toy.lock").status == 404


def test_a_text_is_read_with_the_chosen_part(call: Caller) -> None:
    answer = call(
        "POST", "findings/", {"text": MANIFEST, "extras": ["viz"], "groups": [], "ignore_lock": True}
    )
    assert answer.status == 200
    assert answer.json["selection"] == DEFAULT | {"extras": ["viz"], "ignore_lock": True}
    assert answer.json["offers"] == {
        "environments": ["default", "gpu"],
        "extras": ["viz", "docs"],
        "groups": ["test"],
        "default": DEFAULT,
    }


def test_files_are_checked_without_saving_them(call: Caller) -> None:
    response = post(call, "findings/", {"file": project()})
    assert (response.status_code, response.json()["format"]) == (200, "toy-lock")
    assert not Version.objects.exists()


def test_a_file_without_parts_offers_nothing(call: Caller) -> None:
    answer = call("POST", "findings/", {"text": "numpy==2.1.3"}).json
    assert answer["offers"] is None
    assert answer["selection"] == NOTHING


@pytest.mark.parametrize("choice", [{"no_groups": ["docs"]}, {"no_default_groups": True}])
def test_a_version_is_saved_without_a_default_group(call: Caller, choice: dict[str, object]) -> None:
    answer = call("POST", VERSIONS, {"text": DOCS_BY_DEFAULT} | choice)
    assert answer.status == 201, answer.json
    assert answer.json["definition"]["python"]["pip"] == ["six"]
    assert answer.json["selection"] == NOTHING | {"no_groups": ["docs"]}


def test_a_refusal_says_what_could_be_chosen(call: Caller) -> None:
    response = post(call, VERSIONS, {"file": project(), "extras": "gone"})
    assert response.status_code == 400
    assert [finding["code"] for finding in response.json()["findings"]][:1] == ["selection-unknown"]
    assert response.json()["offers"]["extras"] == ["viz", "docs"]


def test_a_stale_lock_is_refused_and_ignored_on_request(call: Caller) -> None:
    stale = LOCK.replace("# a lock of 1", "# a lock of 2")
    assert post(call, VERSIONS, {"file": project(stale)}).json()["code"] == "definition-refused"
    response = post(call, VERSIONS, {"file": project(stale), "ignore_lock": "true"})
    assert response.status_code == 201
    assert response.json()["selection"]["ignore_lock"] is True


@pytest.mark.parametrize(
    "body",
    [
        {"text": MANIFEST, "extras": "viz"},
        {"text": MANIFEST, "extras": [{"name": "viz"}]},
        {"text": MANIFEST, "environment": ["gpu"]},
        {"text": MANIFEST, "file": ["project.toy"]},
        {"text": MANIFEST, "groups": None},
        {"text": MANIFEST, "no_groups": "docs"},
        {"text": MANIFEST, "no_default_groups": "perhaps"},
        {"file": []},
        {},
    ],
)
def test_a_choice_of_the_wrong_shape_is_refused(call: Caller, body: object) -> None:
    answer = call("POST", "findings/", body)
    assert answer.status == 400
    assert answer.code == "invalid"


def test_a_key_is_for_all_files_of_a_request(call: Caller) -> None:
    assert post(call, VERSIONS, {"file": project()}, Idempotency_Key="k").status_code == 201
    again = post(call, VERSIONS, {"file": project()}, Idempotency_Key="k")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    other = [SimpleUploadedFile("project.toy", MANIFEST.encode() + b"#"), project()[1]]
    assert post(call, VERSIONS, {"file": other}, Idempotency_Key="k").status_code == 409
