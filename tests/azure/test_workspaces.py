"""The SDK finds a workspace, its datastore and its subscription, however it reaches the studio."""

from __future__ import annotations

import pytest

from tests.azure.clients import Session
from tests.azure.studios import AzureStudio

pytestmark = pytest.mark.slow


def test_a_workspace_is_read_in_each_way(each_session: Session) -> None:
    read = each_session.run("w = ml.workspaces.get('lab'); [w.name, w.display_name, w.location]")
    assert read == ["lab", "The laboratory", "studio"]


def test_the_default_datastore_is_read_without_secrets(
    each_session: Session, azure_studio: AzureStudio
) -> None:
    session = each_session
    read = session.run(
        "d = ml.datastores.get_default(); [d.name, d.account_name, d.container_name, d.protocol]"
    )
    assert read[0] == "workspaceblobstore"
    url = azure_studio.http if session.way == "mfe-http" else azure_studio.https
    assert read[1] == f"{url.partition('://')[2]}/blobstore/lab"
    assert read[2].startswith("azureml-blobstore-")
    assert session.run("[d.name for d in ml.datastores.list()]") == ["workspaceblobstore"]
    assert session.run("ml.datastores.get('workspaceblobstore').name") == "workspaceblobstore"
    assert session.fails("ml.datastores.get('nothing')").kind == "ResourceNotFoundError"


def test_only_visible_workspaces_are_listed(session: Session) -> None:
    assert session.run("sorted(w.name for w in ml.workspaces.list())") == [
        "curated",
        "discovery",
        "lab",
        "metadata",
    ]
    assert session.run("sorted(w.name for w in client('stranger').workspaces.list())") == ["curated", "other"]
    refused = session.fails("client('stranger').workspaces.get('lab')")
    assert (refused.kind, refused.status, refused.code) == ("ResourceNotFoundError", 404, "ResourceNotFound")
    assert session.fails("ml.workspaces.get('nowhere')").status == 404


def test_workspaces_are_read_from_config_json(session: Session) -> None:
    read = session.run(
        """
        import json, pathlib
        pathlib.Path('.azureml').mkdir(exist_ok=True)
        config = {"subscription_id": "s", "resource_group": "g", "workspace_name": "lab"}
        pathlib.Path('.azureml/config.json').write_text(json.dumps(config))
        MLClient.from_config(Token(tokens['owner']), path='.', **keywords).workspaces.get('lab').name
        """
    )
    assert read == "lab"
