"""The ways from requirements to an image in the registry: ours, and Dockerfiles on several engines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from bench.builds.imaging.parts.engines import Engine
from bench.builds.imaging.results import Result
from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.bases.find import find_base
from builds.imaging.download.fetch import fetch
from builds.imaging.lock import Lock
from builds.imaging.oci.store import BlobStore
from builds.imaging.pip.resolve import resolve
from builds.imaging.publish.ahead import pushing_ahead
from builds.imaging.publish.push import push
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Bytecode, Workshop
from tests.services.servers.registry import Registry

PIP = "RUN pip install --no-cache-dir -r requirements.txt"
UV = "RUN --mount=type=cache,target=/root/.cache/uv uv pip install --compile-bytecode -r requirements.txt"
UV_PLAIN = UV.replace(" --compile-bytecode", "")
PLAIN = ", no bytecode"
ACCEPT = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


@dataclass
class Way(ABC):
    """One way: each round has a repository of its own in the registry, so that nothing is there already."""

    tag: str
    registry: Registry
    result: Result
    suffix: str = field(default="", kw_only=True)  # of the rows' names
    repository: str = field(init=False)

    def begin(self, folder: Path, number: int) -> None:
        """Forget everything but the base: the next build is a cold one."""
        self.repository = f"bench/{self.tag}-{number}"
        self.forget(folder)

    @abstractmethod
    def forget(self, folder: Path) -> None:
        """Forget everything but the base; what is kept from now on goes into the folder."""

    @abstractmethod
    def build(self, number: int, requirements: Sequence[str]) -> None:
        """Make the image of these requirements and have it in the registry, by that number as its tag."""

    @property
    @abstractmethod
    def pids(self) -> Sequence[int]:
        """Other processes whose memory counts."""

    def image(self, number: int) -> str:
        """Return the name of what was built."""
        return f"{self.registry.address}/{self.repository}:{number}"

    def measure(self, row: str, number: int, requirements: Sequence[str], services: Sequence[int]) -> None:
        """Measure one build, until the registry has it; count what the registry did not have."""
        known = self._layers("bench/base", "1")
        for earlier in range(number):
            known |= self._layers(self.repository, str(earlier))
        without = [pid for pid in services if pid not in self.pids]
        measured = self.result.measure(
            row + self.suffix, lambda: self.build(number, requirements), self.pids, without
        )
        layers = self._layers(self.repository, str(number))
        new = sum(size for digest, size in layers.items() if digest not in known)
        measured.pushed_megabytes.append(new / 1e6)

    def _layers(self, name: str, tag: str) -> dict[str, int]:
        """Return digest and size of an image's layers in the registry; nothing if it is not there."""
        url = f"{self.registry.url}/v2/{name}/manifests/{tag}"
        answer = httpx.get(url, headers={"Accept": ACCEPT}, trust_env=False)
        if answer.status_code == 404:
            return {}
        return {layer["digest"]: layer["size"] for layer in answer.raise_for_status().json()["layers"]}


@dataclass
class Ours(Way):
    """As the studio does it, and pushed."""

    bytecode: Bytecode = "imported"
    workshop: Workshop = field(init=False)
    locks: list[Lock] = field(init=False)

    @property
    def pids(self) -> Sequence[int]:
        return ()

    def forget(self, folder: Path) -> None:
        mine = folder / self.tag
        self.workshop = Workshop(
            store=BlobStore(mine / "store"), cache=mine / "cache", bytecode=self.bytecode
        )
        self.locks = []
        find_base("host", self.workshop, Quiet())

    def build(self, number: int, requirements: Sequence[str]) -> None:
        base = find_base("host", self.workshop, Quiet())
        lock = resolve(
            base, requirements, self.workshop, Quiet(), self.locks[-1] if self.locks else None, early=True
        )
        wheels = fetch(lock, self.workshop, Quiet())
        with pushing_ahead(self.image(number), {}, self.workshop, Quiet()) as ready:
            # As the worker does it: what the registry has from before is looked up once, by the push.
            new = self.workshop if self.locks else replace(self.workshop, layers_ready=ready)
            image = assemble(base, lock, wheels, ImageSettings(), new, Quiet())
        # Docker mounts the base's layers from where it had them, too.
        origins = {layer.digest: "bench/base" for layer in base.layers}
        push(image.descriptor, self.image(number), self.workshop, Quiet(), origins=origins)
        self.locks.append(lock)


@dataclass
class Dockerfile(Way):
    """Built by an engine and pushed by it. With `zstd` both at once, compressed so."""

    engine: Engine
    step: str
    zstd: bool = False
    context: Path = field(init=False)

    @property
    def pids(self) -> Sequence[int]:
        return self.engine.pids

    def forget(self, folder: Path) -> None:
        self.engine.forget()
        self.engine.docker("pull", f"{self.registry.address}/bench/base:1")
        self.context = folder / self.tag
        self.context.mkdir(parents=True)
        text = f"FROM {self.registry.address}/bench/base:1\nCOPY requirements.txt .\n{self.step}\n"
        (self.context / "Dockerfile").write_text(text)

    def build(self, number: int, requirements: Sequence[str]) -> None:
        (self.context / "requirements.txt").write_text("\n".join(requirements))
        image, context = self.image(number), str(self.context)
        if self.zstd:
            out = f"type=image,name={image},push=true,oci-mediatypes=true,compression=zstd"
            more = ["--network", "host", "--provenance=false", "--output", out]
            self.engine.docker("buildx", "build", *more, context)
        else:
            self.engine.docker("build", "--network", "host", "--tag", image, context)
            self.engine.docker("push", image)
