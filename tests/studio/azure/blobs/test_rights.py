"""Keys and signatures have the rights of their access token, looked up again with each request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from django.core.handlers.asgi import ASGIRequest
from pytest_django.fixtures import Settings

from environments.models import Member, Role, Scope, UploadedBlob
from environments.workspaces.tokens import create_token, revoke_token
from studio.azure.blobs import shared_key, signatures, views
from tests.builds.scenarios import workspace_named
from tests.studio.azure.blobs.test_views import UPLOAD, Sender

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(settings: Settings, tmp_path: Path) -> Sender:
    settings.CONTEXTS = tmp_path
    return Sender()


def signed(sender: Sender, *, key: str = "") -> int:
    """Return the status of a HEAD that the first SDK would sign for the sender's token, or with another key."""
    return views.first_sdk_blob(_request("HEAD", sender, key), "abc/Dockerfile").status_code


def _request(method: str, sender: Sender, key: str = "", query: bytes = b"") -> ASGIRequest:
    date = format_datetime(datetime.now(UTC), usegmt=True)
    account = f"localhost:8443?lab.{sender.token.pk}"
    path = "/azureml" if query else "/azureml/DockerBuildContext/abc/Dockerfile"
    resource = "\nrestype:container" if query else ""
    text = f"{method}\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\n/{account}{path}{resource}"
    signature = shared_key.sign(text, key or shared_key.key_for("lab", sender.token.pk))
    headers = [
        (b"x-ms-date", date.encode()),
        (b"authorization", f"SharedKey {account}:{signature}".encode()),
    ]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": headers,
    }
    return ASGIRequest(scope, None)  # type: ignore[arg-type]


def test_a_key_ends_with_its_token(ann: Sender) -> None:
    assert signed(ann) == 404  # nothing is uploaded, and the caller may know that
    revoke_token(ann.token, ann.user)
    assert signed(ann) == 403


def test_a_key_ends_with_its_holders_rights(ann: Sender) -> None:
    Member.objects.filter(user=ann.user).update(role=Role.READER)
    assert signed(ann) == 403
    Member.objects.filter(user=ann.user).delete()
    assert signed(ann) == 403


def test_a_key_of_a_token_that_only_reads_uploads_nothing(ann: Sender) -> None:
    ann.token = create_token(ann.user, "reads", Scope.READ)[0]
    assert signed(ann) == 403


def test_a_container_is_created_with_a_good_key_only(ann: Sender) -> None:
    query = b"restype=container"
    assert views.first_sdk_container(_request("PUT", ann, query=query)).status_code == 201
    wrong = shared_key.key_for("other", ann.token.pk)
    assert views.first_sdk_container(_request("PUT", ann, wrong, query)).status_code == 403


def test_a_signature_has_no_more_rights_than_its_token(ann: Sender) -> None:
    for scope in (Scope.READ, Scope.PULL):
        token = create_token(ann.user, f"only {scope}", scope)[0]
        holder = signatures.Holder(token.pk, workspace_named("lab").pk)
        ann.sas = signatures.sign(ann.container, "rcw", holder, lasting=timedelta(hours=1))
        assert ann.put(f"{UPLOAD}/Dockerfile") == (403, "AuthenticationFailed"), scope
    assert not UploadedBlob.objects.exists()


def test_a_signature_for_a_container_of_another_workspace_opens_neither(ann: Sender) -> None:
    other = workspace_named("other")
    Member.objects.create(workspace=other, user=ann.user, role=Role.OWNER)
    holder = signatures.Holder(ann.token.pk, other.pk)
    ann.sas = signatures.sign(ann.container, "rcw", holder, lasting=timedelta(hours=1))
    assert ann.put(f"{UPLOAD}/Dockerfile") == (403, "AuthenticationFailed")
    assert not UploadedBlob.objects.exists()
