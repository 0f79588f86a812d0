"""Asking for a file over HTTP: each address on the way is shown its own credentials, and no other's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx

from builds.images.workshop import Workshop

MOST_REDIRECTS = 10


@contextmanager
def asked(
    client: httpx.Client, kind: str, url: str, workshop: Workshop, headers: Mapping[str, str]
) -> Iterator[httpx.Response]:
    """Open a file of an index or a channel, wherever its redirects lead."""
    for _ in range(MOST_REDIRECTS):
        login = workshop.login(kind, url)
        shown = {**headers, "Authorization": login.header} if login is not None else dict(headers)
        with client.stream("GET", url, headers=shown, follow_redirects=False) as response:
            if response.next_request is None:
                yield response
                return
            url = str(response.next_request.url)
    raise httpx.TooManyRedirects(f"it sent the studio on more than {MOST_REDIRECTS} times")
