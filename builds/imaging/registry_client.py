"""A client to pull from container registries: manifests and blobs, verified, into the store."""

from __future__ import annotations

import copy
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

import httpx

from builds.imaging import egress
from builds.imaging.access_errors import refused
from builds.imaging.answers import PLAIN, answer, bounded
from builds.imaging.oci.manifest import INDEXES, MANIFESTS, Descriptor
from builds.imaging.oci.store import BlobStore, BlobWriter
from builds.imaging.reporting import Cancelled, ImageError, short_reason
from builds.imaging.workshop import Workshop
from environments.bounded_json import read_json
from environments.network.credentials import HUB, HUB_HOST, Login, is_loopback
from environments.network.policy import LOCAL_POLICY, EgressPolicy
from environments.network.short_requests import ShortRequests

ATTEMPTS = 4
MOST_MANIFEST_BYTES = 4 * 1024**2
_TIMEOUT = httpx.Timeout(20.0, pool=None)
_MOST_TOKEN_BYTES = 1024**2
_LONGEST_TOKEN = 64 * 1024
_LONGEST_CHALLENGE = 4096
_TOKEN = re.compile(r"[!-~]+")
_CHALLENGE = re.compile(r'(?<![a-zA-Z])([a-zA-Z]++)="([^"]*+)"')


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository of one registry: where it is, and what its users call it."""

    url: str
    name: str
    shown: str
    login: Login | None = None
    reach: EgressPolicy = LOCAL_POLICY


def repositories_for(registry: str, repository: str, workshop: Workshop) -> list[Repository]:
    """Return the addresses of a repository, in order: its mirror, then its own registry."""
    shown = f"{registry}/{repository}"
    repositories = []
    for address in (workshop.mirrors.get(registry), HUB_HOST if registry == HUB else registry):
        if address:
            # A mirror is sent its own credentials only, the registry those of its own address.
            url = _url(address)
            login = workshop.login("registry", f"{url}/{repository}")
            repositories.append(Repository(url, repository, shown, login, workshop.reach))
    return repositories


def _url(address: str) -> str:
    """Return the address with its scheme: plain HTTP only where it says so, or on this machine."""
    if "://" in address:
        return address.rstrip("/")
    return f"{'http' if is_loopback(address.partition('/')[0]) else 'https'}://{address.rstrip('/')}"


class AskAgain(httpx.TransportError):
    """The registry asks to be asked again: as good as a broken connection."""


class Registry:
    """Talks to one repository. Threads may share it; close it at the end."""

    actions = "pull"

    def __init__(self, repository: Repository) -> None:
        self._at = repository
        self._client = egress.client(
            repository.reach, base_url=repository.url, timeout=_TIMEOUT, follow_redirects=False
        )
        self._short = ShortRequests(repository.reach, repository.url)
        self._headers: dict[str, str] = {}
        self.also_from: tuple[str, ...] = ()
        """Repositories of the same registry that blobs are mounted from: a token must let in there too."""

    def beside(self, name: str) -> Self:
        """Return another repository of the same registry, with shared connections: close either of them."""
        other = copy.copy(self)
        shown = f"{self._at.shown.partition('/')[0]}/{name}"
        other._at = replace(self._at, name=name, shown=shown)
        # A token lets in to one repository, a password to all.
        if not self._headers.get("Authorization", "").startswith("Basic "):
            other._headers = {}
        other.also_from = ()
        return other

    @property
    def private(self) -> bool:
        """Whether the workspace's credentials are sent to this repository when it requests them."""
        return self._at.login is not None

    def close(self) -> None:
        """Give the connections back."""
        self._short.close()
        self._client.close()

    def manifest(self, reference: str) -> tuple[bytes, Descriptor]:
        """Return a manifest or index by its tag or digest, verified."""
        path = f"/v2/{self._at.name}/manifests/{reference}"
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._open(path, {"Accept": ", ".join(MANIFESTS + INDEXES)}) as response:
                    body = bounded(response, MOST_MANIFEST_BYTES)
                break
            except AskAgain as error:
                if attempt == ATTEMPTS:
                    raise self.unreachable(error) from error
                time.sleep(0.1 * 2**attempt)
            except httpx.TransportError as error:
                raise self.unreachable(error) from error
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        promised = reference if ":" in reference else response.headers.get("docker-content-digest", digest)
        if promised != digest:
            raise ImageError(
                "digest-mismatch",
                f"The manifest of {self._at.shown} is not what its digest {promised} says.",
                "Something between the registry and the studio changes images.",
                fault="outside",
            )
        return body, Descriptor(media_type=_type_of(body, response), digest=digest, size=len(body))

    def blob(
        self, descriptor: Descriptor, store: BlobStore, stop: threading.Event, count: Callable[[int], None]
    ) -> None:
        """Fetch a blob into the store, going on where a broken connection left off."""
        with store.writer() as writer:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    self._receive(descriptor, writer, stop, count)
                    break
                except httpx.TransportError as error:
                    if attempt == ATTEMPTS:
                        raise self.unreachable(error) from error
                    if stop.wait(0.25 * 2**attempt):
                        raise Cancelled from None
            writer.commit(descriptor.digest, descriptor.size)

    def small_blob(self, descriptor: Descriptor, most: int) -> bytes:
        """Return a small blob, such as a config, verified and of at most so many bytes. Raises ImageError."""
        try:
            with self._open(f"/v2/{self._at.name}/blobs/{descriptor.digest}", {}) as response:
                body = bounded(response, min(most, descriptor.size))
        except httpx.TransportError as error:
            raise self.unreachable(error) from error
        if "sha256:" + hashlib.sha256(body).hexdigest() != descriptor.digest:
            raise self._too_long(descriptor)
        return body

    @contextmanager
    def tags_page(self, size: int, last: str) -> Iterator[httpx.Response]:
        """Open a page of the list of tags: those after `last`."""
        query = httpx.QueryParams({"n": str(size), **({"last": last} if last else {})})
        with self._open(f"/v2/{self._at.name}/tags/list?{query}", {}) as response:
            yield response

    def _receive(
        self, descriptor: Descriptor, writer: BlobWriter, stop: threading.Event, count: Callable[[int], None]
    ) -> None:
        path = f"/v2/{self._at.name}/blobs/{descriptor.digest}"
        start = writer.size
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self._open(path, headers) as response:
            # A server that cannot go on in the middle sends it all again: pass over what is here.
            skip = 0 if response.status_code == 206 else start
            for chunk in response.iter_raw(1 << 18):
                if stop.is_set():
                    raise Cancelled
                fresh, skip = chunk[skip:], max(0, skip - len(chunk))
                writer.write(fresh)
                count(len(fresh))
                if writer.size > descriptor.size:
                    raise self._too_long(descriptor)

    @contextmanager
    def _open(self, path: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """Open a resource; answers a registry that asks who is there, once."""
        with self.send("GET", path, headers) as response:
            if response.status_code != 401:
                self._refuse_failure(response)
                yield response
                return
        self.authorize(response)
        with self.send("GET", path, headers) as response:
            self._refuse_failure(response)
            yield response

    @contextmanager
    def send(self, method: str, url: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """Send a request with the studio's login, and open its answer."""
        request = self._client.build_request(method, url, headers={**PLAIN, **headers, **self._headers})
        with answer(self._client, request) as response:
            yield response

    def authorize(self, response: httpx.Response) -> None:
        """Do what a 401 asks for: fetch a token, or send user and password from now on."""
        if self._at.login and not same_origin(response.url, self._client.base_url):
            # The target of a redirect must not decide where the password is sent.
            raise self._refused()
        scheme, _, rest = response.headers.get("www-authenticate", "").partition(" ")
        challenge = dict(_CHALLENGE.findall(rest[:_LONGEST_CHALLENGE]))
        if scheme.lower() == "basic" and self._at.login:
            self._headers = {"Authorization": self._at.login.header}
        elif scheme.lower() == "bearer" and challenge.get("realm"):
            self._headers = {"Authorization": f"Bearer {self._token(challenge)}"}
        else:
            raise self._refused()

    def _token(self, challenge: dict[str, str]) -> str:
        try:
            realm = httpx.URL(challenge["realm"])
        except httpx.InvalidURL as error:
            raise self._refused() from error
        scopes = [f"repository:{self._at.name}:{self.actions}"]
        scopes += [f"repository:{name}:pull" for name in self.also_from]
        query = [("service", challenge.get("service", "")), *(("scope", scope) for scope in scopes)]
        login = self._at.login if self._trusts(realm) else None
        headers = {**PLAIN, **({"Authorization": login.header} if login else {})}
        try:
            request = self._client.build_request("GET", realm, params=tuple(query), headers=headers)
            with answer(self._client, request) as response:
                if response.status_code >= 400:
                    raise self._refused()
                body = read_json(bounded(response, _MOST_TOKEN_BYTES))
            token = str(body.get("token") or body["access_token"])
        except (ValueError, KeyError, AttributeError, RecursionError) as error:
            raise self._refused() from error
        if len(token) > _LONGEST_TOKEN or not _TOKEN.fullmatch(token):
            raise self._refused()
        return token

    def _trusts(self, realm: httpx.URL) -> bool:
        """Whether the password may go to where tokens are given, which the registry alone can tell.

        In the clear it travels to nobody but this machine and the registry itself; and nobody on the way to
        a registry of plain HTTP can name a place for it.
        """
        own = self._client.base_url
        if same_origin(realm, own):
            return True
        believed = own.scheme == "https" or is_loopback(own.host)
        return believed and (realm.scheme == "https" or is_loopback(realm.host))

    def _refuse_failure(self, response: httpx.Response) -> None:
        if response.status_code in (401, 403):
            raise self._refused()
        if response.status_code == 404:
            wanted = response.request.url.path.rpartition("/")[2]
            mark = "@" if ":" in wanted else ":"
            raise ImageError(
                "base-not-found",
                f"There is no image {self._at.shown}{mark}{wanted} at {self._at.url}.",
                "Check the name and the tag.",
            )
        if response.status_code == 429 or response.status_code >= 500:
            raise AskAgain(f"it answered {response.status_code}")
        if response.status_code >= 400:
            raise self.unreachable(f"it answered {response.status_code}")

    def _refused(self) -> ImageError:
        known = "its user and password are not accepted" if self._at.login else "it is private"
        help = refused("registry", self._at.url).help
        return ImageError(
            "registry-refused",
            f"The registry {self._at.url} does not let the studio {self.actions} {self._at.shown}: {known}.",
            f"Check the name. {help}",
        )

    @property
    def _host(self) -> str:
        return self._at.url.partition("://")[2].partition("/")[0] or self._at.url

    def unreachable(self, why: object) -> ImageError:
        """Return the error for a registry that does not do its part."""
        return ImageError(
            "registry-unreachable",
            f"Can't reach {self._host} for {self._at.shown} ({short_reason(why)}).",
            "Check the base image's name, or ask an admin about the network. Then build again.",
            fault="outside",
            detail=why,
        )

    def _too_long(self, descriptor: Descriptor) -> ImageError:
        return ImageError(
            "digest-mismatch",
            f"{self._at.url} sends more than the {descriptor.size} bytes of {descriptor.digest}.",
            fault="outside",
        )


def same_origin(url: httpx.URL, other: httpx.URL) -> bool:
    """Return whether two URLs have the same origin, so that credentials may be sent to both."""
    ports = {"http": 80, "https": 443}
    return (url.scheme, url.host, url.port or ports.get(url.scheme)) == (
        other.scheme,
        other.host,
        other.port or ports.get(other.scheme),
    )


def _type_of(body: bytes, response: httpx.Response) -> str:
    """Return what kind of document it is: what it says of itself, or what the registry says."""
    try:
        media_type = read_json(body).get("mediaType")
    except (ValueError, AttributeError, RecursionError):
        media_type = None
    return str(media_type or response.headers.get("content-type", "").partition(";")[0])
