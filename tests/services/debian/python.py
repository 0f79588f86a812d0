"""An image of Debian's own Python for amd64 and arm64, made of its packages: no program of either is run for it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from builds.imaging.bases.model import base_of_layer
from builds.imaging.bases.probe import Probe
from builds.imaging.oci.index import image_of, listed, put_index
from builds.imaging.oci.layer import Layer, LayerWriter
from builds.imaging.oci.store import BlobStore
from builds.imaging.publish.push import push
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from tests.services.debian.packages import unpack

ARCHITECTURES = ("amd64", "arm64")
PACKAGES = (
    "python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libc6 libexpat1 zlib1g libssl3 libcrypt1 libffi8"
    " libbz2-1.0 liblzma5 libuuid1 libstdc++6 libgcc-s1"
).split()
SUITE = "bookworm"


def push_debian_python(folder: Path, registry: str) -> str:
    """Push the index of Debian's Python to a registry, and return its reference."""
    store = BlobStore(folder / "store")
    manifests = [_manifest(folder / architecture, architecture, store) for architecture in ARCHITECTURES]
    index = put_index(store, [listed(store, image_of(store, manifest)) for manifest in manifests])
    reference = f"{registry}/debian/python:3.11"
    push(index, reference, Workshop(store=store, cache=folder / "cache"), Quiet())
    return reference


def _manifest(folder: Path, architecture: str, store: BlobStore) -> str:
    """Store the image of an architecture, and return the digest of its manifest."""
    files = folder / "files"
    unpack(PACKAGES, files, folder / "apt", SUITE, architecture)
    layer = _layer(files, store)
    config = {
        "architecture": architecture,
        "os": "linux",
        **({"variant": "v8"} if architecture == "arm64" else {}),
        "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "Cmd": ["python3.11"]},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
    }
    return base_of_layer("debian/python", layer, config, Probe(), store, cached=False).digest


def _layer(files: Path, store: BlobStore) -> Layer:
    with store.writer() as blob:
        writer = LayerWriter(blob)
        for root, folders, names in os.walk(files):
            folders.sort()
            for name in sorted([*names, *(f for f in folders if Path(root, f).is_symlink())]):
                path = Path(root, name)
                inside = str(path.relative_to(files))
                if path.is_symlink():
                    writer.symlink(inside, os.readlink(path))
                else:
                    executable = path.stat().st_mode & stat.S_IXUSR
                    writer.file(inside, path.read_bytes(), 0o755 if executable else 0o644)
        return writer.commit("Debian's Python")
