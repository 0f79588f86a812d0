"""Probe a base's layers, once, for its Python, C library and CUDA, without starting a container."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from builds.confinement.confine import Confinement
from builds.imaging.bases.distributions import Installed
from builds.imaging.bases.model import Base
from builds.imaging.bases.probe import Probe
from builds.imaging.child_process import Worker
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop

_FORMAT = "probe-4"
_MEMORY_BYTES = 1024**3


def probed(
    digest: str, layers: Sequence[Descriptor], config: dict[str, Any], workshop: Workshop, reporter: Reporter
) -> Probe:
    """Return the probe of an image whose layers are in the store; made once for each digest."""
    known = workshop.recall("probes", f"{_FORMAT} {digest}")
    if known is None:
        question = {"do": "probe", "config": config}
        known = _answer(digest, layers, question, workshop, reporter)
        workshop.remember("probes", f"{_FORMAT} {digest}", known)
    return Probe.model_validate(known)


@dataclass(frozen=True, slots=True)
class Distribution:
    """The distribution of an image, such as debian:12, and its packages: the name and version of each source.

    `installed` are its Python distributions and conda packages.
    """

    release: str = ""
    packages: tuple[tuple[str, str], ...] = ()
    installed: tuple[Installed, ...] = ()


def distribution_of(digest: str, workshop: Workshop) -> Distribution | None:
    """Return the distribution of an image that was probed; None for images that were not, such as the host."""
    known = workshop.recall("probes", f"{_FORMAT} {digest}")
    if known is None:
        return None
    return Distribution(
        known["release"],
        tuple((name, version) for name, version in known["packages"]),
        tuple(Installed(*fields) for fields in known["installed"]),
    )


def leads_to_a_file(path: str, base: Base, workshop: Workshop, reporter: Reporter) -> bool:
    """Return whether a path is a file of a base, by links or not; looked up once for each base and path."""
    key = f"{base.digest} {path}"
    known = workshop.recall("paths", key)
    if known is None:
        question = {"do": "find", "path": path}
        known = _answer(base.digest, base.layers, question, workshop, reporter)["file"]
        workshop.remember("paths", key, known)
    return bool(known)


def _answer(
    digest: str,
    layers: Sequence[Descriptor],
    question: dict[str, Any],
    workshop: Workshop,
    reporter: Reporter,
) -> dict[str, Any]:
    """Have a confined process read all layers, and return its answer to the question."""
    paths = [workshop.store.blob_path(layer.digest).absolute() for layer in layers]
    vanished = ImageError(
        "bad-layer",
        f"The process that read the base image {digest} ended before it was done.",
        "Build again. If it happens again, the image's layers take too much memory or time to read.",
        fault="outside",
    )
    confinement = Confinement(reads=tuple(paths), memory=_MEMORY_BYTES)
    with Worker("builds.imaging.bases.probe_worker", confinement, vanished) as worker:
        worker.ask({"do": "begin", "names_only": question["do"] == "find"})
        for number, (layer, path) in enumerate(zip(layers, paths, strict=True)):
            reporter.progress(number, len(layers), "layers")
            worker.ask({"do": "layer", "digest": layer.digest, "path": str(path)}, reporter)
        return worker.ask(question, reporter)
