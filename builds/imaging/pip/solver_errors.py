"""What the solver says when it fails, as an error that tells what to do."""

from __future__ import annotations

import re

from builds.images.probe import Probe
from builds.images.refusals import refused
from builds.images.report import ImageError
from builds.images.requirement import masked

_NETWORK = ("Request failed after", "error sending request", "dns error", "tcp connect error", "timed out")
_NOT_FOUND = re.compile(
    r"([A-Za-z0-9._-]+) was not found in the (?:package registry|provided package locations)"
)
_NO_VERSION = re.compile(r"there is no version of (\S+?)(?:,| and|$)")
_NO_WHEEL = re.compile(r"(\S+?) has no (?:usable )?wheels")
_PYTHON = re.compile(r"(?:the requested|current) Python version")
_REFUSED = re.compile(
    r"(?:An index URL \(\S+\) could not be queried due to[^(]*)?\(?(?P<status>401 Unauthorized|403 Forbidden)"
)
_ADDRESS = re.compile(r"https?://[^\s`)]+")


# What stands in many lists, and is in no index.
_NO_PACKAGES = {
    "pkg-resources": "Take the line out: some versions of `pip freeze` add it by mistake.",
    "python": "Python comes with the base image, or as a conda package: choose it there.",
}


def closed(said: str) -> bool:
    """Tell whether an index did not let the solver in: what it has must not be taken from another one."""
    return _REFUSED.search(said) is not None


def explained(said: str, probe: Probe) -> ImageError:
    """Return the error for what the solver wrote when it gave up; its own explanation is kept."""
    said = "\n".join(line for line in masked(said).splitlines() if not line.startswith("warning:"))
    why = _explanation(said)
    if "No space left on device" in said:
        return ImageError(
            "disk-full", "The studio's disk is full.", "Make room, and build again.", fault="studio"
        )
    if "Couldn't parse requirement" in said or "Unsupported requirement" in said:
        return ImageError("bad-spec", f"A requirement cannot be read: {why}", "Write it as name==version.")
    if (closed := _REFUSED.search(said)) is not None:
        address = _ADDRESS.search(said, closed.start()) or _ADDRESS.search(said)
        return refused("index", address[0] if address else why, status=closed["status"])
    if (found := _NOT_FOUND.search(said)) is not None:
        help = _NO_PACKAGES.get(found[1].lower(), "Check the spelling, or add the index that has it.")
        return ImageError("package-not-found", f"There is no package {found[1]} in the index.", help)
    if any(sign in said for sign in _NETWORK):
        address = _ADDRESS.search(said)
        return ImageError(
            "index-unreachable",
            f"The package index cannot be reached: {address[0] if address else why}",
            "Check the index's address and the studio's network, and build again.",
            fault="outside",
        )
    if "No solution found" in said:
        return _no_solution(said, why, probe)
    return ImageError("resolve-failed", f"The packages could not be resolved: {why}", fault="outside")


def _no_solution(said: str, why: str, probe: Probe) -> ImageError:
    if _PYTHON.search(said):
        return ImageError(
            "no-matching-python",
            f"A package does not run on Python {probe.version}: {why}",
            "Take a base image with another Python, or another version of the package.",
        )
    missing, unbuilt = _NO_VERSION.search(said), _NO_WHEEL.search(said)
    if missing is not None and "depends on" not in said:
        return ImageError(
            "no-matching-distribution",
            f"There is no version {missing[1]} in the index.",
            "Pin a version that exists.",
        )
    if unbuilt is not None and "depends on" not in said:
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


def _explanation(said: str) -> str:
    """Return the solver's reasons in one paragraph."""
    lines = [line.strip().removeprefix("cause: ") for line in said.splitlines()]
    reasons = [line for line in lines if line and not line.startswith(("error:", "hint:", "^"))]
    return " ".join(reasons) or said.strip().removeprefix("error: ")
