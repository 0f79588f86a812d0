"""The solver's names for the platforms of bases."""

from __future__ import annotations

from builds.imaging.bases.probe import Probe
from builds.imaging.reporting import ImageError

# Platforms that uv has names for.
_ARCHITECTURES = ("amd64", "arm64", "ppc64le", "s390x")
_ON_MUSL = ("x86_64", "aarch64")
_NEWEST_GLIBC = 40  # the newest 2.x that uv has a name for


def uv_platform(probe: Probe) -> str:
    """Return uv's name for the newest platform whose wheels run on this base. Raises ImageError for none."""
    if probe.architecture not in _ARCHITECTURES or (probe.libc == "musl" and probe.machine not in _ON_MUSL):
        raise ImageError(
            "base-unfit",
            f"Packages cannot be put on a base image for {probe.architecture} with"
            f" {'musl' if probe.libc == 'musl' else 'glibc'}.",
            "Take a base image for amd64 or arm64, or install the packages in a Dockerfile.",
        )
    if probe.libc == "musl":
        return f"{probe.machine}-unknown-linux-musl"
    major, minor, *_ = (int(part) for part in (probe.libc_version or "2.17").split("."))
    if major != 2 or minor < 17:
        raise ImageError(
            "base-too-old",
            f"The base image's C library, glibc {probe.libc_version}, is too old for today's packages.",
            "Take a base image with glibc 2.17 or newer.",
        )
    known = [17, 28, *range(31, _NEWEST_GLIBC + 1)]
    return f"{probe.machine}-manylinux_2_{max(version for version in known if version <= minor)}"
