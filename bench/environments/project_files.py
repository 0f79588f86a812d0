"""Readings of real project files, beside the truth: `python -m bench.environments.project_files FOLDER [PATH-PART…]`.

The folder holds `index.csv` (files and their kinds) and `truth.json`, which an independent tool wrote: the packages of
each lock on Linux x86-64 for one Python, the names that a manifest requests, or that there is nothing to read.
Prints a line for each file that falls short, then a table by kind.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from environments.definition import Definition, Reading, read_path
from environments.definition.packages.locked import from_conda_url
from environments.definition.packages.specs import BadSpec, conda_spec

SLOW_SECONDS = 1.0


@dataclass
class Kind:
    """The figures of one kind of file."""

    files: int = 0
    as_expected: int = 0
    right: int = 0
    expected: int = 0
    times: list[float] = field(default_factory=list)


def listed(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the kind and path of each file."""
    with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["kind"], row["file"]


def packages_of(definition: Definition, python: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return names and versions from conda and from pip, as a build on this Python would take them."""
    conda = {}
    for spec in definition.python.conda:
        try:
            read = from_conda_url(spec) if "://" in spec else None
            name, version = (read.name, read.version) if read else _named(spec)
        except BadSpec:
            continue
        conda[name] = version
    pip: dict[str, str] = {}
    for line in definition.python.pip:
        requirement = _requirement(line)
        if requirement is None or (requirement.marker is not None and not _holds(requirement.marker, python)):
            continue
        exact = [part.version for part in requirement.specifier if part.operator in ("==", "===")]
        pip[canonicalize_name(requirement.name)] = exact[0] if exact else requirement.url or ""
    return conda, pip


def _named(spec: str) -> tuple[str, str]:
    parsed = conda_spec(spec)
    return parsed.name, parsed.exact


def _requirement(line: str) -> Requirement | None:
    if line.startswith("-"):
        return None
    try:
        return Requirement(line.partition(" --")[0])
    except InvalidRequirement:
        return None


def _holds(marker: Marker, python: str) -> bool:
    return marker.evaluate(
        {
            "python_version": python,
            "python_full_version": f"{python}.0",
            "sys_platform": "linux",
            "platform_machine": "x86_64",
            "platform_system": "Linux",
            "os_name": "posix",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }
    )


def compare(truth: Mapping[str, Any], reading: Reading) -> tuple[bool, int, int, str]:
    """Return whether the file was read as expected, how many packages are right, of how many, and what is not."""
    if "cannot" in truth:
        return not reading.accepted, 0, 0, "" if not reading.accepted else "accepted; it requests nothing"
    definition = reading.definition
    if definition is None:
        wanted = len(truth.get("packages", {})) + len(truth.get("conda", {}))
        return False, 0, wanted, "; ".join(error.message for error in reading.errors)[:200]
    conda, pip = packages_of(definition, truth.get("python", "3.11"))
    if "asks" in truth:
        requested = conda if truth["kind"] == "conda-env" else {**conda, **pip}
        names = {canonicalize_name(name) for name in requested}
        missing = {canonicalize_name(name) for name in truth["asks"]} ^ names
        # pixi takes `requires-python` for a request, and the truth does not.
        missing -= {"python"} if truth["kind"] == "pyproject-pixi" and "python" in names else set()
        return not missing, 0, 0, f"names that differ: {sorted(missing)[:12]}" if missing else ""
    return _compare_lock(truth, conda, pip)


def _compare_lock(
    truth: Mapping[str, Any], conda: Mapping[str, str], pip: Mapping[str, str]
) -> tuple[bool, int, int, str]:
    wrong = []
    for expected, read in ((truth.get("conda", {}), conda), (truth.get("packages", {}), pip)):
        for name, version in expected.items():
            if read.get(name) != version and not _is_direct(read.get(name, ""), name, version, truth):
                wrong.append(f"{name} {version} (read: {read.get(name)})")
    direct = {canonicalize_name(name) for name in truth.get("direct", {})}
    more = {*conda, *pip} - {*truth.get("conda", {}), *truth.get("packages", {})} - direct
    wrong += [f"{name} is not expected" for name in sorted(more)]
    total = len(truth.get("packages", {})) + len(truth.get("conda", {}))
    return True, max(0, total - len(wrong)), total, ", ".join(wrong[:8])


def _is_direct(read: str, name: str, version: str, truth: Mapping[str, Any]) -> bool:
    """Return whether a package was read as the repository that it is from, or as its wheel's address."""
    if read.startswith("git+"):
        commit = str(truth.get("direct", {}).get(name, "")).rpartition("#")[2]
        return bool(commit) and commit in read
    return f"/{name.replace('-', '_')}-{version}-" in read.lower()


def main(folder: Path, parts: list[str]) -> None:
    """Print the report."""
    truths = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    kinds: dict[str, Kind] = defaultdict(Kind)
    for kind, name in listed(folder):
        if name not in truths or not all(part in name for part in parts):
            continue
        started = time.perf_counter()
        reading = read_path(folder / name)
        seconds = time.perf_counter() - started
        as_expected, right, expected, what = compare(truths[name], reading)
        row = kinds[kind]
        row.files += 1
        row.as_expected += as_expected
        row.right += right
        row.expected += expected
        row.times.append(seconds)
        if what or seconds > SLOW_SECONDS:
            print(f"{name} ({reading.format}, {seconds:.2f} s): {what}")
    _table(kinds)


def _table(kinds: Mapping[str, Kind]) -> None:
    print(f"\n{'kind':<26}{'files':>6}{'as expected':>13}{'packages right':>20}{'slowest':>10}")
    rows = [*sorted(kinds.items()), ("all", _sum(kinds.values()))]
    for name, kind in rows:
        share = f"{kind.right}/{kind.expected}" if kind.expected else "-"
        print(
            f"{name:<26}{kind.files:>6}{kind.as_expected:>13}{share:>20}{max(kind.times, default=0):>8.2f} s"
        )


def _sum(kinds: Any) -> Kind:
    total = Kind()
    for kind in kinds:
        total.files += kind.files
        total.as_expected += kind.as_expected
        total.right += kind.right
        total.expected += kind.expected
        total.times += kind.times
    return total


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
