"""Registries: what is missing, hidden or refused in them, and the events that sharing leaves."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from environments.models import Event, Member, Role, Scope, Share, Version, Workspace
from environments.workspaces.tokens import create_token
from studio.azure.addresses import workspace_guid
from tests.builds.scenarios import person, queue_build, save_text, succeed_build, workspace_named

pytestmark = pytest.mark.django_db
REG = "/mferp/managementfrontend/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/registries"


@pytest.fixture
def shelf() -> Workspace:
    Workspace.objects.create(name="shelf", title="Shelf", opened=True)
    return workspace_named("shelf")


def sender(user: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {create_token(user, 'sdk', Scope.WRITE)[1]}"})


def asset_of(version: Version) -> str:
    environment = version.environment
    guid = workspace_guid(environment.workspace)
    return f"azureml://locations/studio/workspaces/{guid}/environments/{environment.name}/versions/{version.version}"


def share(
    client: Client, source: str, registry: str = "shelf", name: str = "shared", version: str = "7"
) -> Any:
    body = {
        "properties": {
            "referenceType": "Id",
            "destinationName": name,
            "destinationVersion": version,
            "sourceAssetId": source,
        }
    }
    return client.post(f"{REG}/{registry}/import", body, content_type="application/json")


def built(**more: Any) -> Version:
    version = save_text("numpy==2.1.3\n", **more)
    succeed_build(queue_build(version))
    return version


def test_an_owner_of_the_registry_shares_at_once_and_both_sides_have_events(shelf: Workspace) -> None:
    ann = person("ann", lab=Role.CONTRIBUTOR, shelf=Role.OWNER)
    answer = share(sender(ann), asset_of(built()))
    assert (answer.status_code, answer.content) == (200, b"")
    saved = Version.objects.get(environment__workspace=shelf)
    assert str(saved) == "shared:7"
    verbs = set(Event.objects.filter(actor=ann).values_list("workspace__name", "verb"))
    assert {("lab", "share.sent"), ("shelf", "share.received"), ("shelf", "share.accepted")} <= verbs


def test_what_others_share_waits_for_an_owner(shelf: Workspace) -> None:
    ann = person("ann", lab=Role.CONTRIBUTOR, shelf=Role.CONTRIBUTOR)
    answer = share(sender(ann), asset_of(built()))
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["code"] == "share-undecided"
    assert Share.objects.get().state == "waiting"
    assert not shelf.environments.exists()


def test_a_version_that_is_taken_there_is_a_conflict_and_nothing_is_sent(shelf: Workspace) -> None:
    ann = person("ann", lab=Role.CONTRIBUTOR, shelf=Role.OWNER)
    save_text("scipy==1.14.1\n", name="shared", workspace="shelf", version="7")
    assert share(sender(ann), asset_of(built())).status_code == 409
    assert not Share.objects.exists()


@pytest.mark.parametrize(
    "source",
    [
        "",
        "x",
        "forecast:1",
        "azureml://registries/azureml/environments/forecast/versions/1",
        "azureml://locations/studio/workspaces/00000000-0000-0000-0000-000000000000/environments/forecast/versions/1",
        "azureml://locations/studio/workspaces/../environments/forecast/versions/1",
        "azureml://locations/studio/workspaces/" + "-" * 36 + "/environments/a/versions/1",
        "azureml://" + "x" * 3000,
    ],
)
def test_a_source_that_cannot_be_read_or_seen_is_refused(shelf: Workspace, source: str) -> None:
    ann = person("ann", lab=Role.CONTRIBUTOR, shelf=Role.OWNER)
    assert share(sender(ann), source).status_code in (400, 404)


def test_a_version_that_the_caller_may_not_share_is_hidden_or_refused(shelf: Workspace) -> None:
    version = built()
    assert share(sender(person("out", shelf=Role.OWNER)), asset_of(version)).status_code == 404
    assert (
        share(sender(person("reads", lab=Role.READER, shelf=Role.OWNER)), asset_of(version)).status_code
        == 403
    )


def test_a_registry_that_is_closed_is_missing_also_for_its_owners(shelf: Workspace) -> None:
    client = sender(person("ann", lab=Role.CONTRIBUTOR, shelf=Role.OWNER))
    source = asset_of(built())
    urls = (f"{REG}/shelf/environments", "/registrymanagement/v1.0/registries/shelf/discovery")
    assert [client.get(url).status_code for url in urls] == [200, 200]
    Workspace.objects.update(opened=False)
    assert [client.get(url).status_code for url in urls] == [404, 404]
    assert share(client, source).status_code == 404


def test_a_registry_that_receives_nothing_takes_no_shares(shelf: Workspace) -> None:
    Workspace.objects.filter(name="shelf").update(receives_shares=False)
    client = sender(person("ann", lab=Role.CONTRIBUTOR, shelf=Role.OWNER))
    answer = share(client, asset_of(built()))
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["code"] == "receives-nothing"
    assert not Share.objects.exists()


def test_a_registry_that_the_caller_cannot_see_is_answered_like_no_registry(shelf: Workspace) -> None:
    client = sender(person("out", lab=Role.OWNER))
    answers = [client.get(f"{REG}/{name}/environments") for name in ("shelf", "nowhere")]
    messages = [answer.json()["error"]["message"].replace("nowhere", "shelf") for answer in answers]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert messages[0] == messages[1]


def test_the_catalogue_takes_no_uploads_and_no_shares() -> None:
    version = built()
    workspace_named("curated")
    curator = person("cora", lab=Role.CONTRIBUTOR)
    Member.objects.create(workspace=workspace_named("curated"), user=curator, role=Role.CONTRIBUTOR)
    client = sender(curator)
    assert share(client, asset_of(version), "azureml").status_code == 400
    answer = client.put(f"{REG}/azureml/tempdatarefs/a/versions/1", {}, content_type="application/json")
    assert answer.status_code == 400


def test_readers_of_a_registry_get_no_signature_and_save_nothing(shelf: Workspace) -> None:
    client = sender(person("ron", shelf=Role.READER))
    for path in ("tempdatarefs/a/versions/1", "environments/a/versions/1", "environments/a"):
        answer = client.put(f"{REG}/shelf/{path}", {"properties": {}}, content_type="application/json")
        assert answer.status_code == 403, path


def test_an_environment_of_the_catalogue_is_known_without_its_prefix() -> None:
    save_text("numpy==2.1.3\n", name="AzureML-forecast", workspace="curated")
    client = sender(person("ann", lab=Role.READER))
    for name in ("forecast", "AzureML-forecast"):
        answer = client.get(f"{REG}/azureml/environments/{name}/versions/1").json()
        assert answer["id"] == "azureml://registries/azureml/environments/AzureML-forecast/versions/1"
    assert client.get(f"{REG}/azureml/environments/nothing/versions/1").status_code == 404


@pytest.mark.parametrize(
    "body", [[], "x", 1, None, {"properties": []}, {"properties": {"destinationName": "\0"}}]
)
def test_a_body_of_another_shape_is_refused(shelf: Workspace, body: object) -> None:
    client = sender(person("ann", lab=Role.CONTRIBUTOR, shelf=Role.OWNER))
    answer = client.post(f"{REG}/shelf/import", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
