"""Whether a version fits a requested package, by the grammar of its ecosystem."""

from __future__ import annotations

import re

from environments.definition.packages.specs import Spec
from environments.definition.packages.versions import is_newer, starts_with

_VERSION = re.compile(r"\d+(?>\.\d+)*+")


def allows(spec: Spec, version: str) -> bool:
    """Return whether the specification takes this version; true for what cannot be compared."""
    constraint = spec.constraint.partition(";")[0].strip()
    if not constraint or constraint.startswith("@") or (spec.url and not spec.exact):
        return True
    if exact_version(spec):
        return is_newer(spec.exact, version, spec.ecosystem) is None
    if spec.exact:
        return starts_with(version, spec.exact)
    return _conda(constraint, version) if spec.ecosystem == "conda" else _pip(constraint, version)


def exact_version(spec: Spec) -> str:
    """Return the only version that fits; empty for several. conda's `=1.2` is also 1.2.3."""
    if spec.constraint.startswith("@"):
        return ""
    only = spec.ecosystem != "conda" or spec.constraint.startswith("==") or spec.build
    return spec.exact if only else ""


def overlaps(spec: Spec, start: str) -> bool:
    """Return whether a version that begins so may fit: the first or the last of them, or what is named of them."""
    named = (match[0] for match in _VERSION.finditer(spec.constraint))
    return any(allows(spec, version) for version in (start, f"{start}.999999")) or any(
        starts_with(version, start) or starts_with(start, version) for version in named
    )


def _pip(constraint: str, version: str) -> bool:
    # Loaded here and below, as in `versions`: most files are read without it.
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return SpecifierSet(constraint).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True


def _conda(constraint: str, version: str) -> bool:
    from rattler import Version, VersionSpec
    from rattler.exceptions import InvalidVersionError, InvalidVersionSpecError

    try:
        return bool(VersionSpec(constraint).matches(Version(version)))
    except (InvalidVersionError, InvalidVersionSpecError):
        return True
