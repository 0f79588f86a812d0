"""Match the platform of an image with the wanted platform."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from builds.imaging.reporting import ImageError

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def of_this_machine() -> str:
    """Return the platform whose programs run on this machine, such as "linux/amd64"."""
    machine = platform.machine()
    return f"linux/{_ARCHITECTURES.get(machine, machine)}"


def named(described: Mapping[str, Any]) -> str:
    """Return the platform that an index or a config tells, such as "linux/amd64"."""
    return f"{described.get('os', '')}/{described.get('architecture', '')}"


def fits(described: Mapping[str, Any], platform: str) -> bool:
    """Return whether that is the wanted platform. A variant ("linux/arm64/v8") is not looked at."""
    return named(described).split("/") == platform.split("/")[:2]


def refuse_other(shown: str, config: Mapping[str, Any], platform: str) -> None:
    """Refuse an image whose config names another platform than the wanted one. Raises ImageError."""
    if config.get("os") and config.get("architecture") and not fits(config, platform):
        raise ImageError(
            "base-not-found",
            f"The base image {shown} is made for {named(config)}, not for {platform}.",
            "Take another base image, or another platform.",
        )
