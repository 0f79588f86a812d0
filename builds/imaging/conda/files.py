"""Fetched conda packages, and their JSON form for a worker."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from builds.imaging.files import WheelFile
from builds.imaging.reporting import ImageError


@dataclass(frozen=True, slots=True)
class CondaFile(WheelFile):
    """A fetched conda package, where the lock says it is from, and for which platform it is.

    `aside` are its paths that another package's take the place of.
    """

    url: str
    channel: str
    subdir: str
    aside: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON for a worker."""
        own = {"url": self.url, "channel": self.channel, "subdir": self.subdir, "aside": self.aside}
        return {**WheelFile.as_json(self), **own}


def python_minor(python: CondaFile | None) -> tuple[int, int]:
    """Return major and minor version of the environment's Python; zeros where there is none."""
    if python is None:
        return 0, 0
    matched = re.match(r"(\d{1,3})\.(\d{1,3})(?!\d)", python.version, re.ASCII)
    if matched is None:
        raise ImageError(
            "python-unfit",
            f"“{python.version[:50]}” is not a version of Python.",
            "Take Python from another channel, or pin another version of it.",
        )
    return int(matched[1]), int(matched[2])


def wants_to_run(file: WheelFile) -> ImageError:
    """Return the error for a package whose script would have to run where it is unpacked."""
    return ImageError(
        "pre-link-script",
        f"The conda package {file.name} {file.version} has a pre-link script, which would have to run"
        " before it is installed. Nothing of a package runs on the studio's machine.",
        "Leave the package out, take it from the package index, or install it in a Dockerfile.",
    )
