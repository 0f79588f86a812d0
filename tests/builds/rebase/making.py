"""Bases in a real registry, and images on them that the studio's own code assembles, without a solver."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from django.conf import settings

from builds.images.layers import save_layers
from builds.images.packages import save_packages
from builds.imaging.assemble import ImageSettings, assemble, indexed, write_image
from builds.imaging.download.fetch import Fetched
from builds.imaging.lock import Lock
from builds.imaging.oci.index import image_of, listed, put_index
from builds.imaging.oci.manifest import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor
from builds.imaging.oci.store import BlobStore
from builds.imaging.publish.moving import Mover
from builds.imaging.publish.push import push
from builds.imaging.rebasing.own_layers import own_layers
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from builds.models import Build, Image
from builds.worker.bases import resolve_bases
from builds.worker.build_result import BuildResult
from builds.worker.platforms.index import image_row, whole_image
from builds.worker.platforms.targets import Made, Target, targets_of
from builds.worker.publish import push_image
from builds.worker.steps import is_floating, make_workshop, repository
from environments.definition import read
from environments.models import Version
from environments.versions.service import save_reading
from tests.builds.imaging.making import locked
from tests.builds.scenarios import claim_build, queue_build, workspace_named

LIBC = "GNU C Library (Debian GLIBC {0}-9) stable release version {0}.\n"
LINK = "link to "
CREATED = "2026-10-01T10:00:00Z"


def layer_of(files: dict[str, str], store: BlobStore) -> tuple[Descriptor, str]:
    """Store a layer of these files, and return it with its diff id."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            if content.startswith(LINK):
                entry.type, entry.linkname = tarfile.SYMTYPE, content.removeprefix(LINK)
                archive.addfile(entry)
            else:
                entry.size = len(content.encode())
                archive.addfile(entry, io.BytesIO(content.encode()))
    plain = store.put(buffer.getvalue(), "application/vnd.oci.image.layer.v1.tar")
    return store.put(gzip.compress(buffer.getvalue(), mtime=0), OCI_LAYER_GZIP), plain.digest


def base_manifest(
    store: BlobStore,
    *,
    python: str = "3.11.9",
    libc: str = "2.36",
    note: str = "first",
    architecture: str = "amd64",
    created: str = CREATED,
    env: Sequence[str] = (),
    files: Mapping[str, str] | None = None,
) -> Descriptor:
    """Store a small base of two layers that a probe takes for a Debian with this Python, and `files`."""
    minor = ".".join(python.split(".")[:2])
    layers = [
        layer_of({"usr/lib/x86_64-linux-gnu/libc.so.6": LIBC.format(libc), "etc/note": note}, store),
        layer_of(
            {
                "usr/local/bin/python3": f"{LINK}python{minor}",
                f"usr/local/bin/python{minor}": f"\x7fELF\0{python}\0",
                **(files or {}),
            },
            store,
        ),
    ]
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin", *env], "Labels": {"note": note}},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
        "history": [{"created_by": f"COPY {note}"}, {"created_by": "ENV x", "empty_layer": True}, {}],
    }
    described = store.put(json.dumps(config).encode(), OCI_CONFIG)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described.to_json(),
        "layers": [layer.to_json() for layer, _ in layers],
    }
    return store.put(json.dumps(manifest).encode(), OCI_MANIFEST)


def push_base(folder: Path, reference: str, *, architectures: Sequence[str] = (), **base: object) -> str:
    """Push a base (an index of several architectures) as a vendor would, and return its digest."""
    vendor = Workshop(store=BlobStore(folder / "vendor"), cache=folder / "vendor-cache")
    if architectures:
        each = [base_manifest(vendor.store, architecture=name, **base) for name in architectures]  # type: ignore[arg-type]
        pushed = put_index(vendor.store, [listed(vendor.store, manifest) for manifest in each])
    else:
        pushed = base_manifest(vendor.store, **base)  # type: ignore[arg-type]
    push(pushed, reference, vendor, Quiet())
    return pushed.digest


def save_version(
    base: str,
    *,
    name: str = "forecast",
    workspace: str = "lab",
    platforms: Sequence[str] = (),
    pip: str = "shop",
) -> Version:
    """Save a version with one package of pip on a base."""
    text = f"image: {base}\nconda_file:\n  dependencies:\n    - python=3.11\n    - pip\n    - pip: [{pip}]\n"
    if platforms:
        text += f"platforms: [{', '.join(platforms)}]\n"
    reading = read(text, "environment.yml")
    assert reading.definition is not None, reading.findings
    return save_reading(workspace_named(workspace), name, reading, source=text).version


def assemble_version(
    version: Version,
    *wheels: Path,
    compressions: Sequence[str] = ("gzip",),
    workshop: Workshop | None = None,
) -> Image:
    """Build a version from these wheels by the studio's own steps, without a solver: its image is pushed and current."""
    workshop = workshop or make_workshop()
    definition, workspace = version.definition, version.environment.workspace
    assert definition.image is not None
    bases = resolve_bases(workspace, definition.image, workshop, Quiet(), platforms=definition.platforms)
    lock, fetched = locked(*wheels)
    made = [
        _made(target, lock, fetched, version.hash, compressions, workshop)
        for target in targets_of(definition, bases, Quiet())
    ]
    whole = whole_image(made, workshop)
    row = image_row(definition, bases, made, whole, workshop)
    pushed_to = push_image(
        workspace, repository(version.hash), whole.descriptor, workshop, Quiet(), base=bases.first
    )
    workshop.store.tag(f"{workspace.name}/{repository(version.hash)}:latest", whole.descriptor)
    more = {
        "repository": repository(version.hash),
        "floating": is_floating(definition),
        "conflicts": [],
        "pushed_to": pushed_to,
    }
    with claim_build(queue_build(version)) as (claim, _):
        build = Build.objects.select_related("workspace").get(pk=claim.build_id)
        return BuildResult(row=row | more).save(build, claim, [])


def _made(
    target: Target,
    lock: Lock,
    fetched: Fetched,
    hash: str,
    compressions: Sequence[str],
    workshop: Workshop,
) -> Made:
    base = target.base
    on_base = lock.model_copy(
        update={
            "python": base.probe.version,
            "platform": base.probe.platform,
            "base_digest": base.digest,
        }
    )
    target = target.with_files(on_base, fetched)
    images = {
        name: assemble(
            base,
            on_base,
            fetched,
            ImageSettings(definition_hash=hash),
            replace(workshop, compression=name),
            Quiet(),
        )
        for name in compressions
    }
    return Made(target, indexed(images, workshop))


def copy_to(version: Version, image: Image) -> Image:
    """Give a version an image with the layers of another, as a build with the same packages does; push it, too."""
    workshop, lab = make_workshop(), image.workspace
    first = image_of(workshop.store, image.digest)
    own = own_layers(first, workshop.store)
    assert version.definition.image is not None
    base = resolve_bases(lab, version.definition.image, workshop, Quiet(), platforms=["linux/amd64"]).first
    lock = Lock.model_validate(image.lock)
    settings = ImageSettings(definition_hash=version.hash)
    made = write_image(base, lock, own.layers, settings, workshop)
    row = Image.objects.get(pk=image.pk)
    row.pk, row._state.adding = None, True
    row.hash, row.repository, row.digest = version.hash, repository(version.hash), made.digest
    if lab.registry:
        environment = version.environment.repository
        with closing(Mover(lab.registry, workshop, Quiet())) as mover:
            of_first = image.repository
            mover.move(row.repository, made.descriptor, ["latest"], origin=of_first)
            mover.move(environment, made.descriptor, ["1", "latest"], origin=row.repository)
        row.pushed_to = f"{lab.registry}/{row.repository}"
    row.save()
    save_packages(row)
    save_layers(row)
    return row


def store() -> BlobStore:
    """Return the studio's store."""
    return BlobStore(settings.STORE)


def config_of(digest: str) -> dict[str, object]:
    """Return the config of a manifest in the studio's store."""
    manifest = json.loads(store().read(digest))
    result: dict[str, object] = json.loads(store().read(manifest["config"]["digest"]))
    return result
