"""The packages of a base's distribution, by dpkg's status, and which distribution it is, by os-release."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

MOST_BYTES = 16 * 1024**2  # of a file
MOST_PACKAGES = 20_000
MOST_CHARACTERS = 200

_TELLING = re.compile(
    r"/var/lib/dpkg/status|/var/lib/dpkg/status\.d/[A-Za-z0-9.+_-]{1,200}|/etc/os-release|/usr/lib/os-release"
)
_RELEASES = ("/etc/os-release", "/usr/lib/os-release")
_SOURCE = re.compile(r"(\S+)(?:\s+\((\S+)\))?")
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+", re.IGNORECASE)
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~-]*")


def tells_packages(path: str) -> bool:
    """Whether a file of an image tells its distribution's packages, or which distribution it is."""
    return _TELLING.fullmatch(path) is not None and not path.endswith(".md5sums")


def release_in(files: Mapping[str, bytes]) -> str:
    """Return the distribution as advisories name it, such as debian:12 or ubuntu:22.04; empty for none."""
    for path in _RELEASES:
        if path in files:
            lines = files[path][:10_000].decode(errors="replace").splitlines()
            fields = {name: value.strip("\"'") for name, _, value in (line.partition("=") for line in lines)}
            release = f"{fields.get('ID', '')}:{fields.get('VERSION_ID', '')}"
            return release if re.fullmatch(r"(?:debian|ubuntu):\d{1,3}(?:\.\d{1,3})?", release) else ""
    return ""


def packages_in(files: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """Return the installed packages, each by its source's name and version: advisories are about sources."""
    result: dict[tuple[str, str], None] = {}
    for path, content in sorted(files.items()):
        if path not in _RELEASES:
            for package in _installed(content, plain="status.d" in path):
                result[package] = None
                if len(result) >= MOST_PACKAGES:
                    return sorted(result)
    return sorted(result)


def _installed(content: bytes, *, plain: bool) -> Iterator[tuple[str, str]]:
    """Yield the packages of a status file; in `status.d`, where nothing is ever removed, none says its status."""
    for fields in _paragraphs(content):
        if not plain and fields.get("status", "").split()[-1:] != ["installed"]:
            continue
        match = _SOURCE.fullmatch(fields.get("source", "") or fields.get("package", ""))
        name, version = (match[1], match[2] or fields.get("version", "")) if match else ("", "")
        usable = max(len(name), len(version)) <= MOST_CHARACTERS
        if usable and _NAME.fullmatch(name) and _VERSION.fullmatch(version):
            yield name.lower(), version


def _paragraphs(content: bytes) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    for line in content.split(b"\n"):
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif line[:1] not in b" \t":
            name, _, value = line[: MOST_CHARACTERS * 3].partition(b":")
            if name in (b"Package", b"Status", b"Source", b"Version"):
                fields[name.decode().lower()] = value.decode(errors="replace").strip()
    if fields:
        yield fields
