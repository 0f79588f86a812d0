"""The routes of the first SDK: environments, labels and lists."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from environments.models import Environment, Role, Scope, Version, VersionLabel, Workspace
from environments.versions import service
from tests.builds.scenarios import person, save_text, workspace_named
from tests.studio.azure.v1.bodies import BASE, body, sent_back
from tests.studio.azure.v1.calling import LAB, V1, V2, SdkCaller


@pytest.fixture
def olga(db: None) -> User:
    cache.clear()
    return person("olga", lab=Role.CONTRIBUTOR)


@pytest.fixture
def sdk(olga: User) -> SdkCaller:
    return SdkCaller(olga)


OTHER = body(python={"condaDependencies": {"channels": ["conda-forge"], "dependencies": ["python=3.12"]}})


def test_registering_without_a_version_makes_one_only_for_other_content(sdk: SdkCaller) -> None:
    status, first = sdk("PUT", "forecast", body())
    assert (status, first["name"], first["version"]) == (200, "forecast", "1")
    assert sdk("PUT", "forecast", body())[1]["version"] == "1"
    assert sdk("PUT", "forecast", sent_back(first))[1]["version"] == "1"
    assert sdk("PUT", "forecast", OTHER)[1]["version"] == "2"
    assert sdk("PUT", "forecast", body())[1]["version"] == "3"
    assert sdk("GET", "forecast")[1]["version"] == "3"
    assert sdk("GET", "forecast/versions/2")[1]["python"]["condaDependencies"]["dependencies"] == [
        "python=3.12"
    ]


def test_a_version_with_other_content_is_a_conflict_and_with_the_same_it_is_none(sdk: SdkCaller) -> None:
    assert sdk("PUT", "forecast/versions/7", body())[1]["version"] == "7"
    assert sdk("PUT", "forecast/versions/7", body())[0] == 200
    status, answer = sdk("PUT", "forecast/versions/7", OTHER)
    assert status == 409
    assert "exists with other content" in answer["error"]["message"]
    assert Version.objects.count() == 1


def test_answers_are_in_camel_case_and_complete(sdk: SdkCaller) -> None:
    document = sdk("PUT", "forecast", body())[1]
    assert not [key for key in document if key[0].isupper()]
    assert document["docker"]["baseImage"] == BASE
    assert document["environmentVariables"] == {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"}


@pytest.mark.parametrize(
    "name", ["AzureML-mine", "microsoft-mine", "-x", "a b", "a%00b", "x" * 300, "%F0%9F%98%80", "..%2F.."]
)
def test_names_that_cannot_be_are_refused(sdk: SdkCaller, name: str) -> None:
    status, answer = sdk("PUT", name, body())
    assert status in (400, 404)
    assert answer["error"]["message"]
    assert not Environment.objects.exists()


def test_a_password_is_refused_and_not_repeated(sdk: SdkCaller) -> None:
    registry = {"address": "registry.example", "username": "me", "password": "hunter2-hunter2"}
    response = sdk.raw("PUT", f"{LAB}/forecast", body(docker={"baseImageRegistry": registry}))
    assert response.status_code == 400
    assert b"hunter2" not in response.content
    assert not Version.objects.exists()


def test_strangers_get_404_readers_403_and_nobody_401(sdk: SdkCaller) -> None:
    sdk("PUT", "forecast", body())
    routes: list[tuple[str, str, Any]] = [
        ("GET", f"{LAB}/", None),
        ("GET", f"{LAB}/forecast", None),
        ("GET", f"{LAB}/forecast/versions/1", None),
        ("GET", f"{LAB}/forecast/labels/latest", None),
        ("GET", f"{LAB}/forecast/versions/1/image", None),
        ("POST", f"{LAB}/forecast/versions/1/recipe", {}),
        ("PUT", f"{LAB}/forecast", body()),
        ("PUT", f"{LAB}/forecast/versions/9", OTHER),
        ("PUT", f"{LAB}/forecast/versions/1/metadata", {"Labels": ["prod"]}),
        ("POST", f"{V2}/lab/environments/forecast/versions/1/image", {}),
        ("POST", f"{V2}/lab/environments/forecast/versions/1/imageoncompute/c", {}),
    ]
    stranger, reader, nobody = (
        SdkCaller(person("sam")),
        SdkCaller(person("rita", lab=Role.READER)),
        SdkCaller(None),
    )
    for number, (method, url, sent) in enumerate(routes):
        assert stranger(method, url, sent)[0] == 404, url
        assert nobody(method, url, sent)[0] == 401, url
        assert reader(method, url, sent)[0] == (200 if number < 6 else 403), url
    assert (Version.objects.count(), VersionLabel.objects.count()) == (1, 0)


def test_tokens_limit_what_their_owner_may(olga: User, sdk: SdkCaller) -> None:
    sdk("PUT", "forecast", body())
    only_reads = SdkCaller(olga, Scope.READ)
    assert only_reads("GET", "forecast")[0] == 200
    assert only_reads("POST", "forecast/recipe", {})[0] == 200
    assert only_reads("PUT", "forecast", body())[0] == 403
    assert SdkCaller(olga, Scope.PULL)("GET", "forecast")[0] == 403
    elsewhere = SdkCaller(olga, workspace=workspace_named("other"))
    assert elsewhere("GET", "forecast")[0] == 404


def test_another_workspace_has_none_of_it(olga: User, sdk: SdkCaller) -> None:
    person("otto", other=Role.OWNER)
    save_text("numpy", name="secret", workspace="other")
    assert sdk("GET", f"{V1}/other/environments/secret")[0] == 404
    assert sdk("GET", "secret")[0] == 404


def test_labels_are_set_moved_and_read(sdk: SdkCaller) -> None:
    sdk("PUT", "forecast", body())
    sdk("PUT", "forecast", OTHER)
    assert sdk("PUT", "forecast/versions/1/metadata", {"Labels": ["prod", "staging"]})[0] == 200
    assert sdk("GET", "forecast/labels/prod")[1]["version"] == "1"
    assert sdk("PUT", "forecast/versions/2/metadata", {"labels": ["prod"]})[0] == 200
    assert [
        sdk("GET", f"forecast/labels/{label}")[1]["version"] for label in ("prod", "staging", "latest")
    ] == [
        "2",
        "1",
        "2",
    ]
    assert sdk("GET", "forecast/labels/2")[0] == 404
    assert sdk("GET", "forecast/labels/none")[0] == 404
    assert sdk("GET", "nothing/labels/prod")[0] == 404


def test_a_protected_label_is_moved_by_owners_only(sdk: SdkCaller) -> None:
    sdk("PUT", "forecast", body())
    Workspace.objects.filter(name="lab").update(protected_labels=["prod"])
    assert sdk("PUT", "forecast/versions/1/metadata", {"Labels": ["staging", "prod"]})[0] == 403
    assert not VersionLabel.objects.exists()
    owner = SdkCaller(person("otto", lab=Role.OWNER))
    assert owner("PUT", "forecast/versions/1/metadata", {"Labels": ["prod"]})[0] == 200


@pytest.mark.parametrize(
    "sent", [{}, {"Labels": "prod"}, {"Labels": [5]}, {"Labels": None}, {"Labels": ["a"] * 51}]
)
def test_labels_that_are_no_list_of_names_are_refused(sdk: SdkCaller, sent: Any) -> None:
    sdk("PUT", "forecast", body())
    assert sdk("PUT", "forecast/versions/1/metadata", sent)[0] == 400


@pytest.mark.parametrize(
    "token", ["x", "W10=", "e30=", "WzIsICJhIl0=", "WzAsIDVd", "=" * 5000, "%F0%9F%98%80"]
)
def test_made_up_tokens_are_refused(sdk: SdkCaller, token: str) -> None:
    assert sdk("GET", f"?continuation={token}")[0] == 400


def test_a_list_costs_the_same_queries_for_any_number_of_environments(sdk: SdkCaller) -> None:
    counts = []
    sdk("GET", "")
    for number in range(12):
        save_text(f"numpy=={number}", name=f"e{number}")
        if number in (0, 11):
            with CaptureQueriesContext(connection) as queries:
                assert sdk("GET", "")[0] == 200
            counts.append(len(queries))
    assert counts[0] == counts[1]


def test_curated_environments_are_read_in_every_workspace_and_saved_in_none(sdk: SdkCaller) -> None:
    save_text("numpy==2.1.3", name="AzureML-tabular", workspace="curated")
    status, document = sdk("GET", "AzureML-tabular")
    assert (status, document["version"]) == (200, "1")
    # `build` registers what it builds: the same content is no new version.
    assert sdk("PUT", "AzureML-tabular/versions/1", sent_back(document))[0] == 200
    assert sdk("PUT", "AzureML-tabular", body())[0] == 400
    assert sdk("PUT", f"{V1}/{Workspace.objects.get(curated=True).name}/environments/x", body())[0] == 403
    assert Version.objects.count() == 1


def test_a_clone_of_an_environment_with_a_build_context_has_the_same_content(sdk: SdkCaller) -> None:
    from environments.definition import Definition
    from environments.definition.model import BuildContext, ContextFile

    files = (
        ContextFile(path="Dockerfile", content=b"FROM python:3.12\n"),
        ContextFile(path="a b#ü", content=b"\0"),
    )
    first = service.save_version(
        workspace_named("lab"), "built", Definition(context=BuildContext(files=files))
    )
    document = sdk("GET", "built")[1]
    assert document["docker"]["buildContext"]["location"].startswith("http://testserver/environment/v1.0/")
    assert sdk("PUT", "built", sent_back(document))[1]["version"] == "1"
    assert sdk("PUT", "clone", sent_back(document))[0] == 200
    assert Version.objects.get(environment__name="clone").hash == first.version.hash
    # The location of a context that the caller can't see is none.
    hidden = service.save_version(
        workspace_named("other"), "built", Definition(context=BuildContext(files=files))
    )
    assert hidden.created
    stolen = sent_back(document)
    context = stolen["Docker"]["buildContext"]
    context["location"] = context["location"].replace("/workspaces/lab/", "/workspaces/other/")
    assert sdk("PUT", "stolen", stolen)[0] == 400
    context["location"] = context["location"].replace("/workspaces/other/", "/workspaces/lab/")
    context["dockerfilePath"] = "../Dockerfile"
    assert sdk("PUT", "stolen", stolen)[0] == 400
