"""The `host` base: one layer of this machine's own Python and the libraries that it links.

For trying things out where no registry can be reached, and labelled as that. It holds the interpreter at
/usr/local, the libraries that it, its extension modules and manylinux wheels load, a shell with the
everyday commands, certificates, and a user table.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import ssl
import sys
import sysconfig
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

from builds.imaging.bases.model import Base, base_of_layer
from builds.imaging.bases.probe import Probe
from builds.imaging.bytecode import compilers as bytecode
from builds.imaging.bytecode.interpreters import running
from builds.imaging.child_process import run
from builds.imaging.oci.gzipped import GZIP
from builds.imaging.oci.layer import Layer, LayerWriter
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop

REFERENCE = "host"
_FORMAT = "host-2"
_MINOR = sys.version_info[:2]
_NAME = f"python{_MINOR[0]}.{_MINOR[1]}"
_STDLIB = f"usr/local/lib/{_NAME}"
_LEFT_OUT = {"site-packages", "dist-packages", "__pycache__", "test", "tests", "idlelib", "idle_test"}
_LEFT_OUT |= {"turtledemo", "tkinter", "ensurepip", "lib-dynload", "pydoc_data"}
# Debian's note that pip must not install here: it holds for the machine, not for an image of its own.
_LEFT_OUT |= {"EXTERNALLY-MANAGED"}
_EXTENSIONS_LEFT_OUT = ("_tkinter", "_test")
_COMMANDS = (
    "sh bash ls cat cp mv rm ln mkdir rmdir chmod touch env id uname pwd sleep head tail date stat wc sort"
)
_COMMANDS += (
    " uniq cut tr tee du df basename dirname readlink realpath test true false echo printf grep sed find"
)
# Libraries that manylinux wheels may expect of a system, and name resolution of older C libraries.
_EXPECTED = (
    "libstdc++.so.6 libgcc_s.so.1 libz.so.1 libexpat.so.1 libssl.so.3 libcrypto.so.3 libm.so.6 libdl.so.2"
)
_EXPECTED += " librt.so.1 libpthread.so.0 libutil.so.1 libresolv.so.2 libnss_files.so.2 libnss_dns.so.2"
_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
_TEXTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/os-release": 'ID=host\nNAME="Made from the studio\'s own machine, for trying out"\n',
}
_FOLDERS = {"tmp/": 0o1777, "var/tmp/": 0o1777, "root/": 0o700, "home/": 0o755, "run/": 0o755}
_MERGED = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}


def host_base(workshop: Workshop, reporter: Reporter) -> Base:
    """Return the base made from this machine, made now or taken from an earlier build."""
    if sys.platform != "linux":
        raise ImageError(
            "base-not-found",
            "The base “host” can be made on Linux only.",
            "Name an image of a registry as the base, such as python:3.11-slim.",
        )
    key = _key()
    known = workshop.recall("bases", key)
    layer = Layer.from_json(known) if known else None
    cached = layer is not None and workshop.store.has(layer.descriptor.digest)
    if layer is None or not cached:
        reporter.line(f"Making a base from this machine's Python {platform.python_version()}, for trying out")
        layer = _make(workshop, reporter)
        workshop.remember("bases", key, layer.to_json())
    return _described(layer, workshop, cached=cached)


def _probe() -> Probe:
    name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return Probe(
        python=f"/usr/local/bin/{_NAME}",
        version=platform.python_version(),
        libc="glibc" if name == "glibc" else "musl",
        libc_version=version or "1.2",
        architecture=architecture,
    )


def _described(layer: Layer, workshop: Workshop, *, cached: bool) -> Base:
    config = {
        "created": "1970-01-01T00:00:00Z",
        "architecture": _probe().architecture,
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"],
            "Cmd": ["python3"],
            "Labels": {"io.environment-studio.base": "made from the studio's own machine, for trying out"},
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
        "history": [{"created": "1970-01-01T00:00:00Z", "comment": layer.holds}],
    }
    return base_of_layer(REFERENCE, layer, config, _probe(), workshop.store, cached=cached)


def _key() -> str:
    """Return what changes when the machine's Python or C library does."""
    seen = [_FORMAT, GZIP.key, bytecode.FORMAT, sys.version]
    for path in (_interpreter(), _stdlib(), _extensions()):
        status = path.stat()
        seen.append(f"{path} {status.st_size} {status.st_mtime_ns}")
    return json.dumps([*seen, _probe().model_dump()])


def _interpreter() -> Path:
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def _stdlib() -> Path:
    return Path(os.__file__).parent


def _extensions() -> Path:
    return Path(sysconfig.get_config_var("DESTSHARED") or _stdlib() / "lib-dynload")


def _make(workshop: Workshop, reporter: Reporter) -> Layer:
    files = {f"usr/local/bin/{_NAME}": _interpreter()}
    files |= {f"{_STDLIB}/{path.relative_to(_stdlib())}": path for path in _modules()}
    extensions = [
        path for path in sorted(_extensions().glob("*.so")) if not path.name.startswith(_EXTENSIONS_LEFT_OUT)
    ]
    files |= {f"{_STDLIB}/lib-dynload/{path.name}": path for path in extensions}
    commands = {name: Path(result).resolve() for name in _COMMANDS.split() if (result := shutil.which(name))}
    files |= {f"usr/bin/{name}": path for name, path in commands.items()}
    files |= _libraries([_interpreter(), *extensions, *commands.values()], reporter)
    links = {f"usr/local/bin/{name}": _NAME for name in ("python3", "python")} | _MERGED
    certificates = next((Path(p) for p in _CERTIFICATES if Path(p).is_file()), None)
    if certificates is not None:
        files["etc/ssl/certs/ca-certificates.crt"] = certificates
        wanted = ssl.get_default_verify_paths().openssl_cafile.lstrip("/")
        if wanted not in files:
            links[wanted] = "/etc/ssl/certs/ca-certificates.crt"
    return _written(files, links, workshop, reporter)


def _written(files: dict[str, Path], links: dict[str, str], workshop: Workshop, reporter: Reporter) -> Layer:
    with (
        bytecode.Compilers(running(), workshop.jobs) as compilers,
        workshop.store.writer() as blob,
    ):
        writer = LayerWriter(blob)
        compiled = _compiling(files, compilers)
        for path, target in sorted(links.items()):
            writer.symlink(path, target)
        for path, mode in sorted(_FOLDERS.items()):
            writer.directory(path, mode)
        for path, text in sorted(_TEXTS.items()):
            writer.file(path, text.encode())
        total = len(files)
        for done, (path, source) in enumerate(sorted(files.items()), start=1):
            reporter.check()
            writer.file(path, source.read_bytes(), 0o755 if os.access(source, os.X_OK) else 0o644)
            if done % 100 == 0 or done == total:
                reporter.progress(done, total, "files")
        for paths, future in compiled:
            reporter.check()
            for path, (code, _) in zip(paths, future.result(), strict=True):
                if code is not None:
                    writer.file(bytecode.cached_path(path, _MINOR), code)
        return writer.commit(f"Python {platform.python_version()} of the studio's own machine")


def _compiling(
    files: dict[str, Path], compilers: bytecode.Compilers
) -> list[tuple[list[str], Future[list[bytecode.Compiled]]]]:
    sources = sorted(path for path in files if path.startswith(_STDLIB) and path.endswith(".py"))
    batches = [sources[start : start + 30] for start in range(0, len(sources), 30)]
    return [(batch, compilers.compile([(p, files[p].read_bytes()) for p in batch])) for batch in batches]


def _modules() -> Iterator[Path]:
    """Yield the standard library's files, without tests, the development files, and Tk."""
    for folder, folders, names in os.walk(_stdlib()):
        folders[:] = sorted(f for f in folders if f not in _LEFT_OUT and not f.startswith("config-"))
        for name in sorted(set(names) - _LEFT_OUT):
            path = Path(folder, name)
            if path.suffix not in (".pyc", ".a", ".o", ".exe") and path.is_file():
                yield path


def _libraries(programs: list[Path], reporter: Reporter) -> dict[str, Path]:
    """Return every shared library these programs load, by its directory: where loaders look without a cache."""
    ldd = shutil.which("ldd")
    if ldd is None:
        raise ImageError(
            "base-not-found", "The base “host” needs the command ldd.", "Install it.", fault="studio"
        )
    result = _linked(ldd, programs, reporter)
    folder = result["libc.so.6"].resolve().parent if "libc.so.6" in result else Path("/usr/lib")
    expected = [path for name in _EXPECTED.split() if (path := _expected(name, folder)) is not None]
    result |= {path.name: path for path in expected} | _linked(ldd, expected, reporter)
    directory = "usr/lib/" + (folder.name if "linux" in folder.name else "")
    libraries = {
        f"{directory.rstrip('/')}/{name}": path.resolve() for name, path in result.items() if "/" not in name
    }
    # The program loader must be at the path that is written in every program.
    libraries |= {_in_usr(name): Path(name).resolve() for name in result if "/" in name}
    return libraries


def _linked(ldd: str, programs: list[Path], reporter: Reporter) -> dict[str, Path]:
    """Return name and file of each library, as the loader finds them; the loader itself by its path."""
    listed = run([ldd, *map(str, programs)], reporter, timeout=60, confinement=None)
    result: dict[str, Path] = {}
    for line in listed.out.splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        target = rest.split(" (")[0]
        if arrow and target.startswith("/"):
            result[name] = Path(target)
        elif not arrow and name.startswith("/") and " (0x" in name:
            result[name.split(" (")[0]] = Path(name.split(" (")[0])
    return result


def _expected(name: str, folder: Path) -> Path | None:
    paths = (folder, Path("/usr/lib"), Path("/usr/lib64"), Path("/lib"), Path("/lib64"))
    return next((path / name for path in paths if (path / name).exists()), None)


def _in_usr(path: str) -> str:
    relative = path.lstrip("/")
    return relative if relative.startswith("usr/") else f"usr/{relative}"
