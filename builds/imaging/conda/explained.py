"""Errors about conda packages, each with a way out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from builds.imaging.access_errors import refused
from builds.imaging.conda.virtual import STATE_IT
from builds.imaging.reporting import ImageError
from environments.definition.packages.conflicts import rows_of, sentence_of, suggestion_of
from environments.network.masking import masked

_ADDRESS = re.compile(r"(?:https?|file)://[^\s`'\")]+")
_ABSENT = re.compile(r"could not find subdir|404 Not Found|status client error \(404|No such file")
_REFUSED = re.compile(r"\b(?:401|403)\b")
_TREE = re.compile(r"^[\s│├└─]+")


def senseless(spec: str, why: str) -> ImageError:
    """Return the error for what is no match specification."""
    return ImageError(
        "bad-spec",
        f"“{masked(spec)[:200]}” is not a conda package specification: {why}.",
        "Write it as name, name=1.2 or name>=1.2,<2.",
    )


def absent(name: str, alike: Sequence[str]) -> ImageError:
    """Return the error for a package that none of the channels has."""
    hint = f"Did you mean {' or '.join(alike)}?" if alike else "Check the spelling, or add its channel."
    return ImageError(
        "package-not-found", f"Package {name} was not found in these channels.", hint, subject=name
    )


def no_version(spec: str, versions: Sequence[str]) -> ImageError:
    """Return the error for a package that is there, but not as requested."""
    return ImageError(
        "no-matching-version",
        f"No package in these channels fits “{spec.rpartition('::')[2]}”: they have {', '.join(versions)}.",
        "Choose one of these versions, or add the channel that has yours.",
        subject=spec.rpartition("::")[2],
    )


def no_build(spec: str, name: str, version: str) -> ImageError:
    """Return the error for a build that is not there, of a version that is: builds are of one system each."""
    bare = f"{name}={version.lstrip('=')}" if version else name
    return ImageError(
        "no-matching-version",
        f"The build that “{spec.rpartition('::')[2]}” names is not in these channels for Linux; its version is.",
        f"Write {bare} without the build; or export the environment again with `conda env export --no-builds`.",
    )


def conflict(explanation: str, virtual: Sequence[str] = ()) -> ImageError:
    """Return the error for packages that cannot be together; rattler's own explanation is kept.

    `virtual` are the virtual packages that the solver was given.
    """
    lines = explanation.removeprefix("Cannot solve the request because of:").splitlines()
    reasons = "; ".join(text.rstrip(",. ") for line in lines if (text := _TREE.sub("", line).strip()))
    rows = rows_of(explanation)
    sides = sentence_of(rows)
    help = suggestion_of(rows) or "Loosen or change one of these versions."
    if "__" in reasons:
        help += f" What begins with __ is what the image will run on: {', '.join(virtual)}."
    if "__cuda" in reasons and not any(package.startswith("__cuda=") for package in virtual):
        help += f" There is no __cuda in it: {STATE_IT}."
    return ImageError(
        "conflict",
        f"These conda packages conflict: {masked(sides or reasons)}.",
        help,
        detail=masked(explanation),
    )


def unreachable(explanation: str) -> ImageError:
    """Return the error for a channel that is not there, does not let the studio in, or does not answer."""
    address = _ADDRESS.search(explanation)
    channel = re.sub(r"/(?:linux-\w+|noarch)/.*$", "", address[0]) if address else masked(explanation)
    channel = masked(channel).rstrip("/")
    if _REFUSED.search(explanation):
        return refused("channel", channel)
    if _ABSENT.search(explanation):
        return ImageError(
            "channel-not-found",
            f"There is no conda channel at {channel}.",
            "Check the channel's name or address.",
        )
    return ImageError(
        "channel-unreachable",
        f"Can't reach the conda channel {channel}.",
        "Check the channel's address and the studio's network, and build again.",
        fault="outside",
    )
