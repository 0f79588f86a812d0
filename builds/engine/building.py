"""From a Dockerfile or a build context to a base: looked up, else built by the engine and taken over."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from django.conf import settings

from builds.engine import syntax
from builds.engine.connection import Engine
from builds.engine.context import fingerprint, packed, place_of
from builds.engine.exchange import EngineRefused
from builds.engine.failures import explained
from builds.engine.layers import LEVEL, Known, take_over
from builds.engine.local import ELSEWHERE
from builds.engine.output import Output
from builds.engine.sources import Source, sources, with_names
from builds.images.base import Base
from builds.images.bases import find_base
from builds.images.manifest import Descriptor
from builds.images.pull import stored_base
from builds.images.report import ImageError, Reporter
from builds.images.workshop import Workshop
from environments.definition import Definition, ImageReference
from environments.definition.dockerfile import instructions

_FORMAT = f"engine-1-{LEVEL}"
_SOURCES, _BASES = "engine-sources", "engine-bases"


class Find(Protocol):
    """Find a base image, or raise ImageError."""

    def __call__(self, reference: str, workshop: Workshop, reporter: Reporter, *, platform: str) -> Base: ...


def build_base(
    definition: Definition,
    workshop: Workshop,
    reporter: Reporter,
    *,
    docker_host: str | None = None,
    fresh: bool = False,
    find: Find = find_base,
) -> Base:
    """Return the base that the definition's Dockerfile makes, with its layers in the store.

    The same Dockerfile, context and images to start from are built once; then no engine is asked, and where
    no tag floats, no registry either. `fresh` builds in any case (rule 16), `find` finds what it starts from.
    Raises ImageError.
    """
    arguments = definition.context.args if definition.context else {}
    named = sources(definition.dockerfile_text, arguments, definition.platform)
    made = _Made(f"{_FORMAT} {fingerprint(definition)}", _shown(named), workshop, reporter)
    if not fresh and (there := made.on(_known_digests(named, workshop))):
        return there
    found = {
        one.key: _looked_up(one, find, workshop, reporter) for one in {one.key: one for one in named}.values()
    }
    bases = {key: base for key, base in found.items() if isinstance(base, Base)}
    for key, base in bases.items():
        workshop.remember(_SOURCES, _for_whom(key, workshop), base.digest)
    if not fresh and len(bases) == len(found) and (there := made.on(base.digest for base in bases.values())):
        return there
    with Engine.at(docker_host or settings.DOCKER_HOST) as engine:
        engine.remove_left_over()
        builder = syntax.builder_for(definition.dockerfile_text, engine.version)
        digests, names = _given(named, found, engine, workshop, reporter)
        if not fresh and (there := made.on(digests)):
            return there
        manifest = _built(definition, builder, names, _layers_of(bases.values()), engine, workshop, reporter)
    return made.keep(digests, manifest)


@dataclass(frozen=True)
class _Made:
    """What this Dockerfile and context made before, by the digests of the images that it started from."""

    mark: str
    shown: str
    workshop: Workshop
    reporter: Reporter

    def on(self, digests: Iterable[str] | None) -> Base | None:
        """Return the outcome of an earlier build on these images, if all of it is still in the store."""
        known = self.workshop.recall(_BASES, self._key(digests)) if digests is not None else None
        if known is None:
            return None
        manifest = Descriptor.model_validate(known)
        if not self.workshop.store.whole(manifest):
            return None
        self.reporter.line("This Dockerfile was built before on the same images; its layers are used again.")
        return stored_base(self.shown, manifest, self.workshop, self.reporter, cached=True)

    def keep(self, digests: Iterable[str], manifest: Descriptor) -> Base:
        """Remember the outcome of a build on these images, and return it."""
        self.workshop.remember(_BASES, self._key(digests), manifest.to_json())
        return stored_base(self.shown, manifest, self.workshop, self.reporter, cached=False)

    def _key(self, digests: Iterable[str]) -> str:
        return json.dumps([self.mark, *sorted(set(digests))])


def _known_digests(named: list[Source], workshop: Workshop) -> list[str] | None:
    """Return the digests of the images to start from, if all are known and none of their tags floats."""
    known: list[str] = []
    for one in named:
        digest = None if one.floating else workshop.recall(_SOURCES, _for_whom(one.key, workshop))
        if digest is None:
            return None
        known.append(digest)
    return known


def _for_whom(key: str, workshop: Workshop) -> str:
    # An image that one workspace may have is to be asked for again by another.
    return f"{workshop.logins.mark} {key}".strip()


def _shown(named: list[Source]) -> str:
    """Return what the base is called: by the image that the Dockerfile's last stage starts from."""
    starts = [one.reference for one in named if not one.copied]
    return f"Dockerfile (FROM {starts[-1]})" if starts else "Dockerfile (FROM scratch)"


def _looked_up(source: Source, find: Find, workshop: Workshop, reporter: Reporter) -> Base | ImageError:
    """Return the image that a source is in its registry, or why it is not found there."""
    try:
        return find(source.reference, workshop, reporter, platform=source.platform)
    except ImageError as error:
        if error.code not in ELSEWHERE:
            raise
        return error


def _built(
    definition: Definition,
    builder: str,
    names: Mapping[Source, str],
    known: Known,
    engine: Engine,
    workshop: Workshop,
    reporter: Reporter,
) -> Descriptor:
    """Build, take the layers over, and leave nothing of it in the engine."""
    output = Output(
        shown={name: source.reference for source, name in names.items()},
        lines={
            f"{i.keyword} {' '.join(i.arguments.split())}": i.line
            for i in instructions(definition.dockerfile_text)
        },
    )
    dockerfile = syntax.without_frontend(with_names(definition.dockerfile_text, names))
    place = place_of(definition, builder)
    started = time.monotonic()
    try:
        image = engine.build(
            packed(definition, dockerfile, place),
            place,
            builder,
            output,
            reporter,
            arguments=definition.context.args if definition.context else {},
            target=definition.context.target if definition.context else "",
            memory=settings.BUILD_MEMORY,
        )
        reporter.line(f"Built in {time.monotonic() - started:.1f} s; taking its layers over")
        return take_over(engine, image, known, workshop, reporter)
    except EngineRefused as error:
        raise explained(error, output) from error
    finally:
        engine.remove(output)


def _layers_of(bases: Iterable[Base]) -> Known:
    return {
        diff_id: layer for base in bases for diff_id, layer in zip(base.diff_ids, base.layers, strict=True)
    }


def _given(
    named: list[Source],
    found: Mapping[str, Base | ImageError],
    engine: Engine,
    workshop: Workshop,
    reporter: Reporter,
) -> tuple[set[str], dict[Source, str]]:
    """Return the digests of the images to start from, and the names under which the engine has them now.

    An image that no registry has may be one of the engine's own.
    """
    digests: set[str] = set()
    names: dict[Source, str] = {}
    for source in named:
        base = found[source.key]
        if isinstance(base, Base):
            names[source] = engine.give(base, workshop.store, reporter)
            digests.add(base.digest)
            continue
        # By its whole name: an image's id must not be guessed from, or another workspace's be taken.
        own = engine.own(str(ImageReference.parse(source.reference))) if settings.LOCAL_IMAGES else None
        if own is None:
            raise base
        reporter.line(f"{source.reference} is taken from the Docker Engine's own images. {base.message}")
        names[source] = source.reference
        digests.add(own.id)
    return digests, names
