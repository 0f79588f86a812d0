"""Azure ML's names of environments as base images: those of the studio's own environments are resolved."""

from __future__ import annotations

import json

import pytest

from builds.images.repositories import resolving_environments
from builds.worker import bases
from environments.definition import ImageReference, Reading, read
from environments.models import Role, Version, Workspace
from environments.public_url import public_host, registry_hosts
from environments.versions.input import input_of
from environments.versions.labels import set_label
from studio.azure.v2.definitions import read_version
from tests.builds.scenarios import (
    browser_of,
    person,
    queue_build,
    save_text,
    succeed_build,
    workspace_named,
)
from tests.studio.api.calling import Caller

pytestmark = pytest.mark.django_db


def built(name: str = "lab-gpu", workspace: str = "lab", text: str = "numpy==2.1.3\n") -> Version:
    version = save_text(text, name=name, workspace=workspace)
    succeed_build(queue_build(version))
    return version


def reading_of(image: str, workspace: str = "lab") -> Reading:
    with resolving_environments(Workspace.objects.get(name=workspace)):
        return read(f"name: a\nimage: '{image}'\n")


def image_in(reading: Reading) -> str:
    return (reading.definition.image or "") if reading.definition else ""


@pytest.mark.parametrize(
    "named",
    [
        "azureml:lab-gpu:1",
        "azureml:lab-gpu@latest",
        "AzureML:lab-gpu@stable",
        "azureml://registries/lab/environments/lab-gpu/versions/1",
        "azureml://registries/lab/environments/lab-gpu/labels/stable",
        "azureml://subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/lab/environments/lab-gpu/versions/1",
    ],
)
def test_the_name_of_an_own_environment_is_its_image(named: str) -> None:
    version = built()
    set_label(version, "stable", user=person("ada", lab=Role.OWNER))
    reading = reading_of(named)
    assert image_in(reading) == f"{public_host()}/lab/lab-gpu:1"
    assert "image-of-environment" in {finding.code for finding in reading.findings}
    assert image_in(reading).partition("/")[0] in registry_hosts()
    image = bases._readable_image(ImageReference.parse(image_in(reading)), version.environment.workspace)
    assert image.hash == version.hash


def test_the_catalogue_is_its_own_registry_and_searched_after_the_workspace() -> None:
    workspace_named("lab")
    built("AzureML-sklearn", "curated", "scikit-learn==1.5.2\n")
    theirs = f"{public_host()}/curated/azureml-sklearn:1"
    assert image_in(reading_of("azureml:AzureML-sklearn@latest")) == theirs
    built("both", "curated", "six==1.17.0\n")
    built("both", "lab", "attrs==25.3.0\n")
    assert image_in(reading_of("azureml:both:1")) == f"{public_host()}/lab/both:1"
    named = "azureml://registries/azureml/environments/both/versions/1"
    assert image_in(reading_of(named)) == f"{public_host()}/curated/both:1"


@pytest.mark.parametrize(
    "named",
    [
        "azureml:lab-gpu",
        "azureml:lab-gpu:2",
        "azureml:lab-gpu@1",
        "azureml:lab-gpu@gone",
        "azureml:lab-gpu:latest",
        "azureml:unbuilt:1",
        "azureml:LAB-GPU:1",
        "azureml://registries/secret/environments/lab-gpu/versions/1",
        "azureml://registries/azureml/environments/lab-gpu/versions/1",
        "azureml://subscriptions/s/workspaces/secret/environments/lab-gpu/versions/1",
        "azureml:secrets:1",
        f"azureml:{'x' * 255}:1",
        "azureml:<b>&quot;:%27--",
    ],
)
def test_any_other_name_is_explained_and_nothing_of_another_workspace_is_used(named: str) -> None:
    built()
    save_text("six==1.17.0\n", name="unbuilt")
    built("lab-gpu", "secret", "attrs==25.3.0\n")
    built("secrets", "secret", "zipp==3.23.0\n")
    (error,) = reading_of(named).errors
    assert error.code == "image-is-environment"
    assert "az ml environment show" in error.help


def test_an_opened_workspace_is_a_registry() -> None:
    built()
    built("shared", "opened", "six==1.17.0\n")
    Workspace.objects.filter(name="opened").update(anonymous_pull=True)
    named = "azureml://registries/opened/environments/shared/versions/1"
    assert image_in(reading_of(named)) == f"{public_host()}/opened/shared:1"


def test_a_from_line_of_a_dockerfile_is_explained() -> None:
    built()
    with resolving_environments(workspace_named("lab")):
        (error,) = read("FROM azureml:lab-gpu:1\n").errors
    assert error.code == "image-is-environment"


TEXT = "name: derived\nimage: azureml:lab-gpu@latest\nconda_file:\n  dependencies: [python=3.12, numpy]\n"


def test_the_page_saves_the_image_and_the_next_version_keeps_it() -> None:
    built()
    browser = browser_of(person("carla", lab=Role.CONTRIBUTOR))
    page = browser.post(
        "/w/lab/check", {"text": TEXT, "name": "derived", "workspace": "lab"}
    ).content.decode()
    assert f"{public_host()}/lab/lab-gpu:1" in page
    sent = {"text": TEXT, "name": "derived", "workspace": "lab", "action": "save"}
    assert browser.post("/w/lab/new/", sent).status_code == 302
    version = Version.objects.get(environment__name="derived")
    assert (version.definition.image, version.source) == (f"{public_host()}/lab/lab-gpu:1", TEXT)
    succeed_build(queue_build(save_text("numpy==2.2.0\n", name="lab-gpu")))
    assert input_of(version).reading.definition == version.definition
    assert "image-is-environment" not in browser.get("/w/lab/environments/derived/").content.decode()
    other = browser_of(person("otto", theirs=Role.CONTRIBUTOR))
    sent["workspace"] = "theirs"
    assert "image-is-environment" in other.post("/w/theirs/new/", sent).content.decode()


def test_the_api_and_the_sdk_resolve_it_too() -> None:
    built()
    call = Caller(person("olga", lab=Role.CONTRIBUTOR))
    answer = call("POST", "findings/", {"text": TEXT})
    assert "image-is-environment" in json.dumps(answer.json["findings"])
    answer = call("POST", "workspaces/lab/environments/derived/versions/", {"text": TEXT})
    assert answer.json["definition"]["image"] == f"{public_host()}/lab/lab-gpu:1"
    with resolving_environments(workspace_named("lab")):
        given = read_version({"image": "azureml:lab-gpu:1"}, workspace_named("lab"))
    assert image_in(given.reading) == f"{public_host()}/lab/lab-gpu:1"
