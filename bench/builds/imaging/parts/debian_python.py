"""A base image with Debian 13's Python 3.13, which this machine need not have: its packages in one layer."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from builds.imaging.bases.model import Base, base_of_layer
from builds.imaging.bases.probe import Probe
from builds.imaging.bases.pull import stored_base
from builds.imaging.oci.layer import LayerWriter
from builds.imaging.oci.manifest import OCI_MANIFEST, Descriptor
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from tests.services.debian.packages import unpack

MINOR = (3, 13)
SUITE = "trixie"  # Debian 13
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
PROGRAM = "/usr/bin/python3.13"
_PACKAGES = "python3.13-minimal libpython3.13-minimal libpython3.13-stdlib python3.13 media-types"
_PACKAGES += " libc6 libexpat1 zlib1g libssl3t64 libffi8 libbz2-1.0 liblzma5 libsqlite3-0 libuuid1 libgcc-s1"
_PACKAGES += " libstdc++6 libncursesw6 libtinfo6 libreadline8t64 libzstd1 dash"
_LINKS = {
    "bin": "usr/bin",
    "sbin": "usr/sbin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "usr/bin/python3": "python3.13",
    "usr/bin/python": "python3.13",
}
_FOLDERS = {"tmp/": 0o1777, "var/tmp/": 0o1777, "root/": 0o700}
_TEXTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}
_EPOCH = "1970-01-01T00:00:00Z"


def debian_python(cache: Path) -> Path:
    """Return the folder with Debian 13's Python and its libraries, fetched now or before. Raises `Unavailable`."""
    folder = cache / "debian-13-python"
    if not (folder / ".complete").exists():
        unpack(_PACKAGES.split(), folder, cache / "apt", SUITE)
        _compile(folder)
        (folder / ".complete").touch()
    return folder


def _compile(folder: Path) -> None:
    """Compile the standard library, as Debian does when its package is installed."""
    library = folder / "usr/lib/python3.13"
    argv = ["-m", "compileall", "-q", "-s", str(folder), "-p", "/", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([started_by_its_loader(folder), *argv, str(library)], check=True)


def started_by_its_loader(folder: Path) -> Path:
    """Return a program that runs this Python here, though it may need a newer C library than this machine's."""
    path = folder / "usr/bin/debian-python"
    loader = next((folder / "usr").glob("lib*/ld-linux-*.so.*"))
    libraries = next((folder / "usr/lib").glob("*-linux-gnu"))
    path.write_text(
        f'#!/bin/sh\nexec {loader} --library-path {libraries} --argv0 {path} {folder}{PROGRAM} "$@"\n'
    )
    path.chmod(0o755)
    return path


def debian_base(reference: str, folder: Path, workshop: Workshop) -> Base:
    """Return the base, made of the unpacked packages and put into the workshop's store."""
    store = workshop.store
    with store.writer() as blob:
        writer = LayerWriter(blob)
        for path, target in sorted(_LINKS.items()):
            writer.symlink(path, target)
        for path, mode in sorted(_FOLDERS.items()):
            writer.directory(path, mode)
        for path, text in sorted(_TEXTS.items()):
            writer.file(path, text.encode())
        # Debian's own are put together when its package is installed.
        writer.file(CERTIFICATES.lstrip("/"), Path(CERTIFICATES).read_bytes())
        for file in sorted((folder / "usr").rglob("*")):
            name = str(file.relative_to(folder))
            if name.startswith(("usr/share/doc", "usr/share/man", "usr/share/locale")):
                continue
            if file.is_symlink():
                writer.symlink(name, os.readlink(file))
            elif file.is_file():
                writer.file(name, file.read_bytes(), 0o755 if os.access(file, os.X_OK) else 0o644)
        layer = writer.commit("Debian 13's Python")
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    config = {
        "created": _EPOCH,
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"], "Cmd": ["python3"]},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
        "history": [{"created": _EPOCH, "comment": layer.holds}],
    }
    made = base_of_layer(reference, layer, config, Probe(), store, cached=False)
    manifest = Descriptor(media_type=OCI_MANIFEST, digest=made.digest, size=store.size(made.digest))
    return stored_base(reference, manifest, workshop, Quiet())
