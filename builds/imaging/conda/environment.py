"""Resolve match specifications and pip requirements to a lock: conda first, pip for conda's Python."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from builds.confinement.confine import Confinement
from builds.imaging import egress
from builds.imaging.bases.model import Base
from builds.imaging.channels import Channels, channels_of, proofs
from builds.imaging.conda.files import wants_to_run
from builds.imaging.conda.virtual import cpu_build_warnings, virtual_packages
from builds.imaging.conda.workers import conda_worker, read_contents
from builds.imaging.cutoffs.limits import NO_LIMITS, Limits
from builds.imaging.cutoffs.messages import bounded
from builds.imaging.download.fetch import fetch_conda
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.packing.wheel import PREFIX
from builds.imaging.pip.lines.requirement import checked
from builds.imaging.pip.resolve import resolve
from builds.imaging.pip.targets.beside import Beside
from builds.imaging.pip.targets.pythons import check_python
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop
from environments.definition.model import Target

TIMEOUT_SECONDS = 600.0
PLATFORMS = {"amd64": "linux-64", "arm64": "linux-aarch64"}
_ANY = Target()


def resolve_environment(
    base: Base,
    channels: Sequence[str],
    conda: Sequence[str],
    pip: Sequence[str],
    workshop: Workshop,
    reporter: Reporter,
    previous: Lock | None = None,
    target: Target = _ANY,
    *,
    requires_python: str = "",
    limits: Limits = NO_LIMITS,
    package_indexes: Mapping[str, str] | None = None,
    beside: Beside | None = None,
) -> Lock:
    """Return the exact conda and pip packages for a target, at the versions of `previous` where they fit.

    Only what was uploaded early enough for `limits` is used; `package_indexes` are those of pip packages. What conda
    installed counts as installed for pip too: at that very version, and not once more. `requires_python` are the
    Pythons that the definition is for.
    """
    platform_of(base)
    where = channels_of(channels, conda, workshop.channel_mirrors, reporter, folders=workshop.file_channels)
    packages, warnings, skipped = _solve(base, where, conda, workshop, reporter, previous, target, limits)
    lock = Lock(
        platform=base.probe.platform,
        base_digest=base.digest,
        packages=packages,
        warnings=tuple(warnings),
        cutoff=limits.recorded(),
        skipped=bounded(skipped),
    )
    python = lock.named("python", "conda")
    lock = lock.model_copy(update={"python": python.version if python else ""})
    check_python(lock.python, "", requires_python, reporter)
    if not any(not line.startswith("-") for line in checked(pip)):
        return lock
    resolve_pip = partial(resolve, limits=limits, package_indexes=package_indexes, beside=beside)
    return _with_pip(base, lock, pip, workshop, reporter, previous, resolve_pip)


def platform_of(base: Base) -> str:
    """Return conda's name for the base's platform; refuse a base on which its packages cannot run."""
    probe = base.probe
    if probe.libc != "glibc":
        has = "musl" if probe.libc == "musl" else "no"
        raise ImageError(
            "base-unfit",
            f"Conda packages need glibc, and the base image {base.reference} has {has} C library.",
            "Take a base image of Debian, Ubuntu or Red Hat's family.",
        )
    if probe.architecture not in PLATFORMS:
        raise ImageError(
            "base-unfit",
            f"There are no conda packages for the base image's architecture, {probe.architecture}.",
            "Take a base image for amd64 or arm64.",
        )
    return PLATFORMS[probe.architecture]


def _solve(
    base: Base,
    channels: Channels,
    specs: Sequence[str],
    workshop: Workshop,
    reporter: Reporter,
    previous: Lock | None,
    target: Target,
    limits: Limits,
) -> tuple[tuple[LockedPackage, ...], list[str], list[str]]:
    """Return the packages of conda, what to warn of, and what was uploaded too late."""
    egress.check(channels.effective_urls(), workshop.reach, reporter, "channel")
    began = time.monotonic()
    before = [p for p in previous.packages if p.kind == "conda"] if previous else []
    virtual = virtual_packages(base.probe, target, reporter)
    platform = platform_of(base)
    question: dict[str, Any] = {
        "do": "solve",
        "cache": str(workshop.folder(f"conda/{_apart(channels, workshop)}").absolute()),
        "proofs": proofs(channels.effective_urls(), workshop),
        "channels": channels.effective_urls(),
        "platform": platform,
        "specs": [channels.spec(spec) for spec in specs],
        "virtual": [(package.name, package.version, package.build) for package in virtual],
        "keep": [package.sha256 for package in before],
        "keep_names": sorted({package.name for package in before}),
        # Another platform has other files of the same versions.
        "keep_versions": [
            [p.name, p.version, p.build] for p in before if p.subdir not in ("noarch", platform)
        ],
        "limits": limits.to_json(),
        "official": dict(zip(channels.effective_urls(), channels.urls, strict=True)),
    }
    reporter.line(f"Asking {', '.join(channels.urls)}")
    answer = _answer(question, channels, workshop, reporter)
    _refuse_other_pythons(answer["records"])
    packages = _locked(answer["records"], set(answer["requested"]), channels)
    for package in packages:
        reporter.line(
            f"  {package.name} {package.version} {package.build}"
            + ("" if package.requested else "  (dependency)")
        )
    for sentence in bounded(answer["skipped"]):
        reporter.line(f"  {sentence}")
    warnings = cpu_build_warnings(answer["cpu_builds"], virtual)
    for warning in warnings:
        reporter.line(f"Warning: {warning}")
    reporter.line(f"Resolved {len(packages)} conda packages in {time.monotonic() - began:.1f} s")
    return packages, warnings, answer["skipped"]


def _file_channels(channels: Channels) -> tuple[Path, ...]:
    """Return the folders of this machine that are channels."""
    addresses = map(urlsplit, channels.effective_urls())
    return tuple(Path(unquote(address.path)) for address in addresses if address.scheme == "file")


def _answer(
    question: dict[str, Any], channels: Channels, workshop: Workshop, reporter: Reporter
) -> dict[str, Any]:
    """Return rattler's answer; a refusal on the way is the error, not rattler's guess."""
    cache = (Path(question["cache"]),)
    with egress.way_out(workshop, reporter) as way_out:
        confinement = Confinement(reads=_file_channels(channels), writes=cache, network=(way_out.port,))
        with conda_worker(confinement, way_out.environment({})) as worker:
            try:
                return worker.ask(question, way_out, timeout=TIMEOUT_SECONDS, late=_late())
            finally:
                way_out.check()


def _late() -> ImageError:
    return ImageError(
        "timeout",
        f"No set of conda packages was found within {TIMEOUT_SECONDS:.0f} seconds.",
        "Build again; if it happens again, pin more packages so that there is less to try.",
        fault="outside",
    )


def _apart(channels: Channels, workshop: Workshop) -> str:
    private = workshop.private("channel", channels.effective_urls())
    return f"channels-{private}" if private else "channels"


def _refuse_other_pythons(records: Sequence[dict[str, Any]]) -> None:
    for record in records:
        minor = ".".join(record["version"].split(".")[:2])
        usual = record["modules"] in ("", f"lib/python{minor}/site-packages")
        if record["name"] == "python" and (not usual or "pypy" in record["build"]):
            raise ImageError(
                "python-unfit",
                f"python {record['version']} {record['build']} is not the usual CPython with its global lock;"
                " the studio does not know where modules belong in it.",
                "Request python with a build such as *_cpython.",
            )


def _locked(
    records: Sequence[dict[str, Any]], requested: set[str], channels: Channels
) -> tuple[LockedPackage, ...]:
    needs = {record["name"]: set(record["needs"]) for record in records}
    return tuple(
        LockedPackage(
            ecosystem="conda",
            kind="conda",
            name=record["name"],
            version=record["version"],
            build=record["build"],
            subdir=record["subdir"],
            channel=channels.official(record["channel"]),
            url=channels.official(record["url"]),
            sha256=_sha256(record),
            md5=record["md5"],
            size=record["size"],
            filename=record["filename"],
            requested=record["name"] in requested,
            needed_by=tuple(sorted(name for name, wanted in needs.items() if record["name"] in wanted)),
        )
        for record in sorted(records, key=lambda record: str(record["name"]))
    )


def _sha256(record: dict[str, Any]) -> str:
    if record["sha256"]:
        return str(record["sha256"])
    raise ImageError(
        "no-checksum",
        f"The channel gives no sha256 for {record['filename']}, so it could not be locked.",
        "Use a channel whose index is up to date.",
        fault="outside",
    )


def _with_pip(
    base: Base,
    lock: Lock,
    pip: Sequence[str],
    workshop: Workshop,
    reporter: Reporter,
    previous: Lock | None,
    resolve_pip: Callable[..., Lock],
) -> Lock:
    if not lock.python:
        raise ImageError(
            "no-python",
            "The conda packages bring no Python, so that pip packages cannot be put on top.",
            "Add python to the conda packages, in the version that you want.",
        )
    files, _ = fetch_conda(lock, workshop, reporter)
    brought = {}
    for file, about in read_contents(files, reporter):
        if about.pre_link:
            raise wants_to_run(file)
        brought[file.sha256] = about.distributions
    packages = tuple(
        package.model_copy(update={"distributions": brought[package.sha256]}) for package in lock.packages
    )
    probe = base.probe.model_copy(update={"python": f"/{PREFIX}/bin/python", "version": lock.python})
    present = dict(_distribution(text) for result in brought.values() for text in result)
    onto = replace(base, probe=probe)
    try:
        resolved = resolve_pip(onto, pip, workshop, reporter, previous=previous, present=present)
    except ImageError as error:
        raise _both(error, present) from error
    more = {"packages": (*packages, *resolved.packages), "warnings": (*lock.warnings, *resolved.warnings)}
    return lock.model_copy(update={**more, "skipped": bounded((*lock.skipped, *resolved.skipped))})


def _both(error: ImageError, present: Mapping[str, str]) -> ImageError:
    """Return the error, which names the packages that conda installed if pip conflicts with them."""
    named = [name for name in present if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", error.message)]
    if error.code not in ("conflict", "no-matching-distribution") or not named:
        return error
    which = ", ".join(f"{name} {present[name]}" for name in sorted(named))
    return ImageError(
        "conflict",
        f"{error.message} Conda installed {which}.",
        "Request a package from conda or pip, not both; or loosen one of the versions.",
    )


def _distribution(text: str) -> tuple[str, str]:
    name, _, version = text.partition("==")
    return str(canonicalize_name(name)), version
