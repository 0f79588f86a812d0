"""The provenance of an image as a statement: in-toto Statement v1 with the predicate SLSA Provenance v1.

It names no workspace, environment or person: it travels with the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.oci.manifest import Descriptor

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:environment-studio:image:1"


@dataclass(frozen=True)
class Part:
    """A platform of an image: its base and its lock."""

    platform: str
    base_digest: str
    lock: Lock


@dataclass(frozen=True)
class Origin:
    """The origin of an image. `parameters` are the settings that its bytes depend on, as far as they are known.

    `invocation` is the id of the build, or of what else made it; times are empty for images that were made before.
    """

    hash: str
    repository: str
    base: str
    base_digest: str
    parts: tuple[Part, ...]
    builder: str
    version: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    invocation: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


def statement_of(
    origin: Origin, subjects: Sequence[Descriptor], byproducts: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the statement about an image: `subjects` are its index and manifests."""
    metadata = {
        "invocationId": origin.invocation,
        "startedOn": _moment(origin.started_at),
        "finishedOn": _moment(origin.finished_at),
    }
    return {
        "_type": STATEMENT,
        "subject": [
            {"name": origin.repository, "digest": digest_set(subject.digest)} for subject in subjects
        ],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "definition": origin.hash,
                    "base": without_secrets(origin.base),
                    "platforms": [part.platform for part in origin.parts],
                },
                "internalParameters": {
                    **origin.parameters,
                    "locks": {part.platform: part.lock.digest for part in origin.parts},
                },
                "resolvedDependencies": _materials(origin),
            },
            "runDetails": {
                "builder": {"id": origin.builder, "version": {"environment-studio": origin.version}},
                "metadata": {name: value for name, value in metadata.items() if value},
                "byproducts": list(byproducts),
            },
        },
    }


def digest_set(digest: str) -> dict[str, str]:
    """Return a digest as statements have it."""
    algorithm, _, value = digest.partition(":")
    return {algorithm: value}


def without_secrets(url: str) -> str:
    """Return a URL without user, password and query: the statement travels with the image."""
    parts = urlsplit(url)
    if not parts.scheme or not parts.netloc:
        return url
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _materials(origin: Origin) -> list[dict[str, Any]]:
    """Return the base and every file that was installed, each once."""
    result: dict[tuple[str, str], dict[str, Any]] = {}
    for digest in dict.fromkeys((origin.base_digest, *(part.base_digest for part in origin.parts))):
        if digest:
            result["base", digest] = {
                "uri": _image_url(origin.base, digest),
                "name": "base",
                "digest": digest_set(digest),
            }
    for part in origin.parts:
        for package in part.lock.packages:
            result.setdefault((package.filename, package.sha256), _material(package))
    return list(result.values())


def _image_url(reference: str, digest: str) -> str:
    """Return the package URL of a base image."""
    repository = without_secrets(reference).partition("@")[0]
    folder, slash, last = repository.rpartition("/")
    name = last.partition(":")[0]
    return f"pkg:oci/{quote(name, safe='')}@{quote(digest)}?repository_url={quote(folder + slash + name)}"


def _material(package: LockedPackage) -> dict[str, Any]:
    return {
        "uri": without_secrets(package.url),
        "name": f"{package.ecosystem} {package.name} {package.version}",
        "digest": {"sha256": package.sha256},
    }


def _moment(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""
