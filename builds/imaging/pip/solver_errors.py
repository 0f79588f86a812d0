"""Translate the solver's failures into errors with a way out."""

from __future__ import annotations

import re

from builds.imaging.access_errors import refused
from builds.imaging.bases.probe import Probe
from builds.imaging.reporting import ImageError
from environments.network.masking import masked

_NETWORK = ("Request failed after", "error sending request", "HTTP status server error", "timed out")
_MISSING = re.compile(
    r"(?<![A-Za-z0-9._-])([A-Za-z0-9._-]++) was not found in the (?:package registry|provided package locations)"
)
_NO_VERSION = re.compile(r"there is no version of (\S+?)(?:,| and|$)")
_NO_WHEEL = re.compile(r"(?<!\S)(\S++) has no (?:usable )?wheels")
_PYTHON = re.compile(r"(?:the requested|current) Python version")
_REFUSED = re.compile(
    r"(?:An index URL \(\S+\) could not be queried due to[^(]*)?\(?(?P<status>401 Unauthorized|403 Forbidden)"
)
_ADDRESS = re.compile(r"https?://[^\s`)]+")


# Names that are in many requirement lists, and in no index.
_NO_PACKAGES = {
    "pkg-resources": "Take the line out: some versions of `pip freeze` add it by mistake.",
    "python": "Python comes with the base image, or as a conda package: choose it there.",
}


def closed(output: str) -> bool:
    """Return whether an index denied access: its packages must not be taken from another index."""
    return _REFUSED.search(output) is not None


def explained(output: str, probe: Probe) -> ImageError:
    """Return the error for what the solver wrote when it gave up; its own explanation is kept."""
    output = "\n".join(line for line in masked(output).splitlines() if not line.startswith("warning:"))
    why = _explanation(output)
    if "No space left on device" in output:
        return ImageError(
            "disk-full", "The studio's disk is full.", "Make room, and build again.", fault="studio"
        )
    if "Couldn't parse requirement" in output or "Unsupported requirement" in output:
        return ImageError("bad-spec", f"A requirement cannot be read: {why}", "Write it as name==version.")
    if (closed := _REFUSED.search(output)) is not None:
        address = _ADDRESS.search(output, closed.start()) or _ADDRESS.search(output)
        return refused("index", address[0] if address else why, status=closed["status"])
    if (match := _MISSING.search(output)) is not None:
        help = _NO_PACKAGES.get(match[1].lower(), "Check the spelling, or add the index that has it.")
        return ImageError("package-not-found", f"There is no package {match[1]} in the index.", help)
    if any(sign in output for sign in _NETWORK):
        address = _ADDRESS.search(output)
        return ImageError(
            "index-unreachable",
            f"The package index cannot be reached: {address[0] if address else why}",
            "Check the index's address and the studio's network, and build again.",
            fault="outside",
        )
    if "No solution found" in output:
        return _no_solution(output, why, probe)
    return ImageError("resolve-failed", f"The packages could not be resolved: {why}", fault="outside")


def _no_solution(output: str, why: str, probe: Probe) -> ImageError:
    if _PYTHON.search(output):
        return ImageError(
            "no-matching-python",
            f"A package does not run on Python {probe.version}: {why}",
            "Take a base image with another Python, or another version of the package.",
        )
    missing, unbuilt = _NO_VERSION.search(output), _NO_WHEEL.search(output)
    if missing is not None and "depends on" not in output:
        return ImageError(
            "no-matching-distribution",
            f"There is no version {missing[1]} in the index.",
            "Pin a version that exists.",
        )
    if unbuilt is not None and "depends on" not in output:
        return ImageError(
            "no-matching-distribution",
            f"{unbuilt[1]} has no wheel for Python {probe.version} on {probe.platform}.",
            "Pin a version that has one, or take another Python version.",
        )
    return ImageError(
        "conflict",
        f"The requirements contradict one another: {why}",
        "Loosen or change one of the versions named.",
    )


def _explanation(output: str) -> str:
    """Return the solver's reasons in one paragraph."""
    lines = [line.strip().removeprefix("cause: ") for line in output.splitlines()]
    reasons = [line for line in lines if line and not line.startswith(("error:", "hint:", "^"))]
    return " ".join(reasons) or output.strip().removeprefix("error: ")
