"""From a Dockerfile or a build context to a base: looked up, else built by the engine and taken over."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings

from builds.engine import syntax
from builds.engine.connection import Engine
from builds.engine.context import fingerprint, packed, place_of
from builds.engine.dockerfiles.additions import fetched
from builds.engine.dockerfiles.named import Addition, Answers, Source
from builds.engine.dockerfiles.sources import judged, sources
from builds.engine.exchange import EngineRefused
from builds.engine.failures import explained
from builds.engine.gateway.network import NONE, Network, network_of
from builds.engine.layers import LEVEL, Known, take_over
from builds.engine.local import ELSEWHERE
from builds.engine.output import Output
from builds.imaging.bases.find import find_base
from builds.imaging.bases.model import Base
from builds.imaging.bases.pull import stored_base
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop
from environments.definition import Definition, ImageReference
from environments.definition.syntax.dockerfile import instructions

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
    no tag floats, no registry either. `fresh` builds in any case, `find` finds what it starts from.
    Raises ImageError.
    """
    named = sources(definition.dockerfile_text, _arguments(definition), definition.platform)
    made = _Made(f"{_FORMAT} {fingerprint(definition)}", _shown(named), workshop, reporter)
    if not fresh and (there := made.on(_known_digests(named, workshop))):
        return there
    result: dict[str, Base | ImageError] = {}
    named = _all_sources(definition, named, result, find, workshop, reporter)
    bases = {key: base for key, base in result.items() if isinstance(base, Base)}
    for key, base in bases.items():
        workshop.remember(_SOURCES, _for_whom(key, workshop), base.digest)
    if not fresh and len(bases) == len(result) and (there := made.on(base.digest for base in bases.values())):
        return there
    with Engine.at(docker_host or settings.DOCKER_HOST) as engine:
        engine.remove_left_over()
        syntax.builder_for(definition.dockerfile_text, engine.version)
        digests, names = _given(named, result, engine, workshop, reporter)
        if not fresh and (there := made.on(digests)):
            return there
        shown = {names[source.key]: source.reference for source in named}
        dockerfile = _judged(definition, result, names, shown, engine, workshop, reporter)
        manifest = _built(
            definition, dockerfile, shown, _layers_of(bases.values()), engine, workshop, reporter
        )
    return made.keep(digests, manifest)


def _all_sources(
    definition: Definition,
    named: list[Source],
    result: dict[str, Base | ImageError],
    find: Find,
    workshop: Workshop,
    reporter: Reporter,
) -> list[Source]:
    """Look up the images of a Dockerfile, then those that their own ONBUILD names; return all of them."""
    for source in named:
        if source.key not in result:
            result[source.key] = _looked_up(source, find, workshop, reporter)
    answers = Answers(triggers=lambda source: _run_config(result.get(source.key)).get("OnBuild") or ())
    everything = sources(definition.dockerfile_text, _arguments(definition), definition.platform, answers)
    for source in everything:
        if source.key not in result:
            result[source.key] = _looked_up(source, find, workshop, reporter)
    return everything


def _judged(
    definition: Definition,
    result: Mapping[str, Base | ImageError],
    names: Mapping[str, str],
    shown: dict[str, str],
    engine: Engine,
    workshop: Workshop,
    reporter: Reporter,
) -> str:
    """Return the Dockerfile for the engine, with the images that it has now; what ADD names is fetched."""

    def add(addition: Addition) -> str:
        base = fetched(addition, definition.platform, workshop, reporter)
        name = engine.give(base, workshop.store, reporter)
        shown[name] = addition.urls[0]
        return name

    def variables(source: Source) -> dict[str, str]:
        entries = _run_config(result[source.key]).get("Env") or ()
        return dict(str(entry).partition("=")[::2] for entry in entries)

    answers = Answers(
        name=lambda source: names[source.key],
        variables=variables,
        triggers=lambda source: _run_config(result[source.key]).get("OnBuild") or (),
        add=add,
    )
    return judged(definition.dockerfile_text, _arguments(definition), definition.platform, answers)


def _run_config(base: Base | ImageError | None) -> dict[str, Any]:
    return base.run_config if isinstance(base, Base) else {}


def _arguments(definition: Definition) -> Mapping[str, str]:
    return definition.context.args if definition.context else {}


@dataclass(frozen=True)
class _Made:
    """Earlier results of this Dockerfile and context, by the digests of their base images."""

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
    for source in named:
        digest = None if source.floating else workshop.recall(_SOURCES, _for_whom(source.key, workshop))
        if digest is None:
            return None
        known.append(digest)
    return known


def _for_whom(key: str, workshop: Workshop) -> str:
    # An image pulled for a workspace must be requested again for another workspace.
    return f"{workshop.logins.mark} {key}".strip()


def _shown(named: list[Source]) -> str:
    """Return what the base is called: by the image that the Dockerfile's last stage starts from."""
    starts = [source.reference for source in named if not source.copied]
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
    dockerfile: str,
    shown: Mapping[str, str],
    known: Known,
    engine: Engine,
    workshop: Workshop,
    reporter: Reporter,
) -> Descriptor:
    """Build, take the layers over, and leave nothing of it in the engine."""
    output = Output(
        shown=shown,
        lines={
            f"{i.keyword} {' '.join(i.arguments.split())}": i.line
            for i in instructions(definition.dockerfile_text)
        },
    )
    builder = syntax.builder_for(dockerfile, engine.version)
    path = place_of(definition, builder)
    started = time.monotonic()
    try:
        with _network(dockerfile, builder, engine, workshop, reporter) as network:
            image = engine.build(
                packed(definition, dockerfile, path),
                path,
                builder,
                output,
                network.reporter,
                arguments={**_arguments(definition), **_proxies(network)},
                target=definition.context.target if definition.context else "",
                network=network.mode,
                memory=settings.BUILD_MEMORY,
            )
        reporter.line(f"Built in {time.monotonic() - started:.1f} s; taking its layers over")
        return take_over(engine, image, known, workshop, reporter)
    except EngineRefused as error:
        raise explained(error, output) from error
    finally:
        engine.remove(output)
        if builder == syntax.BUILDKIT:
            engine.prune_build_cache(settings.BUILD_CACHE)


def _network(
    dockerfile: str, builder: str, engine: Engine, workshop: Workshop, reporter: Reporter
) -> AbstractContextManager[Network]:
    """Return the network of RUN."""
    if all(instruction.keyword != "RUN" for instruction in instructions(dockerfile)):
        return nullcontext(Network(NONE, reporter))
    return network_of(engine, workshop, reporter, buildkit=builder == syntax.BUILDKIT)


def _proxies(network: Network) -> dict[str, str]:
    """Return build arguments that every engine knows, and keeps out of the image and its history."""
    own = "localhost,127.0.0.1,::1"  # servers that a step starts for itself
    return {**network.variables, "no_proxy": own, "NO_PROXY": own} if network.variables else {}


def _layers_of(bases: Iterable[Base]) -> Known:
    return {
        diff_id: layer for base in bases for diff_id, layer in zip(base.diff_ids, base.layers, strict=True)
    }


def _given(
    named: list[Source],
    result: Mapping[str, Base | ImageError],
    engine: Engine,
    workshop: Workshop,
    reporter: Reporter,
) -> tuple[set[str], dict[str, str]]:
    """Return the digests of the images to start from, and the names under which the engine has them now.

    An image that no registry has may be one of the engine's own.
    """
    digests: set[str] = set()
    names: dict[str, str] = {}
    for source in named:
        if source.key in names:
            continue
        base = result[source.key]
        if isinstance(base, Base):
            names[source.key] = engine.give(base, workshop.store, reporter)
            digests.add(base.digest)
            continue
        # By its whole name: an image's id must not be guessed from, or another workspace's be taken.
        own = engine.own(str(ImageReference.parse(source.reference))) if settings.LOCAL_IMAGES else None
        if own is None:
            raise base
        reporter.line(f"{source.reference} is taken from the Docker Engine's own images. {base.message}")
        if own.triggers:
            raise _runs_more(source)
        names[source.key] = source.reference
        digests.add(own.id)
    return digests, names


def _runs_more(source: Source) -> ImageError:
    return ImageError(
        "dockerfile-invalid",
        f"The Docker Engine's own image {source.reference} has ONBUILD instructions, which the studio cannot check.",
        "Build it without ONBUILD, or push it to a registry and name it there.",
    )
