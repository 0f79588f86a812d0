"""Assemble the image: a base's layers, the environment's skeleton, its packages, config and manifest."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from builds.imaging.bases.model import Base
from builds.imaging.bytecode import compilers as bytecode
from builds.imaging.bytecode.interpreters import Minor, minor_of
from builds.imaging.download.fetch import Fetched
from builds.imaging.lock import Lock
from builds.imaging.oci.index import listed, put_index
from builds.imaging.oci.layer import Layer, LayerWriter
from builds.imaging.oci.manifest import AS_OCI, OCI_CONFIG, OCI_MANIFEST, Descriptor
from builds.imaging.packing import bytecode_layers, grouping
from builds.imaging.packing.grouping import layer_budget
from builds.imaging.packing.layers import package_layers
from builds.imaging.packing.order import installation_order
from builds.imaging.packing.packers import Compiler, compiler_for
from builds.imaging.packing.segment import FORMAT
from builds.imaging.packing.wheel import PREFIX
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop

CREATED = "1970-01-01T00:00:00Z"  # the same lock gives the same image, whenever it is made
LABEL = "io.environment-studio"
# The marks of the layers that are made here, in the history of an image's config.
MADE_BY = "environment-studio"
HIDING = "nothing: it hides the environment of the base"
SKELETON = "environment on Python"
# By these, podman and other users of containers/image prefer the manifest with zstd.
ANNOTATIONS = {"zstd": {"io.github.containers.compression.zstd": "true"}}
_PREFIX_VARIABLES = ("VIRTUAL_ENV", "CONDA_PREFIX")  # variables with the path of an environment


@dataclass(frozen=True)
class ImageSettings:
    """Settings of an image's config, and whether it gets its own environment beside the base's Python."""

    labels: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    definition_hash: str = ""
    environment: bool = True


@dataclass(frozen=True)
class AssembledImage:
    """An image in the store. `size` is what a pull transfers at most, `unpacked` what our layers become.

    An image that is an index has the layers of its first manifest here, and its `others` by what sets each apart
    ("zstd", "linux/arm64").
    """

    descriptor: Descriptor
    config: Descriptor
    layers: tuple[Descriptor, ...]
    base_layers: int
    unpacked: int
    cached: bool
    others: Mapping[str, AssembledImage] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Return the digest of the manifest or index, which is the image's."""
        return self.descriptor.digest

    @property
    def size(self) -> int:
        """Return the bytes of manifest, config and layers: of the largest, if there are several."""
        blobs = {d.digest: d.size for d in (self.descriptor, self.config, *self.layers)}
        return max(sum(blobs.values()), *(other.size for other in self.others.values()), 0)

    @property
    def layers_of_all(self) -> list[dict[str, Any]]:
        """Return the layers of all manifests as JSON, each once; one that the first has not, with its `variant`."""
        result = [layer.to_json() for layer in self.layers]
        known = {layer.digest for layer in self.layers}
        for variant, other in self.others.items():
            more = [layer for layer in other.layers if layer.digest not in known]
            result += [layer.to_json() | {"variant": variant} for layer in more]
            known.update(layer.digest for layer in more)
        return result


def assemble(
    base: Base,
    lock: Lock,
    fetched: Fetched,
    settings: ImageSettings,
    workshop: Workshop,
    reporter: Reporter,
    *,
    extra_layers: Sequence[Layer] = (),
    last_layers: Sequence[Layer] = (),
) -> AssembledImage:
    """Return the image for this lock on this base: the earlier image, if its blobs are still there.

    `extra_layers` stand below the packages' layers, `last_layers` above them.
    """
    compiler = compiler_for(python_of(base, lock), workshop, reporter)
    key = _key(base, lock, settings, compiler, workshop, (*extra_layers, *last_layers))
    known = _known(key, workshop)
    if known is not None:
        reporter.line(f"The image is here already: {known.digest}")
        return known
    began = time.monotonic()
    layers = list(extra_layers)
    if settings.environment and has_environment(base):
        # Its content is in no lock, and would mix with the new environment.
        reporter.line(
            f"The environment that the base has in /{PREFIX} is hidden: the new environment replaces it"
        )
        layers.insert(0, hiding(workshop))
    if settings.environment and (lock.packages or base.probe.python):
        budget = layer_budget(len(base.layers) + len(layers) + len(last_layers))
        # A conda environment has its own Python, and is in the extra layers.
        if not lock.conda:
            layers.append(skeleton(base, workshop))
        if fetched.wheels and compiler is not None:
            order = installation_order({p.name: p.needed_by for p in lock.packages if p.ecosystem == "pypi"})
            layers += package_layers(
                fetched.wheels, order, lock.requested, compiler, budget - 1, workshop, reporter
            )
    layers += last_layers
    if len(base.layers) + len(layers) > 127:
        raise ImageError(
            "too-many-layers",
            f"The image would have {len(base.layers) + len(layers)} layers; engines take 127.",
            "Too many packages bring the same files. Leave some of them out.",
        )
    image = write_image(base, lock, layers, settings, workshop)
    workshop.remember("images", key, _to_json(image))
    size = sum(layer.descriptor.size for layer in layers)
    reporter.line(
        f"{len(layers)} layers of {size / 1e6:.1f} MB on top of the base's {len(base.layers)}"
        f" in {time.monotonic() - began:.1f} s: {image.digest}"
    )
    return image


def indexed(images: Mapping[str, AssembledImage], workshop: Workshop) -> AssembledImage:
    """Return these images as one, an index in their order; the keys say what sets each apart ("zstd").

    Its manifests have the annotations ANNOTATIONS for their key. A single image stays itself.
    """
    (_, first), *others = images.items()
    if not others:
        return first
    manifests = [
        listed(workshop.store, image.descriptor, ANNOTATIONS.get(variant))
        for variant, image in images.items()
    ]
    return replace(
        first,
        descriptor=put_index(workshop.store, manifests),
        cached=all(image.cached for image in images.values()),
        others=dict(others),
    )


def python_of(base: Base, lock: Lock) -> Minor | None:
    """Return the minor version of the Python that the environment's packages are for; None without packages."""
    python = lock.python if lock.conda else base.probe.version
    return minor_of(python) if lock.packages and python else None


def _key(
    base: Base,
    lock: Lock,
    settings: ImageSettings,
    compiler: Compiler | None,
    workshop: Workshop,
    extra_layers: Sequence[Layer],
) -> str:
    configured = [dict(settings.labels), dict(settings.variables), settings.definition_hash]
    extra = [layer.descriptor.digest for layer in extra_layers]
    parts: list[Any] = [
        FORMAT,
        workshop.codec.key,
        base.reference,
        base.digest,
        lock.digest,
        configured,
        extra,
        workshop.bytecode,
        bytecode.key(compiler and compiler.interpreter),
        sorted(lock.requested),
        grouping.FORMAT,
        bytecode_layers.FORMAT,
        settings.environment,
    ]
    if settings.environment and has_environment(base):
        parts.append("hides")
    return json.dumps(parts, sort_keys=True)


def _known(key: str, workshop: Workshop) -> AssembledImage | None:
    result = workshop.recall("images", key)
    if result is None:
        return None
    image = AssembledImage(
        descriptor=Descriptor.model_validate(result["descriptor"]),
        config=Descriptor.model_validate(result["config"]),
        layers=tuple(Descriptor.model_validate(layer) for layer in result["layers"]),
        base_layers=result["base_layers"],
        unpacked=result["unpacked"],
        cached=True,
    )
    blobs = (image.descriptor, image.config, *image.layers)
    return image if all(workshop.store.has(blob.digest) for blob in blobs) else None


def _to_json(image: AssembledImage) -> dict[str, Any]:
    return {
        "descriptor": image.descriptor.to_json(),
        "config": image.config.to_json(),
        "layers": [layer.to_json() for layer in image.layers],
        "base_layers": image.base_layers,
        "unpacked": image.unpacked,
    }


def has_environment(base: Base) -> bool:
    """Return whether a base is, or was made from, an image with an environment at our path."""
    return names_environment(base.run_config)


def names_environment(run_config: Mapping[str, Any]) -> bool:
    """Return whether the variables of an image name an environment at our path."""
    variables = dict(entry.partition("=")[::2] for entry in run_config.get("Env") or [])
    named = (
        *variables.get("PATH", "").split(":"),
        *(f"{variables.get(item, '')}/bin" for item in _PREFIX_VARIABLES),
    )
    return f"/{PREFIX}/bin" in named


def hiding(workshop: Workshop) -> Layer:
    """Return the layer that takes the environment of the images below out of sight."""
    with workshop.store.writer() as blob:
        writer = LayerWriter(blob, workshop.codec)
        writer.whiteout(PREFIX)
        return writer.commit(HIDING)


def skeleton(base: Base, workshop: Workshop) -> Layer:
    """Return the layer that makes /opt/env a virtual environment of the base's Python."""
    python, version = base.probe.python, base.probe.version
    minor = ".".join(version.split(".")[:2])
    config = (
        f"home = {python.rpartition('/')[0]}\ninclude-system-site-packages = false\nversion = {version}\n"
    )
    with workshop.store.writer() as blob:
        writer = LayerWriter(blob, workshop.codec)
        writer.symlink(f"{PREFIX}/bin/python", python)
        writer.symlink(f"{PREFIX}/bin/python3", "python")
        writer.symlink(f"{PREFIX}/bin/python{minor}", "python")
        writer.directory(f"{PREFIX}/lib/python{minor}/site-packages/")
        writer.symlink(f"{PREFIX}/lib64", "lib")
        writer.file(f"{PREFIX}/pyvenv.cfg", config.encode())
        return writer.commit(f"{SKELETON} {version}")


def write_image(
    base: Base, lock: Lock, layers: Sequence[Layer], settings: ImageSettings, workshop: Workshop
) -> AssembledImage:
    """Write config and manifest of these layers on a base, and return the image."""
    labels = {
        **(base.run_config.get("Labels") or {}),
        **settings.labels,
        f"{LABEL}.lock": lock.digest,
        "org.opencontainers.image.base.name": base.reference,
        "org.opencontainers.image.base.digest": base.digest,
    }
    if settings.definition_hash:
        labels[f"{LABEL}.definition"] = settings.definition_hash
    store = workshop.store
    config = store.put(_dumped(_config(base, layers, labels, settings, conda=lock.conda)), OCI_CONFIG)
    descriptors = (*(_as_oci(layer) for layer in base.layers), *(layer.descriptor for layer in layers))
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.to_json(),
        "layers": [descriptor.to_json() for descriptor in descriptors],
        "annotations": {key: value for key, value in labels.items() if key.startswith(("org.", LABEL))},
    }
    return AssembledImage(
        descriptor=store.put(_dumped(manifest), OCI_MANIFEST),
        config=config,
        layers=descriptors,
        base_layers=len(base.layers),
        unpacked=sum(layer.unpacked for layer in layers),
        cached=False,
    )


def _config(
    base: Base, layers: Sequence[Layer], labels: Mapping[str, str], settings: ImageSettings, *, conda: bool
) -> dict[str, Any]:
    # Tools count the history against the layers: a base without one gets an entry for each.
    history = [*(base.config.get("history") or [{"created": CREATED, "comment": "base"}] * len(base.layers))]
    history += [{"created": CREATED, "created_by": MADE_BY, "comment": la.holds} for la in layers]
    run = {**base.run_config, "Labels": dict(sorted(labels.items()))}
    added = {}
    if conda:
        added["CONDA_PREFIX"] = f"/{PREFIX}"
    elif settings.environment and base.probe.python:
        added["VIRTUAL_ENV"] = f"/{PREFIX}"
    run["Env"] = _environment(base, added, settings.variables)
    config: dict[str, Any] = {
        "created": CREATED,
        "architecture": base.probe.architecture,
        "os": "linux",
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": [*base.diff_ids, *(layer.diff_id for layer in layers)]},
        "history": history,
    }
    if base.config.get("variant"):
        config["variant"] = base.config["variant"]
    return config


def _environment(base: Base, added: Mapping[str, str], variables: Mapping[str, str]) -> list[str]:
    """Return the variables a container starts with: the base's, the environment's, the definition's."""
    result = dict(entry.partition("=")[::2] for entry in base.run_config.get("Env") or [])
    if added:
        path = result.get("PATH") or "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        others = [folder for folder in path.split(":") if folder != f"/{PREFIX}/bin"]
        result["PATH"] = ":".join([f"/{PREFIX}/bin", *others])
        # A base may point to its own Python and environment, which this environment replaces.
        for name in ("PYTHONHOME", *_PREFIX_VARIABLES):
            result.pop(name, None)
        result.update(added)
    result.update(sorted(variables.items()))
    return [f"{name}={value}" for name, value in result.items()]


def _as_oci(layer: Descriptor) -> Descriptor:
    return Descriptor(
        media_type=AS_OCI.get(layer.media_type, layer.media_type), digest=layer.digest, size=layer.size
    )


def _dumped(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
