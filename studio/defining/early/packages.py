"""Whether the package index has the requested packages, and in the requested versions."""

from __future__ import annotations

import difflib
from contextlib import suppress
from typing import Any

from packaging.version import InvalidVersion, Version

from environments.definition import Finding, Reading
from environments.definition.findings.catalogue import finding
from environments.definition.findings.misnamed import IMPORT_NAMES, OFTEN_MEANT, takes_other_indexes
from environments.definition.findings.secrets import holds_secret
from environments.definition.packages.specs import BadSpec, Spec, pip_spec
from environments.definition.syntax.text import Placed
from studio.defining import completion

MOST_PACKAGES = 60
_LIKENESS = 0.8


def package_findings(reading: Reading) -> tuple[list[Finding], bool]:
    """Return what there is to report on the packages of pip, and whether some are still being looked up."""
    findings, pending = [], False
    for text, spec in _requested(reading):
        listing = completion.index.lookup(spec.name)
        if listing is None:
            pending = True
        elif listing.state == completion.ABSENT and spec.name not in IMPORT_NAMES["pip"]:
            findings.append(finding("package-unknown", text, what=_written(text), meant=likely(spec.name)))
        elif listing.versions and spec.exact and "+" not in spec.exact:
            newest = _instead(spec.exact, listing.versions)
            if newest:
                values = {"what": spec.name, "version": spec.exact, "newest": newest}
                findings.append(finding("version-unknown", text, **values))
    return findings, pending


def on_default_index(name: str, version: str) -> bool:
    """Whether the default index is known to list this version, as an index of one's own may list those with a +."""
    listing = completion.index.lookup(name)
    return listing is not None and version in listing.versions


def newest_versions(reading: Reading) -> dict[tuple[str, str], str]:
    """Return the newest known version of each package that is not pinned, to pin it to; nothing is waited for."""
    pins: dict[tuple[str, str], str] = {}
    for _, spec in _requested(reading):
        listing = None if spec.pinned else completion.index.lookup(spec.name)
        newest = _newest(listing.versions, spec.constraint) if listing is not None else ""
        if newest:
            pins["pip", spec.name] = newest
    return pins


def likely(name: str) -> str:
    """Return the package that is probably meant by a name that no index has; empty where none is near."""
    known = IMPORT_NAMES["pip"].get(name) or OFTEN_MEANT.get(name)
    return known or next(
        iter(difflib.get_close_matches(name, completion.WELL_KNOWN, n=1, cutoff=_LIKENESS)), ""
    )


def _requested(reading: Reading) -> list[tuple[Placed, Spec]]:
    """Return the packages that come from the default index, on Linux, for any base."""
    lines = reading.requested.pip
    if reading.requested.locked or takes_other_indexes(tuple(lines)):
        return []
    indexes = reading.definition.python.package_indexes if reading.definition else {}
    requested = []
    for text in lines[: MOST_PACKAGES * 5]:
        spec = _spec(text)
        if spec is not None and not spec.url and ";" not in spec.constraint and spec.name not in indexes:
            requested.append((text, spec))
    return requested[:MOST_PACKAGES]


def _spec(text: Placed) -> Spec | None:
    if text.startswith("-") or holds_secret(text):
        return None
    try:
        return pip_spec(str(text))
    except BadSpec:
        return None


def _written(text: str) -> str:
    return next((text[:end] for end in range(len(text), 0, -1) if _is_name(text[:end])), text[:80])[:80]


def _is_name(text: str) -> bool:
    return all(sign.isalnum() or sign in "._-" for sign in text)


def _instead(wanted: str, versions: list[str]) -> str:
    """Return the version to take in the place of one that does not exist; empty if it exists or cannot be judged."""
    try:
        exact = Version(wanted)
    except InvalidVersion:
        return ""
    known = [version for text in versions if (version := _version(text)) is not None]
    if not known or exact in known:
        return ""
    near = [version for version in known if version.release[:2] == exact.release[:2]]
    released = [version for version in near if not version.is_prerelease]
    stable = [version for version in known if not version.is_prerelease]
    return str(max(released or stable or known))


def _newest(versions: list[str], constraint: str) -> str:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        allowed = SpecifierSet(constraint)
    except InvalidSpecifier:
        return ""
    stable = [
        v for text in versions if (v := _version(text)) is not None and not v.is_prerelease and not v.local
    ]
    return str(max((version for version in stable if version in allowed), default=""))


def _version(text: str) -> Any:
    with suppress(InvalidVersion):
        return Version(text)
    return None
