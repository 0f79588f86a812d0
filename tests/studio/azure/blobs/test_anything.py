"""Requests of any kind to the blob store, with a good signature: each is answered, and none by an error of the studio."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from environments.models import UploadedBlob
from tests.studio.azure.blobs.test_views import Sender

pytestmark = pytest.mark.django_db
LATIN = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20)
NAMES = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from(["a", "..", ".", "", "%2e%2e", "\\", "é", "Dockerfile"]), max_size=6).map(
        "/".join
    ),
    st.just("LocalUpload/abc/context/Dockerfile"),
)
QUERIES = st.dictionaries(
    st.sampled_from(["comp", "blockid", "restype", "x"]),
    st.sampled_from(["block", "blocklist", "metadata", "list", "YQ==", "..", ""]) | st.text(max_size=10),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["HTTP_X_MS_META_A", "HTTP_X_MS_META_UPLOAD_STATUS", "HTTP_X_MS_BLOB_TYPE", "HTTP_CONTENT_MD5", "CONTENT_LENGTH",
         "HTTP_IF_NONE_MATCH", "HTTP_X_MS_COPY_SOURCE", "HTTP_RANGE"]
    ),
    st.sampled_from(["completed", "BlockBlob", "*", "0", "3", "-1", "99999999999999999999"]) | LATIN,
)  # fmt: skip
BODIES = st.binary(max_size=40) | st.sampled_from(
    [
        b"<BlockList><Latest>YQ==</Latest></BlockList>",
        b"<BlockList/>",
        b"<!DOCTYPE a []><BlockList></BlockList>",
    ]
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["PUT", "HEAD", "GET", "POST", "DELETE"]),
    name=NAMES,
    query=QUERIES,
    headers=HEADERS,
    body=BODIES,
)
def test_no_request_is_an_error_of_the_studio(
    sender: Sender, method: str, name: str, query: dict[str, str], headers: dict[str, str], body: bytes
) -> None:
    url = sender.url(quote(name), f"{urlencode(query)}&" if query else "")
    more: dict[str, Any] = {"CONTENT_LENGTH": str(len(body))} | headers
    answer = Client().generic(method, url, body, "application/octet-stream", **more)
    assert answer.status_code in (200, 201, 400, 404, 405, 409, 411, 413)
    assert answer.status_code < 400 or answer["x-ms-error-code"]
    for row in UploadedBlob.objects.all():
        assert row.name.startswith(f"{row.upload}/")
        assert ".." not in row.name.split("/")


@pytest.fixture
def sender(settings: Settings, tmp_path: Path) -> Sender:
    settings.CONTEXTS = tmp_path
    return Sender()
