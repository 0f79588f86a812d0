"""The blob store: uploads by those who may, and refusals of all others."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from environments.models import AccessToken, Member, Role, Scope, UploadedBlob, Version
from environments.stored_files import FileStore
from environments.workspaces.tokens import create_token
from studio.azure.blobs import signatures
from studio.azure.blobs.containers import container_of
from tests.builds.scenarios import person, workspace_named

pytestmark = pytest.mark.django_db
WS = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/lab"
SECRETS = f"{WS}/datastores/workspaceblobstore/listSecrets"
UPLOAD = "LocalUpload/abc/context"
FIRST = base64.b64encode(b"1").decode()
DONE = {"x_ms_meta_upload_status": "completed", "x_ms_meta_name": "abc", "x_ms_meta_version": "1"}


@pytest.fixture(autouse=True)
def store(settings: Settings, tmp_path: Path) -> FileStore:
    settings.CONTEXTS = tmp_path
    return FileStore()


class Sender:
    """A client of the blob store, with a signature for a workspace's container."""

    def __init__(self, name: str = "ann", role: Role = Role.CONTRIBUTOR, workspace: str = "lab") -> None:
        self.user = person(name, **{workspace: role})
        self.token, self.secret = create_token(self.user, "sdk", Scope.WRITE)
        self.container = container_of(workspace_named(workspace))
        self.client = Client(headers={"Authorization": f"Bearer {self.secret}"})
        self.sas = signatures.sign(
            self.container,
            "rcw",
            signatures.Holder(self.token.pk, workspace_named(workspace).pk),
            lasting=timedelta(hours=1),
        )

    def url(self, name: str, query: str = "", *, sas: str | None = None, container: str = "") -> str:
        account = "lab.blob.core.windows.net"
        signed = self.sas if sas is None else sas
        return f"/blobstore/{account}/{container or self.container}/{quote(name)}?{query}{signed}"

    def put(self, name: str, content: bytes = b"abc", query: str = "", **headers: str) -> tuple[int, str]:
        headers.setdefault("x_ms_blob_type", "BlockBlob")
        given: dict[str, Any] = {"CONTENT_LENGTH": str(len(content))} | {
            f"HTTP_{key.upper()}": value for key, value in headers.items()
        }
        answer = Client().put(
            self.url(name, query), content, content_type="application/octet-stream", **given
        )
        return answer.status_code, answer.headers.get("x-ms-error-code", "")


@pytest.fixture
def ann() -> Sender:
    return Sender()


def test_a_signature_is_handed_out_and_lets_its_bearer_upload(ann: Sender) -> None:
    body = {"expirableSecret": True, "expireAfterHours": 1}
    answer = ann.client.post(SECRETS, body, content_type="application/json").json()
    assert answer["secretsType"] == "Sas"
    ann.sas = answer["sasToken"]
    assert ann.put(f"{UPLOAD}/Dockerfile") == (201, "")


@pytest.mark.parametrize("hours", [0, -1, 25, 10**9, "x", [1]])
def test_a_signature_is_not_handed_out_for_long(ann: Sender, hours: object) -> None:
    answer = ann.client.post(SECRETS, {"expireAfterHours": hours}, content_type="application/json")
    assert answer.status_code == 400


def test_readers_and_strangers_get_no_signature(ann: Sender) -> None:
    for name, role, workspace, status in (("r", Role.READER, "lab", 403), ("s", Role.OWNER, "other", 404)):
        sender = Sender(name, role, workspace)
        assert sender.client.post(SECRETS, {}, content_type="application/json").status_code == status
    assert Client().post(SECRETS, {}, content_type="application/json").status_code == 401


def test_a_file_is_looked_up_with_its_metadata(ann: Sender) -> None:
    url = ann.url(f"{UPLOAD}/Dockerfile")
    missing = Client().head(url)
    assert (missing.status_code, missing["x-ms-error-code"]) == (404, "BlobNotFound")
    ann.put(f"{UPLOAD}/Dockerfile")
    assert ann.put(f"{UPLOAD}/Dockerfile", b"", "comp=metadata&", **DONE) == (200, "")
    there = Client().head(url)
    assert there.status_code == 200
    assert there["Content-Length"] == "3"
    assert there["x-ms-meta-upload_status"] == "completed"
    assert there["ETag"]
    assert there["Last-Modified"]


def test_blocks_are_put_together(ann: Sender, store: FileStore) -> None:
    name = f"{UPLOAD}/data.bin"
    for block, content in ((b"2", b"two"), (b"1", b"one")):
        text = quote(base64.b64encode(block).decode(), safe="")
        assert ann.put(name, content, f"comp=block&blockid={text}&") == (201, "")
    blocks = f"<Latest>{FIRST}</Latest><Latest>{base64.b64encode(b'2').decode()}</Latest>"
    listed = f"<?xml version='1.0' encoding='utf-8'?>\n<BlockList>{blocks}</BlockList>"
    assert ann.put(name, listed.encode(), "comp=blocklist&") == (201, "")
    assert store.read(UploadedBlob.objects.get().digest) == b"onetwo"


def test_nothing_is_answered_to_another_or_no_signature(ann: Sender) -> None:
    other = Sender("bob", Role.OWNER, "other")
    name = f"{UPLOAD}/Dockerfile"
    for url in (
        ann.url(name, sas=""),
        ann.url(name, sas=other.sas),
        ann.url(name, sas=ann.sas.replace("sp=rcw", "sp=rcwd")),
        ann.url(name, container=other.container),
        other.url(name, container=ann.container),
        ann.url(name, container="azureml-blobstore-" + "0" * 36),
    ):
        for send in (ann.client.put, ann.client.head, ann.client.get, ann.client.delete, ann.client.post):
            answer = send(url)
            assert (answer.status_code, answer["x-ms-error-code"]) == (403, "AuthenticationFailed")
    assert not UploadedBlob.objects.exists()


def test_a_signature_ends_with_its_token(ann: Sender) -> None:
    AccessToken.objects.update(revoked_at=timezone.now())
    assert ann.put(f"{UPLOAD}/Dockerfile") == (403, "AuthenticationFailed")


def test_a_signature_ends_with_its_holders_rights(ann: Sender) -> None:
    Member.objects.update(role=Role.READER)
    assert ann.put(f"{UPLOAD}/Dockerfile") == (403, "AuthenticationFailed")
    assert Client().head(ann.url(f"{UPLOAD}/Dockerfile")).status_code == 404
    Member.objects.all().delete()
    assert Client().head(ann.url(f"{UPLOAD}/Dockerfile")).status_code == 403


def test_a_signature_to_read_lets_nobody_write(ann: Sender) -> None:
    holder = signatures.Holder(ann.token.pk, workspace_named("lab").pk)
    ann.sas = signatures.sign(ann.container, "r", holder, lasting=timedelta(hours=1))
    assert ann.put(f"{UPLOAD}/Dockerfile") == (403, "AuthenticationFailed")
    assert Client().head(ann.url(f"{UPLOAD}/Dockerfile")).status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Dockerfile",
        "a/b",
        "a/../../b/c",
        "a/b/..",
        "a//b/c",
        "a/b/c\0d",
        "a/b\\c/d",
        "a/b/\n",
        "a/b/" + "x" * 2000,
    ],
)
def test_hostile_names_are_refused_and_leave_nothing(ann: Sender, store: FileStore, name: str) -> None:
    status, code = ann.put(name)
    assert (status, code) == (400, "InvalidResourceName")
    assert not UploadedBlob.objects.exists()
    assert not list(store.folder.glob("sha256/*/*"))


@pytest.mark.parametrize(
    ("content", "query", "headers", "status", "code"),
    [
        (b"abc", "comp=page&", {}, 400, "InvalidQueryParameterValue"),
        (b"abc", "comp=block&", {}, 400, "InvalidResourceName"),
        (b"abc", "comp=block&blockid=..&", {}, 400, "InvalidResourceName"),
        (b"abc", "", {"x_ms_blob_type": "PageBlob"}, 400, "InvalidBlobType"),
        (b"", "", {"x_ms_copy_source": "https://elsewhere.example/x"}, 400, "UnsupportedHeader"),
        (b"abc", "", {"content_md5": "x"}, 400, "InvalidMd5"),
        (b"abc", "", {"content_md5": base64.b64encode(hashlib.md5(b"b").digest()).decode()}, 400, "InvalidInput"),  # noqa: S324
        (b"abc", "", {"x_ms_meta_upload_status": "a\nb"}, 400, "InvalidMetadata"),
        (b"abc", "", {"x_ms_meta_n": "ü"}, 400, "InvalidMetadata"),
        (b"abc", "", {"x_ms_meta_n": "x" * 9000}, 413, "RequestBodyTooLarge"),
        (b"abc", "", {f"x_ms_meta_n{n}": "x" for n in range(21)}, 400, "MetadataTooLarge"),
        (b"", "comp=metadata&", {}, 404, "BlobNotFound"),
        (b"", "comp=blocklist&", {}, 400, "InvalidXmlDocument"),
        (b"<BlockList><Latest>YQ==</Latest></BlockList>", "comp=blocklist&", {}, 400, "InvalidBlockList"),
        (b"<BlockList><Latest>YQ==</Committed></BlockList>", "comp=blocklist&", {}, 400, "InvalidXmlDocument"),
        (b"<BlockList><Latest>&a;</Latest></BlockList>", "comp=blocklist&", {}, 400, "InvalidXmlDocument"),
        (b'<!DOCTYPE a [<!ENTITY a "b">]><BlockList></BlockList>', "comp=blocklist&", {}, 400, "InvalidXmlDocument"),
        (b"<BlockList>" + b" " * (2 << 20) + b"</BlockList>", "comp=blocklist&", {}, 413, "RequestBodyTooLarge"),
        (b"<BlockList>" + b"<Latest>YQ==</Latest>" * 6000 + b"</BlockList>", "comp=blocklist&", {}, 400, "InvalidXmlDocument"),
        (b"\xff\xfe", "comp=blocklist&", {}, 400, "InvalidXmlDocument"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_refused_and_leaves_nothing(
    ann: Sender, content: bytes, query: str, headers: dict[str, str], status: int, code: str
) -> None:
    assert ann.put(f"{UPLOAD}/Dockerfile", content, query, **headers) == (status, code)
    assert not UploadedBlob.objects.exists()


def test_a_request_without_its_length_is_refused(ann: Sender) -> None:
    answer = Client().put(ann.url(f"{UPLOAD}/Dockerfile"), b"abc", content_type="x/y", CONTENT_LENGTH="")
    assert (answer.status_code, answer["x-ms-error-code"]) == (411, "MissingContentLengthHeader")


def test_a_refusal_is_xml_that_quotes_what_was_sent_safely(ann: Sender) -> None:
    answer = Client().put(ann.url(f"{UPLOAD}/<a>&/x", "comp=block&blockid=<&"), b"", content_type="x/y")
    assert answer["Content-Type"] == "application/xml"
    assert b"<Code>InvalidResourceName</Code>" in answer.content
    answer = Client().put(ann.url(f"{UPLOAD}/<a>&", "comp=metadata&"), b"", content_type="x/y")
    assert b"<Code>BlobNotFound</Code>" in answer.content


def test_an_empty_file_is_a_file(ann: Sender) -> None:
    assert ann.put(f"{UPLOAD}/__init__.py", b"") == (201, "")
    assert UploadedBlob.objects.get().size == 0


def test_an_existing_file_is_not_created_again(ann: Sender) -> None:
    ann.put(f"{UPLOAD}/Dockerfile", if_none_match="*")
    assert ann.put(f"{UPLOAD}/Dockerfile", if_none_match="*") == (409, "BlobAlreadyExists")


def save(ann: Sender, uri: str, version: str = "1", workspace: str = "lab", **build: str) -> tuple[int, str]:
    url = f"{WS.replace('/lab', f'/{workspace}')}/environments/forecast/versions/{version}"
    body = {"properties": {"build": {"contextUri": uri, **build}}}
    answer = ann.client.put(url, body, content_type="application/json")
    return answer.status_code, answer.content.decode()


def context_uri(ann: Sender, folder: str = UPLOAD) -> str:
    return f"https://studio.example:8443/blobstore/{ann.container}/{folder}/"


def test_a_completed_upload_becomes_the_build_context_of_a_version(ann: Sender) -> None:
    ann.put(f"{UPLOAD}/Dockerfile", b"FROM python:3.12-slim\nCOPY . /app\n")
    ann.put(f"{UPLOAD}/app/a b#ü.txt", b"data")
    status, text = save(ann, context_uri(ann))
    assert status == 400
    assert "finished" in text
    ann.put(f"{UPLOAD}/Dockerfile", b"", "comp=metadata&", **DONE)
    status, text = save(ann, context_uri(ann))
    assert status == 201, text
    context = Version.objects.get().definition.context
    assert context is not None
    assert {file.path: file.content for file in context.files} == {
        "Dockerfile": b"FROM python:3.12-slim\nCOPY . /app\n",
        "app/a b#ü.txt": b"data",
    }
    assert save(ann, context_uri(ann))[0] == 200  # the same content again
    UploadedBlob.objects.all().delete()
    assert Version.objects.get().definition.context == context


def test_other_files_under_a_taken_version_are_a_conflict(ann: Sender) -> None:
    for folder, text in ((UPLOAD, b"FROM a:1\n"), ("LocalUpload/def/context", b"FROM b:1\n")):
        ann.put(f"{folder}/Dockerfile", text, **DONE)
    assert save(ann, context_uri(ann))[0] == 201
    assert save(ann, context_uri(ann, "LocalUpload/def/context"))[0] == 409


def test_an_upload_to_another_workspace_is_as_good_as_missing(ann: Sender) -> None:
    other = Sender("bob", Role.OWNER, "other")
    other.put(f"{UPLOAD}/Dockerfile", b"FROM scratch\n", **DONE)
    Member.objects.create(workspace=workspace_named("other"), user=ann.user, role=Role.OWNER)
    assert save(ann, context_uri(other))[0] == 400
    assert save(ann, context_uri(other), workspace="other")[0] == 201


@pytest.mark.parametrize(
    "folder", ["LocalUpload/abc/..", "..", "LocalUpload/abc/context/../../../..", "%2e%2e"]
)
def test_a_context_out_of_its_upload_is_refused(ann: Sender, folder: str) -> None:
    ann.put(f"{UPLOAD}/Dockerfile", b"FROM scratch\n", **DONE)
    assert save(ann, context_uri(ann, folder))[0] == 400


def test_a_dockerfile_that_is_not_in_the_upload_is_refused(ann: Sender) -> None:
    ann.put(f"{UPLOAD}/Dockerfile", b"FROM scratch\n", **DONE)
    for path in ("docker/Dockerfile", "../Dockerfile", "../../../conda.yaml", "/etc/passwd"):
        assert save(ann, context_uri(ann), dockerfilePath=path)[0] == 400


def test_the_first_sdk_registers_an_upload_by_its_location(ann: Sender) -> None:
    ann.put(f"{UPLOAD}/Dockerfile.gpu", b"FROM python:3.12-slim\n", **DONE)
    url = f"/environment/v1.0{WS}/environments/forecast"

    def register(location: str, path: str = "Dockerfile.gpu") -> int:
        context = {"locationType": "storageAccount", "location": location, "dockerfilePath": path}
        body = {"Name": "forecast", "Docker": {"buildContext": context}, "python": {}}
        return ann.client.put(url, body, content_type="application/json").status_code

    assert register(context_uri(ann), "Dockerfile") == 400
    assert register(context_uri(ann, "LocalUpload/nothing/x")) == 400
    assert register(context_uri(ann)) == 200
    context = Version.objects.get().definition.context
    assert context is not None
    assert context.dockerfile == "FROM python:3.12-slim\n"


def test_blocks_that_are_in_no_file_are_limited(ann: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("environments.contexts.uploads.MOST_BLOCKS", 2)
    ids = [base64.b64encode(name).decode() for name in (b"1", b"2", b"3")]
    for block in ids[:2]:
        assert ann.put(f"{UPLOAD}/big", query=f"comp=block&blockid={quote(block)}&") == (201, "")
    third = f"comp=block&blockid={quote(ids[2])}&"
    assert ann.put(f"{UPLOAD}/big", query=third) == (413, "RequestBodyTooLarge")
    listed = "".join(f"<Latest>{block}</Latest>" for block in ids[:2])
    assert ann.put(f"{UPLOAD}/big", f"<BlockList>{listed}</BlockList>".encode(), "comp=blocklist&") == (
        201,
        "",
    )
    assert ann.put(f"{UPLOAD}/other", query=third) == (201, "")
