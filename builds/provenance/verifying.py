"""Verify an image: its bytes, its signature, and that statement, lock and content agree."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from securesystemslib.signer import SSlibKey

from builds.images.platforms import locks_of
from builds.imaging.installed.reading import installed_in
from builds.imaging.lock import Lock
from builds.imaging.oci.index import blobs_of, image_of, manifests_of
from builds.imaging.oci.manifest import Descriptor, descriptors_of
from builds.imaging.oci.platforms import fits
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import ImageError, Reporter
from builds.models import Image, Referrer
from builds.models.provenance import PROVENANCE
from builds.provenance.envelope import NotVerified, opened
from builds.provenance.keys import loaded, public_keys
from builds.provenance.statement import PREDICATE, STATEMENT

PIECE = 1 << 20
NAMED = 5
HISTORY = "environment-studio"

Result = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class Check:
    """The result of one check, and a sentence on it."""

    name: str
    result: Result
    message: str

    def to_json(self) -> dict[str, str]:
        """Return it as JSON."""
        return asdict(self)


def passed(name: str, message: str) -> Check:
    """Return a check that holds."""
    return Check(name, "passed", message)


def failed(name: str, message: str) -> Check:
    """Return a check that does not hold."""
    return Check(name, "failed", message)


def verify(
    image: Image, store: BlobStore, reporter: Reporter, keys: Sequence[SSlibKey] = ()
) -> Iterator[Check]:
    """Yield the result of each check of an image; `keys` replace those of the studio.

    A check that others rest on ends the row of checks when it fails.
    """
    bytes_ = _bytes(image, store, reporter)
    yield bytes_
    signature, statement = _signature(image, store, keys)
    yield signature
    if statement is not None:
        yield _subject(image, store, statement)
        yield _materials(image, statement)
        yield _bills(image, store, statement)
    if bytes_.result == "passed":
        yield from _contents(image, store, reporter)


def statement_of(image: Image, store: BlobStore, keys: Sequence[SSlibKey] = ()) -> dict[str, Any]:
    """Return the statement that is attached to an image and verified. Raises NotVerified."""
    row = image.referrers.filter(subject=image.digest, artifact_type=PROVENANCE).first()
    if row is None:
        raise NotVerified("No provenance is attached. Attach it with  manage.py attest")
    try:
        content = _attached(row, image, store)
    except FileNotFoundError as error:
        raise NotVerified("The provenance is gone from the store.") from error
    known = list(keys) or [loaded(key) for key in public_keys()]
    statement, _ = opened(content, known)
    if (statement.get("_type"), statement.get("predicateType")) != (STATEMENT, PREDICATE):
        raise NotVerified("The statement is no provenance of SLSA.")
    return statement


def _attached(row: Referrer, image: Image, store: BlobStore) -> bytes:
    """Return a document by its row, after its manifest was checked. Raises NotVerified or FileNotFoundError."""
    body, content = store.read(row.digest), store.read(row.content)
    if _digest(body) != row.digest or _digest(content) != row.content:
        raise NotVerified("What is attached is not what its digest says.")
    manifest = json.loads(body)
    if manifest["subject"]["digest"] != image.digest or manifest["layers"][0]["digest"] != row.content:
        raise NotVerified("What is attached is about another image.")
    return content


def _bytes(image: Image, store: BlobStore, reporter: Reporter) -> Check:
    """Check that every blob of the image is in the store, and is what its digest says."""
    try:
        own = image_of(store, image.digest)
        blobs = {d.digest: d for d in (own, *manifests_of(store, own), *blobs_of(store, own))}
        for digest in blobs:
            if not _is_intact(digest, store, reporter):
                return failed("bytes", f"{digest} is damaged.")
    except FileNotFoundError as error:
        return failed("bytes", f"A file is gone from the store: {error.filename}.")
    except (ValueError, KeyError) as error:
        return failed("bytes", f"The manifest {image.digest} cannot be read: {error}.")
    return passed("bytes", f"{len(blobs)} files are what their digests say.")


def _is_intact(digest: str, store: BlobStore, reporter: Reporter) -> bool:
    hashed = hashlib.sha256()
    with store.open(digest) as file:
        while piece := file.read(PIECE):
            reporter.check()
            hashed.update(piece)
    return f"sha256:{hashed.hexdigest()}" == digest


def _signature(
    image: Image, store: BlobStore, keys: Sequence[SSlibKey]
) -> tuple[Check, dict[str, Any] | None]:
    try:
        statement = statement_of(image, store, keys)
    except (NotVerified, ValueError, KeyError, TypeError, IndexError) as problem:
        return failed("signature", str(problem)), None
    builder = statement["predicate"]["runDetails"]["builder"]["id"]
    return passed("signature", f"{builder} built and signed it."), statement


def _subject(image: Image, store: BlobStore, statement: dict[str, Any]) -> Check:
    named = {f"sha256:{subject['digest'].get('sha256')}" for subject in statement["subject"]}
    try:
        own = {image.digest, *(m.digest for m in manifests_of(store, image_of(store, image.digest)))}
    except FileNotFoundError:
        own = {image.digest}
    if missing := own - named:
        return failed("subject", f"The statement is not about {min(missing)}.")
    return passed("subject", f"The statement is about {image.digest}.")


def _materials(image: Image, statement: dict[str, Any]) -> Check:
    """Check that the statement's materials and locks are those of the image's rows."""
    defined = statement["predicate"]["buildDefinition"]
    locks = locks_of(image)
    stated = {entry["digest"].get("sha256") for entry in defined["resolvedDependencies"]}
    bases = {image.base_digest, *(image.platform_rows.values_list("base_digest", flat=True))}
    files = {package.sha256 for lock in locks.values() for package in lock.packages}
    wanted = files | {digest.removeprefix("sha256:") for digest in bases if digest}
    digests = {platform: lock.digest for platform, lock in locks.items()}
    if defined["externalParameters"]["definition"] != image.hash:
        return failed("lock", "The statement is about another definition.")
    if wanted - stated:
        return failed("lock", f"The statement lacks {len(wanted - stated)} files of the lock.")
    if stated - wanted - {lock.base_digest.removeprefix("sha256:") for lock in locks.values()}:
        return failed("lock", "The statement names files that are not in the lock.")
    if defined["internalParameters"]["locks"] != digests:
        return failed("lock", "The statement has another lock than the image.")
    return passed("lock", f"Base and {len(files)} files are those of the statement.")


def _bills(image: Image, store: BlobStore, statement: dict[str, Any]) -> Check:
    products = statement["predicate"]["runDetails"]["byproducts"]
    stated = {f"sha256:{product['digest'].get('sha256')}" for product in products}
    rows = image.referrers.filter(subject=image.digest).exclude(artifact_type=PROVENANCE)
    attached = {row.content for row in rows}
    if stated != attached:
        return failed("bills", "The bills of materials that are attached are not those of the statement.")
    for digest in attached:
        try:
            if _digest(store.read(digest)) != digest:
                return failed("bills", f"The bill of materials {digest} is damaged.")
        except FileNotFoundError:
            return failed("bills", f"The bill of materials {digest} is gone from the store.")
    return passed("bills", f"{len(attached)} bills of materials are those of the statement.")


def _contents(image: Image, store: BlobStore, reporter: Reporter) -> Iterator[Check]:
    """Check for each platform that the packages in the layers are those of the lock, and their files as recorded."""
    manifests = manifests_of(store, image_of(store, image.digest))
    for platform, lock in locks_of(image).items():
        name = "content" if len(image.platforms.split(",")) == 1 else f"content of {platform}"
        if not lock.packages:
            yield Check(name, "skipped", "The studio installed no packages.")
            continue
        own = next((m for m in manifests if m.platform is None or fits(m.platform, platform)), manifests[0])
        try:
            yield _content(name, own, lock, store, reporter)
        except ImageError as error:
            yield failed(name, error.message)


def _content(name: str, manifest: Descriptor, lock: Lock, store: BlobStore, reporter: Reporter) -> Check:
    installed = installed_in(added_layers(manifest, store), store, reporter)
    locked = {(p.ecosystem, p.name, p.version) for p in lock.packages}
    # A conda package may list what pip would list of it.
    allowed = locked | {
        ("pypi", *pin.partition("==")[::2]) for package in lock.packages for pin in package.distributions
    }
    missing, more = locked - installed.packages, installed.packages - allowed
    if missing:
        return failed(name, f"Not in the image: {_named(missing)}.")
    if more:
        return failed(name, f"Not in the lock: {_named(more)}.")
    if installed.differing:
        shown = ", ".join(installed.differing[:NAMED])
        return failed(
            name, f"{len(installed.differing)} files are not as their package recorded them: {shown}."
        )
    return passed(
        name, f"{len(locked)} packages are those of the lock; {installed.files} files are as recorded."
    )


def added_layers(manifest: Descriptor, store: BlobStore) -> list[Descriptor]:
    """Return the layers that the studio put on the base; all of them if the history does not say which."""
    config, *layers = descriptors_of(json.loads(store.read(manifest.digest)))
    history = json.loads(store.read(config.digest)).get("history") or []
    entries = [entry for entry in history if not entry.get("empty_layer")]
    if len(entries) != len(layers):
        return layers
    return [layer for layer, entry in zip(layers, entries, strict=True) if entry.get("created_by") == HISTORY]


def _named(packages: Collection[tuple[str, str, str]]) -> str:
    names = [f"{name} {version}" for _, name, version in sorted(packages)]
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
