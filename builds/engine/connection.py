"""The Docker Engine of this studio: reaching it, giving it base images, building, leaving nothing behind."""

from __future__ import annotations

import json
import logging
import re
import tarfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from docker import APIClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from requests import RequestException

from builds.engine.exchange import PIECE, EngineRefused, Exchange, lost
from builds.engine.output import Output, output_of
from builds.imaging.bases.model import Base
from builds.imaging.oci.manifest import OCI_LAYER_ZSTD, Descriptor
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import ImageError, Reporter, short_reason

LABEL = "io.environment-studio.from"
"""On every base image given to an engine; what is built on one inherits it, so that a clean-up finds it."""

BASES = "environment-studio/base"
TESTED = "environment-studio/tested"
LEFT_AFTER_SECONDS = 6 * 3600
PATIENCE = 30
ANSWER_SECONDS = 30
_READS_ZSTD = (23, 0)
_READS_CONTEXTS = (27, 5)
_RELEASE = re.compile(r"(\d+)\.(\d+)")
_CONTAINERD = ["driver-type", "io.containerd.snapshotter.v1"]
_PASSES = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OwnImage:
    """An image of the engine's own: its id, and what it is made for, such as linux/amd64."""

    id: str
    platform: str
    triggers: bool = False
    """Whether it runs more in builds on it (ONBUILD)."""


@dataclass(frozen=True)
class BaseLeft:
    """A base or tested image that the studio gave to the engine: its name, when it was last used, its bytes."""

    name: str
    used_at: float
    size: int


class Engine:
    """A client of a Docker Engine. Use as a context manager: `with Engine.at(host) as …`."""

    def __init__(self, api: APIClient, version: str) -> None:
        self.api = api
        self.version = version

    @classmethod
    @contextmanager
    def at(cls, host: str) -> Iterator[Engine]:
        """Reach the engine at this address, as DOCKER_HOST has it, or say what to do about it."""
        try:
            api = APIClient(base_url=host, version="auto", timeout=ANSWER_SECONDS)
            version = str(api.version()["Version"])
        except DockerException as error:
            raise ImageError(
                "engine-unreachable",
                f"Dockerfiles need a Docker Engine, and none is reachable at {host} ({short_reason(error)}).",
                "Start Docker, or set DOCKER_HOST to where it listens, and build again. "
                "A definition with a base image needs no Docker Engine.",
                fault="studio",
                detail=error,
            ) from error
        try:
            yield cls(api, version)
        except (DockerException, RequestException) as error:
            raise lost(error) from error
        finally:
            api.close()

    # Base images

    def local(self, reference: str) -> str | None:
        """Return the id of an image that this engine has of its own, or None."""
        try:
            return str(self.api.inspect_image(reference)["Id"])  # type: ignore[no-untyped-call]
        except (ImageNotFound, NotFound):
            return None

    def own(self, reference: str) -> OwnImage | None:
        """Return an image that this engine has from elsewhere: built there, pulled or loaded, not by the studio.

        What the studio gave it is no workspace's to find: it may be another workspace's private base.
        """
        try:
            result = self.api.inspect_image(reference)  # type: ignore[no-untyped-call]
        except (ImageNotFound, NotFound):
            return None
        config = result.get("Config") or {}
        if LABEL in (config.get("Labels") or {}):
            return None
        platform = f"{result['Os']}/{result['Architecture']}"
        return OwnImage(str(result["Id"]), platform, bool(config.get("OnBuild")))

    @contextmanager
    def temporary_image(self, base: Base, store: BlobStore, reporter: Reporter) -> Iterator[str]:
        """Give an image for the length of a block; one that was there before stays."""
        there = self.local(name_of(base, BASES)) is not None
        name = self.give(base, store, reporter)
        try:
            yield name
        finally:
            if not there:
                _patiently(self.api.remove_image, name)

    def give(self, base: Base, store: BlobStore, reporter: Reporter) -> str:
        """Put a base image into the engine, if it is not there; return the name it has there."""
        name = name_of(base, BASES)
        if not self.has(name):
            self._load(name, base, store, reporter)
        self.api.tag(
            name, BASES, name.partition(":")[2]
        )  # which notes the time: a clean-up leaves what is in use
        return name

    def has(self, name: str) -> bool:
        """Return whether the engine has an image that the studio gave it, without ONBUILD."""
        try:
            return not (self.api.inspect_image(name).get("Config") or {}).get("OnBuild")  # type: ignore[no-untyped-call]
        except (ImageNotFound, NotFound):
            return False

    def _load(self, name: str, base: Base, store: BlobStore, reporter: Reporter) -> None:
        reporter.line(f"Giving {base.reference} to the Docker Engine: {base.size / 1e6:.1f} MB")
        self.load(docker_archive(name, base, store), base, reporter)

    def load(self, archive: Iterable[bytes], base: Base, reporter: Reporter) -> None:
        """Have the engine load an archive of this image. Raises ImageError, or EngineRefused."""
        self._refuse_unreadable(base)
        with Exchange(
            self.api,
            "POST",
            "/images/load",
            params={"quiet": "0"},
            data=archive,
            content_type="application/x-tar",
        ) as loading:
            for event in loading.events(reporter):
                if "error" in event:
                    raise ImageError(
                        "bad-layer",
                        f"The Docker Engine cannot read the base image {base.reference}: {event['error']}",
                        "Take another base image, or push this one again.",
                        fault="outside",
                    )

    def keeps_in_containerd(self) -> bool:
        """Return whether its images are in containerd's store, with layers compressed as they came."""
        return _CONTAINERD in (self.api.info().get("DriverStatus") or [])

    def loses_contexts(self) -> bool:
        """Return whether its BuildKit is not given the files of a build (https://github.com/moby/moby/issues/47717)."""
        return (0, 0) < self._release() < _READS_CONTEXTS and self.keeps_in_containerd()

    def _release(self) -> tuple[int, int]:
        numbers = _RELEASE.match(self.version)
        return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)

    def _refuse_unreadable(self, base: Base) -> None:
        if (0, 0) < self._release() < _READS_ZSTD and any(
            layer.media_type == OCI_LAYER_ZSTD for layer in base.layers
        ):
            raise ImageError(
                "bad-layer",
                f"The base image {base.reference} has zstd layers: Docker Engine {self.version} reads none.",
                "Ask an admin to install Docker Engine 23 or newer.",
                fault="studio",
            )

    # Building

    def build(
        self,
        context: bytes,
        path: str,
        builder: str,
        output: Output,
        reporter: Reporter,
        *,
        arguments: Mapping[str, str],
        target: str,
        network: str,
        memory: int = 0,
    ) -> str:
        """Build an untagged image from the Dockerfile at a place in the context; return the image's id.

        `network` is what the engine calls the network of RUN. `memory` is how many bytes a step may take, 0 for as much as there is. BuildKit knows no such limit.
        """
        params = {
            "version": builder,
            "dockerfile": path,
            "rm": "1",
            "forcerm": "1",
            "networkmode": network,
            "nocache": "1",  # the outcome is cached here, as a whole
            "buildargs": json.dumps(dict(arguments)),
            **({"target": target} if target else {}),
            **({"memory": str(memory), "memswap": str(memory)} if memory else {}),
        }
        with Exchange(
            self.api, "POST", "/build", params=params, data=context, content_type="application/x-tar"
        ) as building:
            for event in building.events(reporter):
                for line in output_of(event, output):
                    reporter.line(line)
        for line in output.end():
            reporter.line(line)
        if output.error:
            raise EngineRefused(200, output.error)
        if not output.image:
            raise EngineRefused(200, "the engine ended the build without an image")
        return output.image

    # Taking away

    def remove(self, output: Output) -> None:
        """Take away the containers and images of a build that has ended, one way or the other."""
        # The engine removes the container of a build that was broken off, in its own time.
        for container in output.containers:
            _patiently(self.api.remove_container, container, force=True, v=True)
        for image in dict.fromkeys([output.image, *reversed(output.images)]):
            if image:
                _patiently(self._remove_image, image)

    def remove_left_over(self) -> None:
        """Take away what builds left behind whose studio died, if it is old enough to be nobody's."""
        old = time.time() - LEFT_AFTER_SECONDS
        ours = {"label": LABEL}
        containers = self.api.containers(all=True, filters=ours)
        images = self.api.images(filters={**ours, "dangling": True})
        for container in containers:
            if container["Created"] < old:
                _patiently(self.api.remove_container, container["Id"], patience=1, force=True, v=True)
        for image in images:
            if image["Created"] < old:
                _patiently(self._remove_image, image["Id"], patience=1)

    def remove_containers_of(self, label: str) -> None:
        """Remove containers with this label that a dead process left."""
        left = self.api.containers(all=True, filters={"label": f"{LABEL}={label}"})
        for container in left:
            _patiently(self.api.remove_container, container["Id"], force=True, v=True)

    def prune_build_cache(self, keep: int) -> None:
        """Remove from BuildKit's cache what builds used longest ago, down to so many bytes; 0 keeps all."""
        if not keep:
            return
        try:
            # A pass of a newer engine may end above the limit: it counts a layer that an image shares as freed.
            for _ in range(_PASSES):
                if not self._pruned(keep):
                    break
        except (DockerException, RequestException) as error:
            # The next build prunes again; the outcome of this build is what it is.
            log.warning("The Docker Engine did not prune BuildKit's cache: %s", error)

    def _pruned(self, keep: int) -> bool:
        """Prune BuildKit's cache once; return whether anything was removed."""
        url = f"{self.api.base_url}/v{self.api.api_version}/build/prune"
        # The API calls it reserved-space from 1.48 on. An engine that no longer knows the old name would remove everything.
        limit = {"keep-storage": str(keep), "reserved-space": str(keep), "all": "true"}
        answer = self.api.post(url, params=limit, timeout=ANSWER_SECONDS)
        answer.raise_for_status()
        return bool(answer.json().get("CachesDeleted"))

    def bases(self) -> list[BaseLeft]:
        """Return what the studio gave to this engine: base and tested images, each with its last use, by name."""
        return sorted([*self.given(BASES), *self.given(TESTED)], key=lambda base: base.name)

    def given(self, repository: str) -> list[BaseLeft]:
        """Return the images that the studio gave to this engine under the names of a repository."""
        result = []
        for image in self.api.images(name=repository):
            # An image may have names in both; what another process removes meanwhile is not there.
            for name in image["RepoTags"]:
                if name.startswith(f"{repository}:"):
                    with suppress(ImageNotFound):
                        result.append(BaseLeft(name, self._used_at(name), int(image["Size"])))
        return sorted(result, key=lambda base: base.name)  # the engine has no order of its own

    def _used_at(self, name: str) -> float:
        about = self.api.inspect_image(name)  # type: ignore[no-untyped-call]
        when = about["Metadata"]["LastTagTime"][:19]
        return datetime.fromisoformat(when).replace(tzinfo=UTC).timestamp()

    def take_back(self, name: str) -> bool:
        """Remove a base image from the engine, unless a container uses it; return whether it is gone."""
        try:
            self.api.remove_image(name)
        except ImageNotFound:
            return True
        except APIError as error:
            if error.status_code != 409:
                raise
            return False
        return True

    def _remove_image(self, image: str) -> None:
        result = self.api.inspect_image(image)  # type: ignore[no-untyped-call]
        if not result["RepoTags"]:  # a base image stays for the next build
            self.api.remove_image(image, force=True)


def name_of(base: Base, repository: str) -> str:
    """Return the name that an image gets in the engine."""
    return f"{repository}:{base.digest.removeprefix('sha256:')[:32]}"


def _patiently(
    remove: Callable[..., object], name: str, *, patience: int = PATIENCE, **options: bool
) -> None:
    """Remove something that may be gone already, or be held for another moment by what is being removed."""
    for _ in range(patience):
        try:
            remove(name, **options)
            return
        except APIError as error:
            problem: Exception = error
            if error.status_code == 404:
                return
            if error.status_code != 409:
                break
        except RequestException as error:  # the engine itself is gone
            problem = error
            break
        time.sleep(0.1)
    # Not the build's failure: it is found again by its label.
    log.warning("The Docker Engine keeps what a build left behind for now: %s", problem)


def docker_archive(
    name: str, base: Base, store: BlobStore, *, left_out: Collection[str] = ()
) -> Iterator[bytes]:
    """Yield the archive that `docker load` takes: the layers as they are, and a config with our label.

    Layers that are `left_out`, by their digests, are named in it, but have no file.
    """
    names = [f"{number}.tar" for number in range(len(base.layers))]
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": names}]).encode()
    yield member("manifest.json", manifest)
    yield member("config.json", labelled_config(base))
    for path, layer in zip(names, base.layers, strict=True):
        if layer.digest not in left_out:
            yield from layer_file(path, layer, store)
    yield bytes(1024)


def labelled_config(base: Base) -> bytes:
    """Return the config that an image has in the engine: with our label, without ONBUILD."""
    run = dict(base.config.get("config") or {})
    run.pop("OnBuild", None)  # the Dockerfile has it written out, where it was judged
    run["Labels"] = {**(run.get("Labels") or {}), LABEL: base.digest}
    return json.dumps({**base.config, "config": run}, sort_keys=True).encode()


def layer_file(path: str, layer: Descriptor, store: BlobStore) -> Iterator[bytes]:
    """Yield a layer as a file of a tar archive."""
    yield _header(path, layer.size)
    with store.open(layer.digest) as file:
        while piece := file.read(PIECE):
            yield piece
    yield bytes(-layer.size % 512)


def member(path: str, content: bytes) -> bytes:
    """Return a small file of a tar archive."""
    return _header(path, len(content)) + content + bytes(-len(content) % 512)


def _header(path: str, size: int) -> bytes:
    entry = tarfile.TarInfo(path)
    entry.size = size
    return entry.tobuf(tarfile.GNU_FORMAT)
