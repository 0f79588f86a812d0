"""Lock files of mamba, in JSON."""

from __future__ import annotations

from environments.definition.findings.result import Draft
from environments.definition.formats.conda.explicit import set_platform
from environments.definition.formats.shapes import list_of, mapping_of, text_of
from environments.definition.packages.locked import CONDA, PIP, LockedPackage
from environments.definition.syntax.text import Placed
from environments.definition.syntax.tree import Mapping, Scalar, Sequence


def recognised(tree: Mapping) -> bool:
    """Whether this mapping is a lock of mamba."""
    return "lockVersion" in tree.entries and isinstance(tree.get("packages"), Mapping)


def read(draft: Draft, mapping: Mapping) -> None:
    """Read the packages of the lock into the draft."""
    platform = text_of(draft, mapping.get("platform"), "platform")
    if platform:
        set_platform(draft, platform, platform)
    for channel in list_of(draft, mapping.get("channels"), "channels"):
        name = text_of(draft, channel, "each of channels")
        if name:
            draft.channels.append(name)
    urls = mapping_of(draft, mapping.get("channelInfo"), "channelInfo")
    holder = mapping_of(draft, mapping.get("packages"), "packages")
    packages = [
        _package(draft, file, mapping_of(draft, node, "each package"), urls, holder.keys[file])
        for file, node in holder.entries.items()
    ]
    for file, node in mapping_of(draft, mapping.get("pipPackages"), "pipPackages").entries.items():
        packages.append(_pip_package(draft, file, mapping_of(draft, node, "each package of pip")))
    if not packages:
        draft.note("empty-lock", mapping)
    draft.packages = tuple(package for package in packages if package is not None)


def _pip_package(draft: Draft, file: str, part: Mapping) -> LockedPackage | None:
    name = text_of(draft, part.get("name"), "pipPackages.name") or Placed(file, part.line, part.column)
    version = text_of(draft, part.get("version"), "pipPackages.version")
    if version is None:
        draft.note("missing-key", part, what="pipPackages.version")
        return None
    draft.pip.append(name.moved(f"{name}=={version}"))
    return LockedPackage(str(name), str(version), PIP)


def _package(draft: Draft, file: str, part: Mapping, urls: Mapping, at: Scalar) -> LockedPackage | None:
    values = {
        key: str(text_of(draft, part.get(key), f"packages.{key}") or "")
        for key in ("name", "version", "build", "subdir", "channel")
    }
    if not values["name"] or not values["version"]:
        draft.note("missing-key", part, what="packages.name and packages.version")
        return None
    digests = mapping_of(draft, part.get("hash"), "packages.hash")
    sha256 = str(text_of(draft, digests.get("sha256"), "packages.hash.sha256") or "")
    md5 = str(text_of(draft, digests.get("md5"), "packages.hash.md5") or "")
    base = f"https://conda.anaconda.org/{values['channel']}"
    info = urls.get(values["channel"])
    if isinstance(info, Sequence) and info.items and isinstance(info.items[0], Mapping):
        base = str(text_of(draft, info.items[0].get("url"), "channelInfo.url") or base)
    url = f"{base.rstrip('/')}/{values['subdir']}/{file}"
    draft.conda.append(Placed(f"{url}#{md5}" if md5 else url, at.line, at.column, draft.file))
    return LockedPackage(
        values["name"], values["version"], CONDA, values["build"], url, values["channel"], values["subdir"],
        sha256, md5,
    )  # fmt: skip
