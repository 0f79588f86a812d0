"""Keys that sign requests: a request that is changed in any part is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from hypothesis import given
from hypothesis import strategies as st

from studio.azure.blobs import shared_key

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ACCOUNT = "localhost:8443?lab.12"
PATH = "/azureml/DockerBuildContext/abc/a%20b%23"


def request(
    key: str = "",
    *,
    account: str = ACCOUNT,
    sent: datetime = NOW,
    change: dict[str, Any] | None = None,
    signed: str = "",
) -> ASGIRequest:
    """Return a request that is signed and then changed."""
    scope: dict[str, Any] = {
        "type": "http",
        "method": "PUT",
        "path": "/azureml/DockerBuildContext/abc/a b#",
        "raw_path": PATH.encode(),
        "query_string": b"comp=block&blockid=YQ%3D%3D",
        "headers": [
            (b"content-length", b"3"),
            (b"x-ms-blob-type", b"BlockBlob"),
            (b"x-ms-date", format_datetime(sent, usegmt=True).encode()),
        ],
    }
    date = format_datetime(sent, usegmt=True)
    text = (
        f"PUT\n\n\n3\n\n\n\n\n\n\n\n\nx-ms-blob-type:BlockBlob\nx-ms-date:{date}\n/{account}{PATH}"
        "\nblockid:YQ==\ncomp:block"
    )
    signature = signed or shared_key.sign(text, key or shared_key.key_for("lab", 12, now=NOW))
    scope |= change or {}
    scope["headers"] = [*scope["headers"], (b"authorization", f"SharedKey {account}:{signature}".encode())]
    return ASGIRequest(scope, None)  # type: ignore[arg-type]


def test_a_signed_request_names_workspace_and_token() -> None:
    assert shared_key.signer(request(), now=NOW) == ("lab", 12)


def test_a_key_is_good_until_the_end_of_the_next_day() -> None:
    key = shared_key.key_for("lab", 12, now=NOW)
    for days, good in ((0, True), (1, True), (2, False)):
        now = NOW + timedelta(days=days)
        assert (shared_key.signer(request(key, sent=now), now=now) is not None) == good


def test_a_request_is_good_for_a_quarter_of_an_hour() -> None:
    for minutes, good in ((-16, False), (-14, True), (14, True), (16, False)):
        assert (
            shared_key.signer(request(sent=NOW + timedelta(minutes=minutes)), now=NOW) is not None
        ) == good


@pytest.mark.parametrize(
    ("account", "key"),
    [
        ("localhost:8443?lab.13", ("lab", 12)),
        ("localhost:8443?other.12", ("lab", 12)),
        (ACCOUNT, ("lab", 13)),
    ],
)
def test_a_key_of_another_token_or_workspace_is_refused(account: str, key: tuple[str, int]) -> None:
    made = shared_key.key_for(*key, now=NOW)
    assert shared_key.signer(request(made, account=account), now=NOW) is None


@pytest.mark.parametrize(
    "change",
    [
        {"method": "HEAD"},
        {"raw_path": b"/azureml/DockerBuildContext/abc/other"},
        {"query_string": b"comp=block&blockid=YWE%3D"},
        {"query_string": b""},
        {"headers": [(b"content-length", b"4"), (b"x-ms-blob-type", b"BlockBlob")]},
        {"headers": []},
    ],
)
def test_a_changed_request_is_refused(change: dict[str, Any]) -> None:
    assert shared_key.signer(request(change=change), now=NOW) is None


@given(st.binary(max_size=60))
def test_no_other_authorization_is_accepted(value: bytes) -> None:
    made = request()
    made.META["HTTP_AUTHORIZATION"] = value.decode("latin-1")
    made.__dict__.pop("headers", None)
    assert shared_key.signer(made, now=NOW) is None


@pytest.mark.parametrize(
    "date", ["", "x", "Mon, 99 Nov 2026 12:00:00 GMT", "Mon, 30 Nov 2026 12:00:00", "\ud800"]
)
def test_a_date_that_cannot_be_read_is_refused(date: str) -> None:
    made = request()
    made.META["HTTP_X_MS_DATE"] = date
    assert shared_key.signer(made, now=NOW) is None
