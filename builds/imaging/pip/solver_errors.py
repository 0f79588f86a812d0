"""Translate the solver's failures into errors with a way out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from packaging.utils import canonicalize_name

from builds.imaging.access_errors import refused
from builds.imaging.pip.available import advice_for_version, unavailable
from builds.imaging.pip.solver import Solver, requirement_in
from builds.imaging.pip.targets.systems import for_one_system
from builds.imaging.pip.uploads import cutoff_error
from builds.imaging.reporting import ImageError, short_reason
from environments.definition.findings.misnamed import IMPORT_NAMES, OFTEN_MEANT
from environments.definition.packages.conflicts import rows_of, sentence_of, suggestion_of
from environments.definition.packages.misread import why_not
from environments.network.credentials import host_of
from environments.network.masking import masked

_NETWORK = ("Request failed after", "error sending request", "HTTP status server error", "timed out")
_MISSING = re.compile(
    r"(?<![A-Za-z0-9._-])([A-Za-z0-9._-]++) was not found in the (?:package registry|provided package locations)"
)
_NO_VERSION = re.compile(r"there is no version of (\S+?)(?:,| and|$)")
_NO_WHEEL = re.compile(
    r"(?<!\S)(?P<name>[A-Za-z0-9._-]+)(?:\[[^\[\]]*\])?(?:==(?P<version>\S+))? has no (?:usable )?wheels"
)
_EXACT = re.compile(
    r"(?<![A-Za-z0-9._-])(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\[\]]*\])?==(?P<version>[^\s,*]+)"
)
_PYTHON = re.compile(r"(?:the requested|current) Python version")
_REFUSED = re.compile(
    r"(?:An index URL \(\S+\) could not be queried due to[^(]*)?\(?(?P<status>401 Unauthorized|403 Forbidden)"
)
_ADDRESS = re.compile(r"https?://[^\s`)]+")
# The solver's own files.
_FILES = frozenset(
    (
        "requirements.in",
        "alone.in",
        "constraints.txt",
        "present.txt",
        "pins.txt",
        "uv.toml",
        "alone.toml",
        "unlimited.toml",
        "pyproject.toml",
        "pylock.toml",
    )
)
_LINE_AND_COLUMN = re.compile(r"(?::\d{1,9}){1,2}$")
_BEFORE_A_FILE = ("in", "at", "from", "of")

# Names that are in many requirement lists, and in no index.
_NO_PACKAGES = {
    "pkg-resources": "Take the line out: some versions of `pip freeze` add it by mistake.",
    "python": "Python comes with the base image, or as a conda package: choose it there.",
}


def closed(output: str) -> bool:
    """Return whether an index denied access: its packages must not be taken from another index."""
    return _REFUSED.search(output) is not None


def explained(output: str, solver: Solver) -> ImageError:
    """Return the error for what the solver wrote when it gave up; its own explanation is kept."""
    output = "\n".join(line for line in masked(output).splitlines() if not line.startswith("warning:"))
    why = _explanation(output)
    if "No space left on device" in output:
        return ImageError(
            "disk-full", "The studio's disk is full.", "Make room, and build again.", fault="studio"
        )
    if "Couldn't parse requirement" in output or "Unsupported requirement" in output:
        return _unreadable(output, why)
    if (closed := _REFUSED.search(output)) is not None:
        address = _ADDRESS.search(output, closed.start()) or _ADDRESS.search(output)
        return refused("index", address[0] if address else why, status=closed["status"])
    if (error := cutoff_error(output, [name for name, _ in _named(output)], solver)) is not None:
        return error
    if (match := _MISSING.search(output)) is not None:
        return _missing(match[1], solver)
    if any(sign in output for sign in _NETWORK):
        address = _ADDRESS.search(output)
        return ImageError(
            "index-unreachable",
            f"Can't reach the package index {host_of(address[0]) if address else ''} ({short_reason(output)}).",
            "Check the index's address and the studio's network, and build again.",
            fault="outside",
            detail=why,
        )
    if "No solution found" in output:
        return _no_solution(output, why, solver)
    return ImageError(
        "resolve-failed",
        f"The packages could not be resolved: {why}",
        "Change or leave out the requirement that this names.",
        fault="outside",
    )


def _unreadable(output: str, why: str) -> ImageError:
    """Return the error for a requirement that the solver cannot read: it is the line above the solver's mark."""
    lines = output.splitlines()
    marked = next((i for i, line in enumerate(lines) if line.strip() and set(line.strip()) == {"^"}), 0)
    text = lines[marked - 1].strip() if marked else ""
    reason, help = why_not(text) if text else ("", "")
    message = f"“{text[:200]}” is no requirement: {reason}." if text else "A requirement can't be read."
    return ImageError("bad-spec", message, help or "Write it as name==version.", detail=why, subject=text)


def without_files(text: str) -> str:
    """Return the solver's text without the names of its own files, which no definition knows."""
    return "\n".join(_without_files(line) for line in text.split("\n"))


def _without_files(line: str) -> str:
    kept: list[str] = []
    for part in line.split(" "):
        bare = part.strip("`()'\",.;:")
        name = _LINE_AND_COLUMN.sub("", bare).rpartition("/")[2]
        if name not in _FILES and not (name.startswith("pylock") and name.endswith(".toml")):
            kept.append(part if "/resolve-" not in part else "")
            continue
        while kept and kept[-1] in ("", *_BEFORE_A_FILE):
            kept.pop()
    return " ".join(kept)


def _missing(name: str, solver: Solver) -> ImageError:
    if (system := for_one_system(str(canonicalize_name(name)))) is not None:
        return system
    if (own := solver.indexes.own.get(str(canonicalize_name(name)))) is not None:
        # Of an index that denies access, the solver says only that it lacks the package.
        solver.listings.every(str(canonicalize_name(name)))
        return ImageError(
            "package-not-found",
            f"Package {name} was not found in {host_of(own)}, the only index that it may come from.",
            "Check the spelling and the index's address (package_indexes).",
            subject=name,
        )
    help = _NO_PACKAGES.get(name.lower(), "Check the spelling, or add the index that has it.")
    if meant := IMPORT_NAMES["pip"].get(str(canonicalize_name(name))) or OFTEN_MEANT.get(name.lower()):
        help = f"Did you mean {meant}? Or add the index that has {name}."
    return ImageError(
        "package-not-found",
        f"Package {name} was not found.",
        _own_line(name, solver) or help,
        subject=name,
    )


def _no_solution(output: str, why: str, solver: Solver) -> ImageError:
    probe = solver.probe
    for name, version in _named(output):
        if (error := unavailable(name, version, solver.listings.of(name), probe)) is not None:
            return error
    if _PYTHON.search(output):
        return ImageError(
            "no-matching-python",
            f"A package does not run on Python {probe.version}.",
            "Take a base image with another Python, or another version of the package.",
            detail=why,
        )
    missing, unbuilt = _NO_VERSION.search(output), _NO_WHEEL.search(output)
    if missing is not None and "depends on" not in output:
        return _no_version(missing[1], solver)
    if unbuilt is not None and "depends on" not in output:
        what = f"{unbuilt['name']} {unbuilt['version'] or ''}".rstrip(" ,")
        return ImageError(
            "no-matching-distribution",
            f"{what} has no wheel for Python {probe.version} on {probe.platform}.",
            "Pin a version that has one, or take another Python version.",
            subject=str(unbuilt["name"]),
        )
    alone = _from_one_index(output, solver)
    rows = rows_of(why)
    sides = sentence_of(rows)
    return ImageError(
        "conflict",
        f"These requirements conflict: {sides}.{alone}"
        if sides
        else f"These requirements conflict: {why}{alone}",
        suggestion_of(rows) or "Loosen or change one of these versions.",
        detail=why,
    )


def _no_version(wanted: str, solver: Solver) -> ImageError:
    """Return the error for a version that no index has, with where such versions are."""
    named = _EXACT.match(wanted)
    name, version = (named["name"], named["version"]) if named is not None else (_name(wanted), "")
    alone = _from_one_index(wanted, solver)
    help = "Pin a version that is there, or give the address of a wheel."
    if not alone:
        help = _own_line(name, solver) or advice_for_version(name, version)
    return ImageError(
        "no-matching-distribution", f"There is no version {wanted} in the index.{alone}", help, subject=wanted
    )


def _from_one_index(output: str, solver: Solver) -> str:
    """Return a sentence for each package that the solver names and that is taken from a private index alone."""
    wanted = filter(None, map(requirement_in, solver.requirements))
    named = {
        wanted.name
        for wanted in wanted
        if re.search(rf"(?<![\w.-]){re.escape(wanted.name)}(?![\w-])", output)
    }
    indexes = {name: solver.listings.private_index_of(str(canonicalize_name(name))) for name in sorted(named)}
    return "".join(
        f" {name} is taken from {host_of(url)} alone, as that index has it and needs a connection."
        for name, url in indexes.items()
        if url
    )


def _named(output: str) -> list[tuple[str, str]]:
    """Return the packages that the solver has no wheel or no version of, or that it names exactly."""
    unbuilt = [(match["name"], (match["version"] or "").rstrip(",")) for match in _NO_WHEEL.finditer(output)]
    if not unbuilt and "depends on" in output:
        return []
    exact = [(match["name"], match["version"].rstrip(",.")) for match in _EXACT.finditer(output)]
    pairs = [(str(canonicalize_name(name)), version) for name, version in (*unbuilt, *exact)]
    return list(dict.fromkeys(pairs))[:5]


def _own_line(name: str, solver: Solver) -> str:
    """Return what to do with an option beside a requirement that has no effect there; empty for none."""
    option = solver.options.misplaced.get(str(canonicalize_name(name)))
    return f"Put {option} on a line of its own: beside {name} it has no effect, as in pip." if option else ""


def _name(wanted: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", wanted)
    return match[0] if match else wanted


def _explanation(output: str) -> str:
    """Return the solver's reasons in one paragraph."""
    lines: Sequence[str] = [line.strip().removeprefix("cause: ") for line in output.splitlines()]
    reasons = [line for line in lines if line and not line.startswith(("error:", "hint:", "^"))]
    why = " ".join(reasons) or output.strip().removeprefix("error: ")
    return without_files(why).strip()
