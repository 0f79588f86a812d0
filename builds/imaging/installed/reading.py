"""Have the layers of an image read: the packages in its environment, and the files that are not as recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builds.confinement.confine import Confinement
from builds.imaging.child_process import Worker
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import ImageError, Reporter

_MEMORY_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Installed:
    """The packages in an environment, as ecosystem, name and version, and files that differ from their records.

    `files` is how many files were compared. Names are normalised.
    """

    packages: frozenset[tuple[str, str, str]]
    differing: tuple[str, ...]
    files: int


def installed_in(layers: Sequence[Descriptor], store: BlobStore, reporter: Reporter) -> Installed:
    """Return what is installed in these layers, the lowest first. Raises ImageError if they cannot be read."""
    paths: list[Path] = [store.blob_path(layer.digest).absolute() for layer in layers]
    vanished = ImageError(
        "bad-layer",
        "The process that read the image's layers ended before it was done.",
        "Its layers take too much memory or time to read.",
        fault="outside",
    )
    confinement = Confinement(reads=tuple(paths), memory=_MEMORY_BYTES)
    with Worker("builds.imaging.installed.worker", confinement, vanished) as worker:
        for layer, path in zip(layers, paths, strict=True):
            worker.ask({"do": "layer", "digest": layer.digest, "path": str(path)}, reporter)
        answer = worker.ask({"do": "end"}, reporter)
    return Installed(
        frozenset((str(kind), str(name), str(version)) for kind, name, version in answer["packages"]),
        tuple(map(str, answer["differing"])),
        int(answer["files"]),
    )
