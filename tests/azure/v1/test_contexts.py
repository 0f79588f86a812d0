"""SDK v1 uploads a local folder as a build context, signed with a key."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from tests.azure.conftest import StartSession
from tests.azure.studios import AzureStudio

pytestmark = pytest.mark.slow
SAVE = """
environment = Environment(name)
context = DockerBuildContext.from_local_directory(workspace(person), path, "Dockerfile")
environment = Environment.from_docker_build_context(name, context)
saved = environment.register(workspace(person))
[saved.version, saved.docker.build_context.dockerfile_path]
"""


def folder(path: Path) -> str:
    (path / "app").mkdir(parents=True)
    (path / "Dockerfile").write_text("FROM python:3.12-slim\nCOPY . /app\n")
    (path / "a b#ü.txt").write_text("named oddly")
    (path / "app" / "empty").write_text("")  # the SDK leaves out the names of folders
    return str(path)


def test_a_local_folder_is_uploaded_and_registered(
    sdk1: StartSession, azure_studio: AzureStudio, tmp_path: Path
) -> None:
    session = sdk1("metadata")
    path = folder(tmp_path / "context")
    assert session.run(SAVE, person="owner", name="local-v1", path=path) == ["1", "Dockerfile"]
    assert session.run(SAVE, person="owner", name="local-v1", path=path)[0] == "1"
    with azure_studio.browser() as browser:
        answer = browser.get("/api/v1/workspaces/metadata/environments/local-v1/versions/1/").json()
    files = {
        row["path"]: base64.b64decode(row["content"]) for row in answer["definition"]["context"]["files"]
    }
    assert files["a b#ü.txt"] == b"named oddly"
    assert sorted(files) == ["Dockerfile", "a b#ü.txt", "empty"]
    read = session.run("Environment.get(ws, 'local-v1').docker.build_context.dockerfile_path")
    assert read == "Dockerfile"


def test_a_large_file_is_sent_in_signed_blocks(
    sdk1: StartSession, azure_studio: AzureStudio, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 4096 * 65  # the SDK sends more than 64 MiB in blocks
    (tmp_path / "Dockerfile").write_text("FROM python:3.12-slim\nCOPY large /\n")
    (tmp_path / "large").write_bytes(content)
    code = """
    context = DockerBuildContext.from_local_directory(ws, path, "Dockerfile")
    Environment.from_docker_build_context("large-v1", context).register(ws).version
    """
    assert sdk1("metadata").run(code, path=str(tmp_path)) == "1"
    stored = azure_studio.var / "contexts" / "sha256"
    digest = hashlib.sha256(content).hexdigest()
    assert (stored / digest[:2] / digest).stat().st_size == len(content)


def test_readers_get_no_key(sdk1: StartSession, tmp_path: Path) -> None:
    code = "DockerBuildContext.from_local_directory(workspace('reader'), path)"
    assert "AuthorizationFailed" in sdk1("metadata").fails(code, path=folder(tmp_path / "context")).message


def test_another_key_or_account_opens_nothing(sdk1: StartSession, azure_studio: AzureStudio) -> None:
    code = """
    from azureml._vendor.azure_storage.blob import BlobServiceClient
    details, keys = ws.get_details(), ws.list_keys()
    account = details["storageAccount"].rpartition("/")[2]
    def blobs(account, key):
        client = BlobServiceClient(f"https://{account}.blob.core.windows.net",
                                   credential={"account_name": account, "account_key": key})
        return client.get_blob_client(container="azureml", blob="DockerBuildContext/abc/Dockerfile")
    key = keys["userStorageKey"]
    blobs(account, key).upload_blob(b"FROM a:1", overwrite=True)
    other = account.replace("metadata", "other")
    """
    session = sdk1("metadata")
    session.run(code)
    for wrong in (
        "blobs(other, key)",
        "blobs(account, key[:-4] + 'AAA=')",
        "blobs(account[:-1] + '9999', key)",
    ):
        refused = session.fails(f"{wrong}.upload_blob(b'FROM b:1', overwrite=True)")
        assert refused.status == 403, wrong
    assert session.run("blobs(account, key).get_blob_properties().size") == 8
