"""The snippets of a version are complete, valid and safe to run."""

from __future__ import annotations

import ast
import json
import shlex
from typing import Any

import pytest
import yaml

from builds.imaging.lock import Lock
from builds.models import Image
from environments.definition.syntax.dockerfile import instructions
from environments.models import Version
from studio.environments.how_to_use import Snippet, snippets
from tests.builds.images.test_exports import CONDA, PIP
from tests.builds.scenarios import image_for, save_text, workspace_named

pytestmark = pytest.mark.django_db
ADDRESS = "https://studio.example:8443"
NASTY = """it's "50 %" of $HOME \\ ü"""


def texts(version: Version, image: Image | None) -> dict[str, Snippet]:
    return {item.key: item for item in snippets(version, image, ADDRESS, "olga")}


def with_variables(version: Version, **variables: str) -> Version:
    data = version.definition.model_copy(update={"variables": variables}).model_dump(mode="json")
    Version.objects.filter(pk=version.pk).update(data=data)
    version.refresh_from_db()
    return version


def calls(text: str) -> dict[str, Any]:
    """Return the arguments with which a program calls Environment, and what it assigns, by name."""
    snippets_by_key: dict[str, Any] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            snippets_by_key |= {word.arg: ast.literal_eval(word.value) for word in node.keywords if word.arg}
            snippets_by_key |= {"": ast.literal_eval(node.args[0])} if node.args else {}
        if isinstance(node, ast.Assign) and not isinstance(node.value, ast.Call):
            snippets_by_key[ast.unparse(node.targets[0])] = ast.literal_eval(node.value)
    return snippets_by_key


@pytest.fixture
def version() -> Version:
    return with_variables(save_text("numpy==2.1.3\n"), GREETING=NASTY)


def test_all_texts_name_the_image_of_this_version_at_this_studio(version: Version) -> None:
    image = image_for(version)
    name = "studio.example:8443/lab/forecast:1"
    snippets_by_key = texts(version, image)
    assert list(snippets_by_key) == [
        "docker-run",
        "jupyter",
        "dev-container",
        "pull",
        "dockerfile",
        "kubernetes",
        "sdk-v2",
        "sdk-v1",
        "cli",
        "uv",
    ]

    login, run = snippets_by_key["docker-run"].text.splitlines()
    assert shlex.split(login) == ["docker", "login", "--username", "olga", "studio.example:8443"]
    assert shlex.split(run)[-4:] == ["--env", f"GREETING={NASTY}", name, "python"]

    steps = list(instructions(snippets_by_key["dockerfile"].text))
    assert [item.keyword for item in steps] == ["FROM", "ENV", "WORKDIR", "COPY", "CMD"]
    assert steps[0].arguments == f"{name}@{image.digest}"

    container = json.loads(snippets_by_key["dev-container"].text)
    assert (container["image"], container["containerEnv"]) == (name, {"GREETING": NASTY})
    assert "/opt/env/bin/python" in snippets_by_key["dev-container"].text

    second, first = calls(snippets_by_key["sdk-v2"].text), calls(snippets_by_key["sdk-v1"].text)
    assert (second["name"], second["version"], second["image"]) == ("forecast", "1", name)
    assert second["variables"] == {"GREETING": NASTY}
    assert first[""] == "forecast"
    address = first["environment.docker.base_image_registry.address"]
    assert f"{address}/{first['environment.docker.base_image']}" == name
    assert first["environment.environment_variables"] == {"GREETING": NASTY}
    assert first["environment.python.interpreter_path"] == "/opt/env/bin/python"

    options = shlex.split(snippets_by_key["cli"].text)
    assert options[-6:] == ["--name", "forecast", "--version", "1", "--image", name]


def test_where_everybody_may_pull_nobody_signs_in(version: Version) -> None:
    image = image_for(version)
    image.workspace.anonymous_pull = True
    assert "docker login" not in texts(version, image)["docker-run"].text


@pytest.mark.parametrize(
    ("address", "noted"),
    [("http://ml.example:8000/", True), ("https://ml.example/", False), ("http://localhost:8000/", False)],
)
def test_plain_http_needs_a_note_on_insecure_registries(version: Version, address: str, noted: bool) -> None:
    (run, *_) = snippets(version, image_for(version), address, "olga")
    assert any("insecure-registries" in note for note in run.notes) == noted
    assert f"{address.partition('://')[2]}lab/forecast:1 " in run.text


def test_an_image_in_the_workspaces_registry_is_taken_from_there(version: Version) -> None:
    image = image_for(version)
    image.pushed_to = f"registry.example.com/ml/azureml/azureml_{version.hash}"
    snippets_by_key = texts(version, image)
    assert "docker login" not in snippets_by_key["docker-run"].text
    assert all(
        f"{image.pushed_to}" in snippets_by_key[key].text
        for key in ("docker-run", "dockerfile", "sdk-v2", "cli")
    )


def test_secrets_among_the_variables_are_named_and_never_shown() -> None:
    version = with_variables(save_text("numpy==2.1.3\n"), INDEX="https://robot:hunter22@pypi.example/simple")
    for item in texts(version, image_for(version)).values():
        assert "hunter22" not in item.text
    run = texts(version, Image.objects.get())["docker-run"]
    assert "--env INDEX " in run.text
    assert any("INDEX" in note for note in run.notes)


def test_options_of_the_definition_start_the_container_too(version: Version) -> None:
    run = {"arguments": ("--ipc=host", "--label", "a b"), "shm_size": "2g"}
    Version.objects.filter(pk=version.pk).update(data=version.data | {"run": run, "platform": "linux/arm64"})
    version.refresh_from_db()
    snippets_by_key = texts(version, image_for(version))
    options = ["--ipc=host", "--label", "a b", "--shm-size=2g", "--platform=linux/arm64"]
    assert shlex.split(snippets_by_key["docker-run"].text.splitlines()[-1])[8:13] == options
    assert json.loads(snippets_by_key["dev-container"].text)["runArgs"] == options


@pytest.mark.parametrize(
    ("packages", "keys"), [((PIP,), ["uv"]), ((CONDA,), ["conda"]), ((PIP, CONDA), ["conda"]), ((), [])]
)
def test_packages_come_without_a_container_by_the_file_that_holds_them_all(
    version: Version, packages: tuple[Any, ...], keys: list[str]
) -> None:
    image = image_for(version)
    image.lock = Lock(packages=packages, python="3.11.7").model_dump(mode="json")
    snippets_by_key = texts(version, image)
    local = [key for key in snippets_by_key if key in {"uv", "conda"}]
    assert local == keys
    for key in local:
        for line in snippets_by_key[key].text.replace("\\\n", " ").splitlines():
            assert shlex.split(line)[0] in {"curl", "uv", "micromamba"}
        assert (
            f"{ADDRESS}/api/v1/workspaces/lab/environments/forecast/versions/1/" in snippets_by_key[key].text
        )


def test_without_an_image_the_definition_is_what_others_take() -> None:
    from environments.definition import read
    from environments.versions.service import save_reading

    text = "image: docker.io/library/python:3.11\nconda_file: {dependencies: [pip, {pip: [numpy]}]}\n"
    version = save_reading(workspace_named("lab"), "pinned", read(text, "env.yaml"), source=text).version
    snippets_by_key = texts(version, None)
    assert list(snippets_by_key) == ["sdk-v2", "cli"]
    ast.parse(snippets_by_key["sdk-v2"].text)
    assert "versions/1/definition/?as=v2-yaml" in snippets_by_key["cli"].text
    # The host base is known to this studio alone.
    assert texts(save_text("numpy==2.1.3\n"), None) == {}


def test_the_name_of_a_curated_one_is_one_that_azure_takes() -> None:
    version = save_text("numpy==2.1.3\n", name="AzureML-sklearn-1.5", workspace="curated")
    snippets_by_key = texts(version, image_for(version))
    assert calls(snippets_by_key["sdk-v2"].text)["name"] == "sklearn-1.5"
    assert "--name sklearn-1.5 " in snippets_by_key["cli"].text


def test_a_container_has_the_readers_folder_and_the_gpus_that_it_can_use(version: Version) -> None:
    image = image_for(version)
    run = texts(version, image)["docker-run"].text.splitlines()[-1]
    assert '-v "${PWD}:/work" -w /work' in run  # which shells fill in
    assert "--gpus" not in run

    Version.objects.filter(pk=version.pk).update(tags={"device": "cuda"})
    version.refresh_from_db()
    snippets_by_key = texts(version, image)
    assert "--gpus all" in snippets_by_key["docker-run"].text
    assert json.loads(snippets_by_key["dev-container"].text)["runArgs"] == ["--gpus", "all"]
    assert yaml.safe_load(snippets_by_key["kubernetes"].text)["spec"]["template"]["spec"]["containers"][0][
        "resources"
    ] == {"limits": {"nvidia.com/gpu": 1}}

    stated = version.data | {"run": {"arguments": ("--gpus", "device=0")}}
    Version.objects.filter(pk=version.pk).update(data=stated)
    version.refresh_from_db()
    assert "--gpus all" not in texts(version, image)["docker-run"].text


def test_a_cluster_takes_the_pinned_image_and_the_variables_as_they_are(version: Version) -> None:
    image = image_for(version)
    nasty = "$(HOME) 'a' \"b\": {x}"
    with_variables(version, GREETING=NASTY, NASTY=nasty)
    job = yaml.safe_load(texts(version, image)["kubernetes"].text)
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == f"studio.example:8443/lab/forecast:1@{image.digest}"
    assert {item["name"]: item["value"] for item in container["env"]} == {
        "GREETING": NASTY,
        "NASTY": nasty.replace("$(", "$$("),
    }
    assert pod["imagePullSecrets"] == [{"name": "studio"}]
    assert job["metadata"]["generateName"] == "forecast-"
    notes = texts(version, image)["kubernetes"].notes
    assert any("--docker-server studio.example:8443 --docker-username olga" in note for note in notes)
    image.workspace.anonymous_pull = version.environment.workspace.anonymous_pull = True
    pod = yaml.safe_load(texts(version, image)["kubernetes"].text)["spec"]["template"]["spec"]
    assert "imagePullSecrets" not in pod


@pytest.mark.parametrize("name", ["ü", "---", "A_b.C", "x" * 255])
def test_a_cluster_accepts_every_name(name: str) -> None:
    import re

    from studio.environments.how_to_use.containers import _cluster_name

    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?", _cluster_name(name))


def test_jupyter_starts_where_the_image_has_it_and_is_requested_where_not(version: Version) -> None:
    image = image_for(version)
    without = texts(version, image)["jupyter"]
    assert without.text == "jupyterlab\n"
    jupyter = PIP.model_copy(update={"name": "jupyterlab", "version": "4.5.0"})
    image.lock = Lock(packages=(jupyter,)).model_dump(mode="json")
    command = texts(version, image)["jupyter"].text.splitlines()[-1]
    options = shlex.split(command)
    assert options[options.index("--publish") + 1] == "127.0.0.1:8888:8888"  # for this machine alone
    assert options[-6:-3] == ["-m", "jupyterlab", "--ip=0.0.0.0"]


def test_a_pull_that_builds_comes_first_without_an_image(version: Version) -> None:
    first, *_rest = snippets(version, None, ADDRESS, "olga", building_pull="docker pull host/lab/forecast:1")
    assert (first.key, first.text) == ("pull", "docker pull host/lab/forecast:1\n")


def test_a_download_from_a_studio_with_its_own_authority_has_a_note(version: Version, settings: Any) -> None:
    image = image_for(version)
    image.lock = Lock(packages=(PIP,), python="3.11.7").model_dump(mode="json")
    settings.SERVES_HTTPS, settings.HTTPS_PORT, settings.CERTIFICATE = True, 8443, ""
    assert any("certificate" in note for note in texts(version, image)["uv"].notes)
    settings.CERTIFICATE = "/etc/studio.pem"
    assert not any("certificate" in note for note in texts(version, image)["uv"].notes)
