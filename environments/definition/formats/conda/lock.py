"""Lock files of conda-lock (YAML) and of mamba (JSON), which hold packages of conda and of pip."""

from __future__ import annotations

from environments.definition.findings.result import Draft
from environments.definition.formats.conda.explicit import set_platform
from environments.definition.formats.shapes import list_of, mapping_of, text_of
from environments.definition.formats.source import Source
from environments.definition.packages.locked import CONDA, PIP, SUBDIRS, LockedPackage
from environments.definition.syntax.text import Placed
from environments.definition.syntax.tree import Mapping, Scalar, Sequence, Tree

FORMAT = "conda-lock"


def recognised(tree: Mapping) -> bool:
    """Whether this mapping is a lock of conda-lock or of mamba."""
    conda_lock = isinstance(tree.get("package"), Sequence) and "metadata" in tree.entries
    mamba = "lockVersion" in tree.entries and isinstance(tree.get("packages"), Mapping)
    return conda_lock or mamba


def read(draft: Draft, tree: Tree | None, source: Source) -> None:
    """Read the packages of one platform into the draft: linux-64, or the first where it is not there."""
    draft.locked = True
    mapping = mapping_of(draft, tree, "the lock")
    if "lockVersion" in mapping.entries:
        _read_mamba(draft, mapping)
    else:
        _read_conda_lock(draft, mapping)
    draft.has_pip_section = bool(draft.pip)


def _read_conda_lock(draft: Draft, mapping: Mapping) -> None:
    metadata = mapping_of(draft, mapping.get("metadata"), "metadata")
    for channel in list_of(draft, metadata.get("channels"), "metadata.channels"):
        inner = channel.get("url") if isinstance(channel, Mapping) else channel
        url = text_of(draft, inner, "metadata.channels")
        if url:
            draft.channels.append(url)
    by_platform: dict[str, list[Mapping]] = {}
    for item in list_of(draft, mapping.get("package"), "package"):
        part = mapping_of(draft, item, "each package")
        platform = text_of(draft, part.get("platform"), "package.platform") or ""
        by_platform.setdefault(str(platform), []).append(part)
    platform = _chosen(draft, list(by_platform), mapping)
    parts = by_platform.get(platform, [])
    categories = {category.text: None for part in parts for category in _categories(part)}
    if len(categories) > 1:
        draft.note("lock-categories", mapping, what=", ".join(categories))
    seen: dict[str, LockedPackage] = {}
    for part in parts:
        # A package in two categories is listed twice.
        address = part.get("url")
        key = address.text if isinstance(address, Scalar) else ""
        if not key or key not in seen:
            seen[key] = _package(draft, part)
    draft.packages = tuple(seen.values())


def _categories(part: Mapping) -> list[Scalar]:
    categories = part.get("category", "categories")
    items = categories.items if isinstance(categories, Sequence) else [categories]
    return [item for item in items if isinstance(item, Scalar)]


def _chosen(draft: Draft, platforms: list[str], at: Mapping) -> str:
    if not platforms:
        raise draft.refuse("empty-lock", at)
    wanted = SUBDIRS[draft.platform]
    chosen = wanted if wanted in platforms else platforms[0]
    if len(platforms) > 1:
        draft.note("lock-platforms", at, what=", ".join(platforms), platform=chosen)
    set_platform(draft, chosen, Placed("", at.line, at.column))
    return chosen


def _package(draft: Draft, part: Mapping) -> LockedPackage:
    def text(key: str) -> Placed:
        value = text_of(draft, part.get(key), f"package.{key}")
        if value is None:
            raise draft.refuse("missing-key", part, what=f"package.{key}")
        return value

    digests = mapping_of(draft, part.get("hash"), "package.hash")
    sha256 = str(text_of(draft, digests.get("sha256"), "package.hash.sha256") or "")
    md5 = str(text_of(draft, digests.get("md5"), "package.hash.md5") or "")
    name, version, url = text("name"), text("version"), text("url")
    requires = part.get("dependencies")
    needs = tuple(requires.entries) if isinstance(requires, Mapping) else ()
    if text("manager") == "pip":
        draft.pip.append(name.moved(_pip_line(name, version, url, sha256)))
        return LockedPackage(name, version, PIP, url=str(url), sha256=sha256, requires=needs)
    draft.conda.append(url.moved(f"{url}#{md5}" if md5 else f"{url}#sha256:{sha256}" if sha256 else str(url)))
    channel, _, subdir = url.rpartition("/")[0].rpartition("/")
    stem = url.rpartition("/")[2].removesuffix(".conda").removesuffix(".tar.bz2")
    return LockedPackage(
        str(name), str(version), CONDA, stem.rpartition("-")[2], str(url), channel, subdir, sha256, md5,
        requires=needs,
    )  # fmt: skip


def _pip_line(name: str, version: str, url: str, sha256: str) -> str:
    if url.startswith("git+") or not url.startswith("https://files.pythonhosted.org/"):
        return f"{name} @ {url}"
    return f"{name}=={version}" + (f" --hash=sha256:{sha256}" if sha256 else "")


def _read_mamba(draft: Draft, mapping: Mapping) -> None:
    platform = text_of(draft, mapping.get("platform"), "platform")
    if platform:
        set_platform(draft, platform, platform)
    for channel in list_of(draft, mapping.get("channels"), "channels"):
        name = text_of(draft, channel, "each of channels")
        if name:
            draft.channels.append(name)
    urls = mapping_of(draft, mapping.get("channelInfo"), "channelInfo")
    packages = []
    for file, node in mapping_of(draft, mapping.get("packages"), "packages").entries.items():
        part = mapping_of(draft, node, "each package")
        key = mapping.get("packages")
        at = key.keys[file] if isinstance(key, Mapping) else None
        packages.append(_mamba_package(draft, file, part, urls, at))
    for file, node in mapping_of(draft, mapping.get("pipPackages"), "pipPackages").entries.items():
        part = mapping_of(draft, node, "each package of pip")
        name = text_of(draft, part.get("name"), "pipPackages.name") or Placed(file, part.line, part.column)
        version = text_of(draft, part.get("version"), "pipPackages.version")
        if version is None:
            raise draft.refuse("missing-key", part, what="pipPackages.version")
        draft.pip.append(name.moved(f"{name}=={version}"))
        packages.append(LockedPackage(str(name), str(version), PIP))
    if not packages:
        raise draft.refuse("empty-lock", mapping)
    draft.packages = tuple(packages)


def _mamba_package(draft: Draft, file: str, part: Mapping, urls: Mapping, at: Scalar | None) -> LockedPackage:
    values = {
        key: str(text_of(draft, part.get(key), f"packages.{key}") or "")
        for key in ("name", "version", "build", "subdir", "channel")
    }
    if not values["name"] or not values["version"]:
        raise draft.refuse("missing-key", part, what="packages.name and packages.version")
    digests = mapping_of(draft, part.get("hash"), "packages.hash")
    sha256 = str(text_of(draft, digests.get("sha256"), "packages.hash.sha256") or "")
    md5 = str(text_of(draft, digests.get("md5"), "packages.hash.md5") or "")
    base = f"https://conda.anaconda.org/{values['channel']}"
    info = urls.get(values["channel"])
    if isinstance(info, Sequence) and info.items and isinstance(info.items[0], Mapping):
        base = str(text_of(draft, info.items[0].get("url"), "channelInfo.url") or base)
    url = f"{base.rstrip('/')}/{values['subdir']}/{file}"
    location = Placed(
        f"{url}#{md5}" if md5 else url, at.line if at else None, at.column if at else None, draft.file
    )
    draft.conda.append(location)
    return LockedPackage(
        values["name"], values["version"], CONDA, values["build"], url, values["channel"], values["subdir"],
        sha256, md5,
    )  # fmt: skip
