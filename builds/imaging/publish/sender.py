"""Send blobs to a repository of a container registry: those that it does not have, several at a time."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import TypeVar

import httpx

from builds.imaging.answers import PLAIN, bounded
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.oci.store import BlobStore
from builds.imaging.registry_client import ATTEMPTS, AskAgain, Registry, same_origin
from builds.imaging.reporting import Cancelled, ImageError
from environments.network.short_requests import ShortAnswer

Answer = TypeVar("Answer")
PARALLEL = 4
SHORT = 64 * 1024
_PATH = re.compile(r"/(?!/)[A-Za-z0-9/._~%?&=+,:@!$'()*;-]*")


def _ask_again_if_busy(status: int) -> None:
    if status == 429 or status >= 500:
        raise AskAgain(f"it answered {status}")


def _needs_more(status: int) -> bool:
    """Whether an answer sends the studio elsewhere, or wants to know who is there."""
    return status < 200 or 300 <= status < 400 or status in (401, 403)


def _drain(response: httpx.Response) -> None:
    """Read an answer in which nothing is needed, if it is short: then its connection is used again."""
    with suppress(httpx.TransportError):
        bounded(response, SHORT)


class Uploads(Registry):
    """A repository that is written to."""

    actions = "pull,push"

    @property
    def name(self) -> str:
        """The repository's name in its registry."""
        return self._at.name

    def ask(self, method: str, url: str) -> ShortAnswer:
        """Send a request without a body, and repeat it with a login if the registry wants one."""
        # Without a body, the length is stated where a registry may require it.
        length = {"Content-Length": "0"} if method == "POST" else {}
        short = self._short.send(method, url, {**PLAIN, **length, **self._headers})
        if short is not None and not _needs_more(short.status):
            _ask_again_if_busy(short.status)
            return short
        if short is not None and short.status == 401:
            self.authorize(self._answered(method, url, short))
        with self.send(method, url, {}) as response:
            _drain(response)
        if response.status_code == 401:
            self.authorize(response)
            with self.send(method, url, {}) as response:
                _drain(response)
        if response.status_code in (401, 403):
            raise self._refused()
        _ask_again_if_busy(response.status_code)
        return ShortAnswer(response.status_code, response.headers)

    def has(self, kind: str, digest: str) -> bool:
        """Return whether a blob or manifest is there."""
        return self.ask("HEAD", f"/v2/{self._at.name}/{kind}/{digest}").status == 200

    def mount_or_begin(self, digest: str, origin: str | None) -> str | None:
        """Take the blob over from another repository: None. Else begin an upload: its address."""
        mount = f"?mount={digest}&from={origin}" if origin else ""
        response = self.ask("POST", f"/v2/{self._at.name}/blobs/uploads/{mount}")
        if response.status == 201:
            return None
        if response.status != 202 or "location" not in response.headers:
            raise self.unreachable(f"an upload cannot begin, it answered {response.status}")
        return str(response.headers["location"])

    def put(
        self, url: httpx.URL | str, headers: Mapping[str, str], content: Iterator[bytes] | bytes
    ) -> Mapping[str, str]:
        """Send a blob or manifest, and return the headers of the response, whose names are in lower case.

        A text is a path of the registry itself.
        """
        # A registry may have its uploads taken elsewhere; its password stays with it.
        here = isinstance(url, str) or same_origin(self._client.base_url.join(url), self._client.base_url)
        own = self._headers if here else {}
        if here and isinstance(content, bytes):
            path = url if isinstance(url, str) else url.raw_path.decode("ascii")
            short = self._short.send("PUT", path, {**PLAIN, **headers, **own}, content)
            if short is not None and not _needs_more(short.status):
                _ask_again_if_busy(short.status)
                if short.status == 201:
                    return short.headers
                raise self._not_taken(short.status)
            if short is not None and short.status == 401:
                self.authorize(self._answered("PUT", str(url), short))
                raise AskAgain("it asks again who is there")
        request = self._client.build_request("PUT", url, headers={**headers, **own}, content=content)
        response = self._client.send(request, stream=True)
        _drain(response)
        response.close()
        if response.status_code == 401:  # a token may have run out on the way
            self.authorize(response)
            raise AskAgain("it asks again who is there")
        _ask_again_if_busy(response.status_code)
        if response.status_code != 201:
            raise self._not_taken(response.status_code)
        return response.headers

    def _answered(self, method: str, url: str, short: ShortAnswer) -> httpx.Response:
        request = self._client.build_request(method, url)
        return httpx.Response(short.status, headers=dict(short.headers), request=request)

    def _not_taken(self, status: int) -> ImageError:
        return self.unreachable(f"it does not take what is pushed, it answered {status}")

    def put_manifest(self, manifest: Descriptor, body: bytes, reference: str) -> Mapping[str, str]:
        """Put a manifest or an index under its tag, which makes the image complete, or under its digest."""
        path = f"/v2/{self._at.name}/manifests/{reference}"
        return self.put(path, {"Content-Type": manifest.media_type}, body)

    def listed_under(self, tag: str) -> bytes | None:
        """Return the index with this tag; None if there is none."""
        try:
            return self.manifest(tag)[0]
        except ImageError as error:
            if error.code == "base-not-found":
                return None
            raise

    def address(self, location: str, digest: str) -> httpx.URL | str:
        """Return where the bytes of an upload go: the registry's answer holds a state of its own."""
        path = location.removeprefix(self._at.url)
        # An address is taken apart with care, which takes long, unless it is a plain path of the registry itself.
        if self._at.url.count("/") == 2 and _PATH.fullmatch(path) and "digest=" not in path:
            return f"{path}{'&' if '?' in path else '?'}digest={digest.replace(':', '%3A')}"
        return httpx.URL(self._at.url).join(location).copy_merge_params({"digest": digest})


class Sender:
    """Sends blobs of a store to a registry; many threads may use it. `origins` tells other repositories of it by digest.

    Once `over` is set, threads that still send or wait stop. `sent` is in bytes.
    """

    def __init__(self, registry: Uploads, store: BlobStore, origins: Mapping[str, str]) -> None:
        self._registry = registry
        self._store = store
        self._origins = origins
        self._lock = threading.Lock()
        self.over = threading.Event()
        self.sent = 0

    def push(self, blob: Descriptor) -> str:
        """Bring one blob there, and return how: sent, mounted, or present."""
        return self.with_retries(partial(self._at_once, blob))

    def _at_once(self, blob: Descriptor) -> str:
        origin = self._origins.get(blob.digest)
        # To mount what is there already takes no more than to look whether it is.
        location = self._registry.mount_or_begin(blob.digest, origin) if origin else None
        if origin and location is None:
            return "mounted"
        if self._registry.has("blobs", blob.digest):
            return "present"
        return self._send(blob, location) if location else self.mount_or_send(blob, None)

    def mount_or_send(self, blob: Descriptor, origin: str | None) -> str:
        """Bring a blob there without a look whether it is: mounted from another repository, if that has it, else sent."""
        location = self._registry.mount_or_begin(blob.digest, origin)
        return "mounted" if location is None else self._send(blob, location)

    def _send(self, blob: Descriptor, location: str) -> str:
        counted: list[int] = []
        try:
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
            url = self._registry.address(location, blob.digest)
            pieces = self._content(blob, counted)
            # Small blobs are sent as one piece.
            self._registry.put(url, headers, b"".join(pieces) if blob.size <= SHORT else pieces)
        except httpx.TransportError:
            self._count(-sum(counted))
            raise
        return "sent"

    def with_retries(self, ask: Callable[[], Answer]) -> Answer:
        """Ask the registry, and again a few times where it is away for a moment or too busy."""
        for attempt in range(1, ATTEMPTS):
            try:
                return ask()
            except httpx.TransportError:
                if self.over.wait(0.25 * 2**attempt):
                    raise Cancelled from None
        return ask()

    def _content(self, blob: Descriptor, counted: list[int]) -> Iterator[bytes]:
        with self._store.open(blob.digest) as file:
            while piece := file.read(1 << 20):
                if self.over.is_set():
                    raise Cancelled
                counted.append(len(piece))
                self._count(len(piece))
                yield piece

    def _count(self, sent: int) -> None:
        with self._lock:
            self.sent += sent
