"""Hold a wheel to the project and the version that it was locked as."""

from __future__ import annotations

from email.message import Message

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from builds.imaging.oci.names import shown

DIST_INFO = ".dist-info"


def dist_info_folders(names: set[str]) -> list[str]:
    """Return the folders that Python takes for a package's metadata."""
    return sorted(filter(is_dist_info, names))


def is_dist_info(folder: str) -> bool:
    """Return whether Python takes a folder for a package's metadata; it does not look at the case of the name."""
    return folder.lower().endswith(DIST_INFO)


def why_another(filename: str, folder: str, about: Message, name: str, version: str) -> str:
    """Return why this is not the wheel of that name and version; empty if it is. An empty version fits any.

    File name, folder and METADATA must all agree: tools go by one or the other.
    """
    for field in ("Name", "Version"):
        if (count := len(about.get_all(field) or [])) != 1:
            return f"its METADATA has {count} lines “{field}:”, not one"
    stem = folder[: -len(DIST_INFO)]
    file_name, file_version = _split(filename)
    named = {
        "its file name": (file_name, file_version),
        "its folder": _folder(stem, file_name),
        "its METADATA": (str(about["Name"]), str(about["Version"])),
    }
    described = ", ".join(f"{where} names {shown(n)} {shown(v)}" for where, (n, v) in named.items())
    for where, (own_name, own_version) in named.items():
        if canonicalize_name(own_name) != canonicalize_name(name):
            return f"{where} does not name {name}: {described}"
        if version and not _same_version(own_version, version):
            return f"{where} does not name version {version}: {described}"
        if not _same_version(own_version, file_version):
            return f"its versions differ: {described}"
    return ""


def _split(filename: str) -> tuple[str, str]:
    """Return name and version of a wheel's file name; some build tools left hyphens in the name."""
    parts = filename.removesuffix(".whl").split("-")
    # Behind the version: perhaps a build number, which starts with a digit, and three tags.
    front = parts[:-3]
    if len(front) > 2 and front[-1][:1].isdigit() and front[-2][:1].isdigit():
        front = front[:-1]
    return "-".join(front[:-1]), front[-1] if front else ""


def _folder(stem: str, name: str) -> tuple[str, str]:
    """Return name and version of a .dist-info folder, whose name may have its own hyphens."""
    for at in (at for at, letter in enumerate(stem) if letter == "-"):
        if canonicalize_name(stem[:at]) == canonicalize_name(name):
            return stem[:at], stem[at + 1 :]
    head, _, tail = stem.partition("-")
    return head, tail


def _same_version(version: str, other: str) -> bool:
    """Return whether two spellings mean one version; an index may leave out the local part, such as +cpu."""
    first, second = _version(version), _version(other)
    if not isinstance(first, Version) or not isinstance(second, Version):
        return str(first) == str(second)
    if first.local and second.local:
        return first == second
    return first.public == second.public or Version(first.public) == Version(second.public)


def _version(text: str) -> Version | str:
    try:
        # Old build tools wrote 1.0_1 in file names, for 1.0-1.
        return Version(text.replace("_", "-")) if len(text) < 200 else text
    except (InvalidVersion, ValueError):
        return text
