"""Read what a conda package says of itself, without installing any of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from builds.imaging.conda.package.metadata import Metadata, MetadataFiles
from builds.imaging.conda.package.reading import members
from builds.imaging.files import WheelFile

_DIST = re.compile(r"(?:^|/)site-packages/(?P<name>[A-Za-z0-9._]+?)-(?P<version>[^-/]+)\.dist-info/METADATA$")
_EGG = re.compile(
    r"(?:^|/)site-packages/(?P<name>[A-Za-z0-9._]+?)-(?P<version>[^-/]+)(?:-py[\d.]+)?\.egg-info(?:/PKG-INFO)?$"
)


@dataclass(frozen=True, slots=True)
class Contents:
    """A package's metadata: `index` as the channel lists it, and the paths that it installs."""

    index: dict[str, Any]
    paths: tuple[str, ...]

    @property
    def noarch_python(self) -> bool:
        """Whether its files go into the site-packages of the environment's Python."""
        return self.index.get("noarch") == "python"

    @property
    def post_link(self) -> bool:
        """Whether it has a script that wants to run once the package is installed."""
        return f"bin/.{self.index.get('name', '')}-post-link.sh" in self.paths

    @property
    def pre_link(self) -> bool:
        """Whether it has a script that wants to run before the package is installed."""
        return f"bin/.{self.index.get('name', '')}-pre-link.sh" in self.paths

    @property
    def distributions(self) -> tuple[str, ...]:
        """Return what pip would list of it, as name==version."""
        result = (_DIST.search(path) or _EGG.search(path) for path in self.paths)
        return tuple(sorted({f"{hit['name']}=={hit['version']}" for hit in result if hit}))


def contents(file: WheelFile) -> Contents:
    """Return what the package says of itself."""
    info = MetadataFiles(file)
    for member in members(file, only_info=True):
        if member.metadata:
            info.take(member)
        if info.enough:
            break
    return contents_of(info.parsed())


def contents_of(metadata: Metadata) -> Contents:
    """Return the contents that checked metadata describes."""
    return Contents(metadata.index, tuple(metadata.paths))
