"""Whether the Python of an environment is one that the definition is for: checked before anything is fetched for it."""

from __future__ import annotations

from collections.abc import Sequence

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from builds.imaging.bases.probe import Probe
from builds.imaging.reporting import ImageError, Reporter
from environments.definition.packages.pythons import NEWEST, OLDEST, Pythons
from environments.definition.packages.specs import BadSpec, pip_spec
from environments.network.masking import masked


def check_python(version: str, base: str, requires: str, reporter: Reporter) -> None:
    """Raise ImageError if the definition is for other Pythons than this version.

    `base` is the base image that brings it; empty for conda.
    """
    if not requires.strip() or not version:
        return
    try:
        allowed = SpecifierSet(requires)
    except InvalidSpecifier:
        reporter.line(f"Warning: “{masked(requires)[:100]}” are not Python versions: not checked")
        return
    # A base may show its minor version only: any micro version of it may be there.
    possible = (version, f"{version}.99") if version.count(".") == 1 else (version,)
    if not any(allowed.contains(each, prereleases=True) for each in possible):
        raise _other(version, base, f"Python {masked(requires.strip())[:100]}", _nearest(version, allowed))


def check_lines(lines: Sequence[str], probe: Probe, base: str) -> None:
    """Raise ImageError if the lines are a lock for other Pythons: each is exact, and for others than the probe's."""
    markers = []
    for line in lines:
        try:
            spec = pip_spec(line)
        except BadSpec:
            return
        if spec is None:
            continue
        marker = spec.constraint.partition(";")[2].strip()
        if not marker or not (spec.exact or spec.url):
            return
        markers.append(marker)
    if not markers:
        return
    pythons = Pythons("", markers, probe.machine)
    anywhere = 0
    for marker in markers:
        anywhere |= pythons.where(marker)
    if anywhere and not anywhere & pythons.python(probe.version):
        nearest = next((v for v in _near(probe.version) if anywhere & pythons.python(v)), "")
        meant = f"packages that are locked for other Pythons ({pythons.marker(anywhere)[:200]})"
        raise _other(probe.version, base, meant, nearest)


def _other(version: str, base: str, meant: str, nearest: str) -> ImageError:
    such = f", such as Python {nearest}" if nearest else ""
    brings = f"the base image {base} has Python {version}" if base else f"conda brings Python {version}"
    way_out = "Take a base image with" if base else "Name among the conda packages"
    return ImageError(
        "other-python",
        f"The definition is for {meant}, and {brings}.",
        f"{way_out} a Python that it is for{such}; or change the definition for this Python.",
    )


def _nearest(version: str, allowed: SpecifierSet) -> str:
    """Return the allowed minor version that is next to this version; empty if there is none."""
    for minor in _near(version):
        if any(allowed.contains(f"{minor}.{micro}") for micro in range(30)):
            return minor
    return ""


def _near(version: str) -> list[str]:
    own = int(version.split(".")[1])
    return [
        f"3.{minor}" for minor in sorted(range(OLDEST, NEWEST), key=lambda minor: (abs(minor - own), minor))
    ]
