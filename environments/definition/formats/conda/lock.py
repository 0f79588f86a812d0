"""Lock files of conda-lock, which hold packages of conda and of pip for several platforms and categories."""

from __future__ import annotations

import hashlib
import re

from environments.definition.findings.result import Draft, Offers
from environments.definition.formats import trees
from environments.definition.formats.conda import mamba_lock
from environments.definition.formats.conda.environment_file import scalar
from environments.definition.formats.conda.explicit import set_platform
from environments.definition.formats.selection import selected
from environments.definition.formats.shapes import list_of, mapping_of, text_of
from environments.definition.formats.source import Source
from environments.definition.model import Target
from environments.definition.packages.locked import CONDA, PIP, SUBDIRS, LockedPackage
from environments.definition.syntax.text import Placed
from environments.definition.syntax.tree import Mapping, Scalar, Sequence, Tree, parse_yaml

FORMAT = "conda-lock"
MAIN = "main"
_VIRTUAL = ("virtual-packages.yml", "virtual-packages.yaml")
_MOST_CATEGORIES = 1_000
_PYPI_FILES = "https://files.pythonhosted.org/"
_SHA256 = re.compile("[0-9a-fA-F]{64}")


def recognised(tree: Mapping) -> bool:
    """Whether this mapping is a lock of conda-lock or of mamba."""
    conda_lock = isinstance(tree.get("package"), Sequence) and "metadata" in tree.entries
    return conda_lock or mamba_lock.recognised(tree)


def read(draft: Draft, tree: Tree | None, source: Source) -> None:
    """Read the packages of one platform and of the category main into the draft, and what else is requested."""
    draft.locked = True
    mapping = mapping_of(draft, tree, "the lock")
    if mamba_lock.recognised(mapping):
        mamba_lock.read(draft, mapping)
    else:
        _channels(draft, mapping)
        _packages(draft, mapping)
        draft.target = _target(draft, source)
    draft.has_pip_section = bool(draft.pip)


def _channels(draft: Draft, mapping: Mapping) -> None:
    metadata = mapping_of(draft, mapping.get("metadata"), "metadata")
    for channel in list_of(draft, metadata.get("channels"), "metadata.channels"):
        inner = channel.get("url") if isinstance(channel, Mapping) else channel
        url = text_of(draft, inner, "metadata.channels")
        if url:
            draft.channels.append(url)


def _packages(draft: Draft, mapping: Mapping) -> None:
    by_platform: dict[str, list[Mapping]] = {}
    for item in list_of(draft, mapping.get("package"), "package"):
        part = mapping_of(draft, item, "each package")
        platform = text_of(draft, part.get("platform"), "package.platform")
        if platform is not None:
            by_platform.setdefault(str(platform), []).append(part)
        elif isinstance(item, Mapping):
            draft.note("missing-key", part, what="package.platform")
    parts = by_platform.get(_chosen(draft, list(by_platform), mapping), [])
    categories = _selected(draft, parts, mapping)
    seen: dict[str, LockedPackage] = {}
    for part in parts:
        # A package in two categories is listed twice.
        address = part.get("url")
        key = address.text if isinstance(address, Scalar) else ""
        if key in seen or not categories & set(_categories(part)):
            continue
        package = _package(draft, part)
        if package is not None:
            seen[key] = package
    draft.packages = tuple(seen.values())
    if parts and not seen and not draft.refused:
        draft.note("empty-lock", mapping)


def _categories(part: Mapping) -> list[str]:
    categories = part.get("category", "categories")
    items = categories.items if isinstance(categories, Sequence) else [categories]
    return [item.text for item in items if isinstance(item, Scalar)] or [MAIN]


def _selected(draft: Draft, parts: list[Mapping], at: Mapping) -> frozenset[str]:
    """Return the categories to read: main (or the only one), and the others by request, which are offered as groups."""
    known = list(dict.fromkeys(category for part in parts for category in _categories(part)))[
        :_MOST_CATEGORIES
    ]
    always = [MAIN] if MAIN in known or len(known) > 1 else known
    others = tuple(category for category in known if category not in always)
    chosen = selected(draft, Offers(groups=others), at).groups
    if others:
        read = _listed([*always, *chosen])
        draft.note("lock-categories", at, what=_listed(known), read=read)
    return frozenset((*always, *chosen))


def _chosen(draft: Draft, platforms: list[str], at: Mapping) -> str:
    if not platforms:
        if not draft.refused:
            draft.note("empty-lock", at)
        return ""
    wanted = SUBDIRS[draft.platform]
    of_linux = [platform for platform in platforms if platform.startswith("linux-")]
    if not of_linux:
        help = f"Lock it again with `conda-lock lock --platform {wanted}`, or have the versions solved again."
        draft.note(
            "lock-uncovered", at, lock="the lock", what=f"Linux; it is for {_listed(platforms)}", help=help
        )
        return platforms[0]
    chosen = wanted if wanted in platforms else of_linux[0]
    if len(platforms) > 1:
        draft.note("lock-platforms", at, what=_listed(platforms), platform=chosen)
    set_platform(draft, chosen, Placed("", at.line, at.column))
    return chosen


def _listed(names: list[str]) -> str:
    return ", ".join(name[:40] for name in names[:20]) + (
        f" and {len(names) - 20} more" if len(names) > 20 else ""
    )


def _package(draft: Draft, part: Mapping) -> LockedPackage | None:
    digests = mapping_of(draft, part.get("hash"), "package.hash")
    sha256 = str(text_of(draft, digests.get("sha256"), "package.hash.sha256") or "")
    md5 = str(text_of(draft, digests.get("md5"), "package.hash.md5") or "")
    texts = {
        key: text_of(draft, part.get(key), f"package.{key}") for key in ("name", "version", "url", "manager")
    }
    for key, value in texts.items():
        if value is None:
            draft.note("missing-key", part, what=f"package.{key}")
    name, version, url, manager = texts.values()
    if name is None or version is None or url is None or manager is None:
        return None
    needs = _needs(part)
    if manager == "pip":
        draft.pip.append(name.moved(_pip_line(name, version, _source(part) or str(url), sha256)))
        return LockedPackage(name, version, PIP, url=str(url), sha256=sha256, requires=needs)
    draft.conda.append(url.moved(f"{url}#{md5}" if md5 else f"{url}#sha256:{sha256}" if sha256 else str(url)))
    channel, _, subdir = url.rpartition("/")[0].rpartition("/")
    stem = url.rpartition("/")[2].removesuffix(".conda").removesuffix(".tar.bz2")
    return LockedPackage(
        str(name), str(version), CONDA, stem.rpartition("-")[2], str(url), channel, subdir, sha256, md5,
        requires=needs,
    )  # fmt: skip


def _needs(part: Mapping) -> tuple[str, ...]:
    """Return the names of what a package needs: keys of a mapping, or the beginnings of a list's specifications."""
    needs = part.get("dependencies")
    if isinstance(needs, Mapping):
        return tuple(needs.entries)
    items = needs.items if isinstance(needs, Sequence) else []
    return tuple(item.text.split()[0] for item in items if isinstance(item, Scalar) and item.text.split())


def _source(part: Mapping) -> str:
    """Return the address that a package of pip's was requested from, where it comes from no index."""
    source = part.get("source")
    url = source.get("url") if isinstance(source, Mapping) else None
    return url.text if isinstance(url, Scalar) else ""


def _pip_line(name: str, version: str, url: str, sha256: str) -> str:
    digest = sha256 if _SHA256.fullmatch(sha256) else ""
    if url.startswith(_PYPI_FILES):
        return f"{name}=={version}" + (f" --hash=sha256:{digest}" if digest else "")
    # conda-lock's hash of a repository is none of a file.
    of_file = digest and "#" not in url and url.startswith(("https://", "http://"))
    return f"{name} @ {url}" + (f"#sha256={digest}" if of_file else "")


def _target(draft: Draft, source: Source) -> Target:
    """The machine that the lock was solved for, by the file of virtual packages that conda-lock reads beside it."""
    path = next((path for path in map(source.beside, _VIRTUAL) if path is not None), None)
    text = source.text(draft, path, Placed(path, 1)) if path else None
    if text is None or path is None:
        return Target()
    outer, draft.file = draft.file, path
    subdirs = mapping_of(draft, trees.document(draft, text, path, parse_yaml), "the virtual packages")
    of_all = mapping_of(draft, subdirs.get("subdirs"), "subdirs")
    of_platform = mapping_of(draft, of_all.get(SUBDIRS.get(draft.platform, "")), "subdirs")
    packages = mapping_of(draft, of_platform.get("packages"), "packages")
    values = {name: str(text_of(draft, value, name) or "") for name, value in packages.entries.items()}
    draft.file = outer
    first = {name: value.split()[0] for name, value in values.items() if value.strip()}
    return Target(
        cuda=first.get("__cuda", ""),
        glibc=first.get("__glibc", ""),
        linux=first.get("__linux", ""),
        # Its version is 1, and its build the level.
        cpu=values.get("__archspec", "").rpartition(" ")[2],
    )


def write(packages: tuple[LockedPackage, ...], platform: str = "linux/amd64") -> str:
    """A lock of conda-lock's first format with these packages; of each conda package the URL and MD5 must be known."""
    subdir = SUBDIRS.get(platform, "linux-64")
    entries = [line for package in packages for line in _entry(package, subdir)]
    channels = dict.fromkeys(_base(package) for package in packages if package.ecosystem == CONDA)
    # conda-lock compares it with that of its sources, of which there are none.
    content = hashlib.sha256("\n".join(entries).encode()).hexdigest()
    lines = ["version: 1", "metadata:", "  content_hash:", f"    {subdir}: {content}"]
    lines += ["  channels:" if channels else "  channels: []"]
    for channel in channels:
        lines += [f"  - url: {scalar(channel)}", "    used_env_vars: []"]
    lines += ["  platforms:", f"  - {subdir}", "  sources: []"]
    lines += ["package:" if entries else "package: []", *entries]
    return "\n".join(lines) + "\n"


def _base(package: LockedPackage) -> str:
    """Return the URL of the channel that a package is from."""
    return package.url.rpartition("/")[0].rpartition("/")[0]


def _entry(package: LockedPackage, subdir: str) -> list[str]:
    lines = [
        f"- name: {scalar(package.name)}",
        f"  version: {scalar(package.version)}",
        f"  manager: {package.ecosystem}",
        f"  platform: {subdir}",
        "  dependencies:" if package.requires else "  dependencies: {}",
        *(f"    {scalar(name)}: ''" for name in dict.fromkeys(package.requires)),
        f"  url: {scalar(package.url)}",
        "  hash:",
    ]
    digests = {"md5": package.md5, "sha256": package.sha256}
    lines += [f"    {kind}: {scalar(digest)}" for kind, digest in digests.items() if digest]
    return [*lines, "  category: main", "  optional: false"]
