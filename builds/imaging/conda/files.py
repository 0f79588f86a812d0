"""Fetched conda packages, and what a worker is told of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builds.images.report import ImageError
from builds.images.segment import WheelFile


@dataclass(frozen=True, slots=True)
class CondaFile(WheelFile):
    """A fetched conda package, where the lock says it is from, and for which platform it is."""

    url: str
    channel: str
    subdir: str

    def told(self) -> dict[str, Any]:
        """Return it as JSON for a worker."""
        told = {name: getattr(self, name) for name in ("name", "version", "sha256", "size")}
        told |= {name: getattr(self, name) for name in ("url", "channel", "subdir")}
        return told | {"path": str(self.path.absolute())}


def conda_file(told: dict[str, Any]) -> CondaFile:
    """Return what `told` told."""
    return CondaFile(**{**told, "path": Path(told["path"])})


def python_minor(python: CondaFile | None) -> tuple[int, int]:
    """Return major and minor version of the environment's Python; zeros where there is none."""
    if python is None:
        return 0, 0
    major, minor, *_ = python.version.split(".")
    return int(major), int(minor)


def wants_to_run(file: WheelFile) -> ImageError:
    """Return the error for a package whose script would have to run where it is unpacked."""
    return ImageError(
        "pre-link-script",
        f"The conda package {file.name} {file.version} has a pre-link script, which would have to run"
        " before it is installed. Nothing of a package runs on the studio's machine.",
        "Leave the package out, take it from the package index, or install it in a Dockerfile.",
    )
