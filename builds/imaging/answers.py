"""Open HTTP answers behind redirects; read manifests and tokens within limits of size and time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

import httpx

from builds.imaging import egress
from builds.imaging.workshop import Workshop
from environments.network.deadlines import end_within

MOST_REDIRECTS = 10
MOST_SECONDS = 60.0
# The size of what is received bounds nothing of what is unpacked.
PLAIN = {"Accept-Encoding": "identity"}


class BadAnswer(httpx.TransportError):
    """An answer that is too long, compressed, or sends the studio on without end."""


@contextmanager
def answer(client: httpx.Client, request: httpx.Request) -> Iterator[httpx.Response]:
    """Send a request and open its answer, following redirects without reading their bodies."""
    for _ in range(MOST_REDIRECTS):
        try:
            response = client.send(request, stream=True, follow_redirects=False)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise BadAnswer(f"it sent the studio to no address ({error})") from error
        try:
            if response.next_request is None:
                yield response
                return
            request = response.next_request
        finally:
            response.close()
    raise BadAnswer(f"it sent the studio on more than {MOST_REDIRECTS} times")


def bounded(response: httpx.Response, most: int) -> bytes:
    """Return the body of an answer that is open, if it has at most so many bytes. Raises httpx.TransportError."""
    if (encoding := response.headers.get("content-encoding", "identity").lower()) not in ("", "identity"):
        raise BadAnswer(f"its answer is compressed ({encoding[:40]}), which was not requested")
    end_within(response, MOST_SECONDS)
    pieces, size = [], 0
    for piece in response.iter_raw():
        size += len(piece)
        if size > most:
            raise BadAnswer(f"its answer is longer than {most / 1e6:.0f} MB")
        pieces.append(piece)
    return b"".join(pieces)


@contextmanager
def following_redirects(
    client: httpx.Client, kind: str, url: str, workshop: Workshop, headers: Mapping[str, str]
) -> Iterator[tuple[httpx.Response, bool]]:
    """Open a file of an index or a channel, following its redirects; say whether the workspace's login was sent.

    Raises ImageError for a URL without a host.
    """
    private, extensions = False, None
    for _ in range(MOST_REDIRECTS):
        egress.check_url(url)
        login = workshop.login(kind, url)
        private = private or bool(workshop.private(kind, [url]))
        shown = {**headers, "Authorization": login.header} if login is not None else dict(headers)
        request = client.build_request("GET", url, headers=shown, extensions=extensions)
        with closing(client.send(request, stream=True, follow_redirects=False)) as response:
            if response.next_request is None:
                yield response, private
                return
            # With them goes the exchange: its deadlines are for all redirects together.
            url, extensions = str(response.next_request.url), response.next_request.extensions
    raise httpx.TooManyRedirects(f"it sent the studio on more than {MOST_REDIRECTS} times")
