"""An image of Debian's own Python for amd64 and arm64, made of its packages: no program of either is run for it."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

from builds.imaging.bases.model import base_of_layer
from builds.imaging.bases.probe import Probe
from builds.imaging.oci.index import image_of, listed, put_index
from builds.imaging.oci.layer import Layer, LayerWriter
from builds.imaging.oci.store import BlobStore
from builds.imaging.publish.push import push
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop

ARCHITECTURES = ("amd64", "arm64")
PACKAGES = (
    "python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libc6 libexpat1 zlib1g libssl3 libcrypt1 libffi8"
    " libbz2-1.0 liblzma5 libuuid1 libstdc++6 libgcc-s1"
).split()
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR = "http://deb.debian.org/debian"
SUITE = "bookworm"


def push_debian_python(folder: Path, registry: str) -> str:
    """Push the index of Debian's Python to a registry, and return its reference."""
    store = BlobStore(folder / "store")
    manifests = [_manifest(folder / architecture, architecture, store) for architecture in ARCHITECTURES]
    index = put_index(store, [listed(store, image_of(store, manifest)) for manifest in manifests])
    reference = f"{registry}/debian/python:3.11"
    push(index, reference, Workshop(store=store, cache=folder / "cache"), Quiet())
    return reference


def unpack_packages(folder: Path, packages: Sequence[str], architecture: str) -> Path:
    """Fetch Debian's packages by an apt with lists and settings of its own, and return the folder of their files."""
    for name in ("lists/partial", "archives/partial", "packages", "no-parts"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(f"deb [signed-by={KEYS}] {MIRROR} {SUITE} main\n")
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "Dir::State": folder,
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "Dir::Cache::archives": folder / "archives",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": folder / "no-parts",
        "Dir::Etc::preferencesparts": folder / "no-parts",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    _run(["apt-get", *options, "update"])
    _run(["apt-get", *options, "download", *packages], folder / "packages")
    files = folder / "files"
    files.mkdir()
    for package in sorted((folder / "packages").glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(files)])
    return files


def _manifest(folder: Path, architecture: str, store: BlobStore) -> str:
    """Store the image of an architecture, and return the digest of its manifest."""
    layer = _layer(unpack_packages(folder, PACKAGES, architecture), store)
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


def _run(argv: Sequence[str], folder: Path | None = None) -> None:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)} failed: {done.stderr[-2000:]}"
