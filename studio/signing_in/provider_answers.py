"""Requests to the OpenID Connect provider, with a deadline for each answer and a limit on its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from environments.bounded_json import read_json
from environments.network.client import timed_client
from environments.network.deadlines import Deadlines

MOST_BYTES = 1 << 20


def answer_of(url: str, *, token: str = "", form: Mapping[str, str] | None = None) -> str:
    """Return the text that the provider answers, to a form if there is one. Raises httpx.HTTPError, or ValueError.

    From the look-up of its name to the last byte, redirects included, it takes OIDC_TIMEOUT seconds at most.
    """
    seconds = float(settings.OIDC_TIMEOUT)
    headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {token}"} if token else {})
    method = "GET" if form is None else "POST"
    with (
        timed_client(Deadlines(head=seconds, whole=seconds), timeout=seconds) as client,
        client.stream(method, url, headers=headers, data=form, follow_redirects=form is None) as response,
    ):
        if "content-encoding" in response.headers:
            raise ValueError(f"{url} answers in a compressed form that was not requested.")
        content = b""
        for piece in response.iter_raw():
            content += piece
            if len(content) > MOST_BYTES:
                raise ValueError(f"{url} answers with more than {MOST_BYTES >> 20} MB.")
        if not response.is_success:
            raise ValueError(
                f"{url} answers {response.status_code}: {content[:500].decode(errors='replace')}"
            )
    return content.decode()


def document_at(url: str, **options: Any) -> dict[str, Any]:
    """Return the JSON object that the provider answers. Raises as `answer_of`."""
    document = read_json(answer_of(url, **options))
    if not isinstance(document, dict):
        raise ValueError(f"{url} answers with something other than an object.")
    return document
