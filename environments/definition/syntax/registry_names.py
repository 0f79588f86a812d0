"""Names of environments and versions in a container registry: repositories and tags (OCI distribution, “Pull”).

A name that is a valid repository name stays as it is. Any other gets a readable form with a part of its SHA-256:
`Forecast` is `forecast--d4d3a9bd0ec7`. Names that look like such a form, or end like a hash, are no exception, so two
environments never share a repository. In the catalogue, `AzureML-` is written in lower case, without the sum.
"""

from __future__ import annotations

import hashlib
import re

LATEST = "latest"
LONGEST = 128  # with workspace and host within the 255 characters of an engine
_LONGEST_SLUG = 100
_SUM = 12
_CURATED = "AzureML-"

_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_MADE = re.compile(
    r"--[0-9a-f]{12}\Z|[0-9a-f]{32}\Z"
)  # forms that are made here, and the end of an image's hash name
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_ESCAPED = re.compile(r"_[A-Za-z0-9](?:[A-Za-z0-9.-]|__|_\.){0,63}")
_ESCAPES = {"_": "__", "+": "_."}


def repository_name(name: str, *, curated: bool = False) -> str:
    """Return an environment's repository name, without its workspace: a function of the name alone."""
    plain = name
    if curated:
        # Else “azureml-x” and “AzureML-x” would share a name.
        plain = _CURATED.lower() + name.removeprefix(_CURATED) if name.startswith(_CURATED) else name
        plain = "" if name.startswith(_CURATED.lower()) else plain
    if len(plain) <= LONGEST and _REPOSITORY.fullmatch(plain) and not _MADE.search(plain):
        return plain
    slug = _SEPARATORS.sub(_valid_separator, name.lower())[:_LONGEST_SLUG].strip("._-")
    return f"{slug}--{hashlib.sha256(name.encode()).hexdigest()[:_SUM]}"


def _valid_separator(match: re.Match[str]) -> str:
    text = match[0]
    return text if text in {".", "_", "__"} or not text.strip("-") else "-"


def tag_of(version: str) -> str:
    """Return the tag of a version: itself, or with “+”, which tags cannot have, `_1.0_.cu126` for `1.0+cu126`.

    No version begins with “_”, and the original is read from the tag.
    """
    if "+" not in version:
        return version
    return "_" + "".join(_ESCAPES.get(character, character) for character in version)


def version_of(tag: str) -> str | None:
    """Return the version that has this tag; None for what is the tag of no version."""
    if _TAG.fullmatch(tag):
        return tag
    if not _ESCAPED.fullmatch(tag):
        return None
    version = re.sub(r"_([_.])", lambda match: "_" if match[1] == "_" else "+", tag[1:])
    return version if "+" in version else None
