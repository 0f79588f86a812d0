"""An image's lock in other tools' formats: its exact packages, for installing and auditing."""

from collections import defaultdict

from builds.imaging.lock import Lock
from environments.definition.packages.locked import PLATFORMS, LockedPackage
from environments.definition.writing.write import CannotWrite, write_lock

# Format -> (file name, media type).
FORMATS = {
    "pylock": ("pylock.toml", "application/toml"),
    "requirements": ("requirements.txt", "text/plain"),
    "conda-lock": ("conda-lock.yml", "application/yaml"),
    "conda-explicit": ("conda-explicit.txt", "text/plain"),
    "cyclonedx": ("bom.cdx.json", "application/vnd.cyclonedx+json"),
    "spdx": ("bom.spdx.json", "application/spdx+json"),
}


def lock_as(lock: Lock, format: str, name: str) -> str:
    """Return an image's lock in one of FORMATS. Raises CannotWrite if the format cannot express it."""
    if format == "requirements":
        return _requirements(lock)
    return write_lock(
        locked_packages(lock, md5=format == "conda-lock"), format, platform=_platform(lock), name=name
    )


def _platform(lock: Lock) -> str:
    of_conda = (PLATFORMS[package.subdir] for package in lock.packages if package.subdir in PLATFORMS)
    return next(of_conda, "linux/arm64" if lock.platform.endswith("aarch64") else "linux/amd64")


def _requirements(lock: Lock) -> str:
    other = next((package for package in lock.packages if package.ecosystem != "pypi"), None)
    if other is not None:
        raise CannotWrite(f"requirements has no place for {other.ecosystem} packages such as {other.name}")
    return "".join(sorted(f"{package.name}=={package.version}\n" for package in lock.packages))


def formats_for(lock: Lock) -> list[str]:
    """Return the formats that can express this lock."""
    kinds = {package.ecosystem for package in lock.packages}
    only = {"pylock": {"pypi"}, "requirements": {"pypi"}, "conda-explicit": {"conda"}}
    formats = [format for format in FORMATS if kinds and kinds <= only.get(format, kinds)]
    if "conda" not in kinds or without_md5(lock):
        formats = [format for format in formats if format != "conda-lock"]
    return formats


def without_md5(lock: Lock) -> str:
    """Return the conda package that keeps a lock from being written for conda-lock, which demands MD5; empty for none."""
    packages = (package for package in lock.packages if package.ecosystem == "conda" and not package.md5)
    return next((package.name for package in packages), "")


def locked_packages(lock: Lock, *, md5: bool = False) -> tuple[LockedPackage, ...]:
    """Return the packages as the readers and writers of definitions know them; with MD5 only for formats that demand it."""
    requires: dict[str, list[str]] = defaultdict(list)
    for package in lock.packages:
        for needing in package.needed_by:
            requires[needing].append(package.name)
    return tuple(
        LockedPackage(
            package.name,
            package.version,
            "conda" if package.ecosystem == "conda" else "pip",
            build=package.build,
            url=package.url,
            channel=package.channel,
            subdir=package.subdir,
            sha256=package.sha256,
            md5=package.md5 if md5 else "",
            size=package.size or None,
            requested=package.requested,
            license=package.license,
            requires=tuple(requires[package.name]),
        )
        for package in lock.packages
    )
