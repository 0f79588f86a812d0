"""The confined process that reads base images: layer by layer, then what they tell."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import Any

from builds.imaging.bases.installed import packages_in, release_in
from builds.imaging.bases.tree import Tree, described, opened
from builds.imaging.child_process import answer_requests
from builds.imaging.reporting import Quiet


def main() -> None:
    """Answer until stdin ends."""
    answer_requests(_Reading().answer)


class _Reading:
    """One image, as far as it has been read."""

    def __init__(self) -> None:
        self._tree = Tree()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "begin":
                self._tree = Tree(names_only=request["names_only"])
            case "layer":
                with opened(Path(request["path"]), request["digest"], Quiet()) as archive:
                    self._tree.add(archive, Quiet())
            case "probe":
                release, packages = release_in(self._tree.status), packages_in(self._tree.status)
                # A distribution that a Debian package brought is patched without another version: that package's advisories count.
                installed = self._tree.distributions.installed(owned=bool(release and packages))
                return described(self._tree, request["config"]).model_dump() | {
                    "release": release,
                    "packages": packages,
                    "installed": [astuple(package) for package in installed],
                }
            case "find":
                return {"file": self._tree.real(request["path"]) in self._tree.files}
        return {}


if __name__ == "__main__":
    main()
