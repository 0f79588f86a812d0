"""An image of the store in the Docker Engine, for as long as it is tried: confined, leaving no container behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings

from builds.engine.connection import Engine
from builds.engine.exchange import EngineRefused
from builds.engine.running import Bounds, Container, container
from builds.engine.trials.keeping import NotTried, give, kept
from builds.imaging.bases.model import Base
from builds.imaging.bases.probe import Probe
from builds.imaging.oci.index import image_of, manifests_of
from builds.imaging.oci.manifest import Descriptor, descriptors_of
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import Reporter

PROCESSES = 1024  # threads count: mathematics takes one a core
SCRATCH = 64 * 1024**2


@dataclass(frozen=True)
class LoadedImage:
    """An image that the engine has, by its name there."""

    engine: Engine
    name: str
    owner: str
    give_again: Callable[[], None]

    @contextmanager
    def started(
        self, entrypoint: Sequence[str], arguments: Sequence[str], *, folder: str = "/"
    ) -> Iterator[Container]:
        """Yield a container of it: without network and privileges, with limits, with room at /tmp alone."""
        with ExitStack() as stack:
            try:
                running = stack.enter_context(self._container(entrypoint, arguments, folder))
            except EngineRefused as error:
                if error.status != 404:
                    raise
                self.give_again()  # another worker made room, or a layer is gone
                try:
                    running = stack.enter_context(self._container(entrypoint, arguments, folder))
                except EngineRefused as again:
                    raise NotTried(
                        f"The Docker Engine does not keep the image: {again.message[:500]}"
                    ) from again
            yield running

    def _container(
        self, entrypoint: Sequence[str], arguments: Sequence[str], folder: str
    ) -> AbstractContextManager[Container]:
        return container(
            self.engine,
            self.name,
            entrypoint,
            arguments,
            label=self.owner,
            user="",  # the image's own, as its users start it
            folder=folder,
            variables={"HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"},  # noqa: S108
            bounds=Bounds(settings.TRIAL_MEMORY, PROCESSES, SCRATCH),
        )


@contextmanager
def loaded(
    digest: str, store: BlobStore, reporter: Reporter, *, owner: str = "", docker_host: str | None = None
) -> Iterator[LoadedImage]:
    """Give an image of the store to the engine for the length of a block. Raises ImageError: NotTried, or the engine's.

    `owner` marks its containers: those that a dead worker left with the same mark are removed first.
    """
    images = _stored(digest, store)
    with Engine.at(docker_host or settings.DOCKER_HOST) as engine:
        image = _for_machine(images, engine)
        engine.remove_left_over()
        owner = owner or f"trial {digest}"
        engine.remove_containers_of(owner)
        with kept(engine, image, store, reporter) as name:
            again = partial(give, engine, image, store, reporter, from_scratch=True)
            yield LoadedImage(engine, name, owner, again)


def _for_machine(images: Sequence[Base], engine: Engine) -> Base:
    """Return the first image that the engine's machine runs."""
    ours = str(engine.api.version()["Arch"])
    for image in images:
        if image.probe.architecture == ours:
            return image
    theirs = " and ".join(image.probe.architecture for image in images)
    raise NotTried(f"The image is made for {theirs}, and the Docker Engine runs on {ours}.")


def _stored(digest: str, store: BlobStore) -> list[Base]:
    """Return an image of the store as the engine takes it, for each manifest that it has."""
    if not store.has(digest):
        raise NotTried("The image is no longer in the studio's store.")
    image = image_of(store, digest)
    if not store.whole(image):
        raise NotTried("The image is no longer whole in the studio's store.")
    bases = []
    for manifest in manifests_of(store, image):
        config, *layers = descriptors_of(json.loads(store.read(manifest.digest)))
        bases.append(_described(manifest.digest, json.loads(store.read(config.digest)), layers))
    return bases


def _described(digest: str, config: dict[str, Any], layers: Sequence[Descriptor]) -> Base:
    return Base(
        reference="the image",
        digest=digest,
        layers=tuple(layers),
        diff_ids=tuple(config["rootfs"]["diff_ids"]),
        config=config,
        probe=Probe(architecture=str(config.get("architecture") or "amd64")),
    )
