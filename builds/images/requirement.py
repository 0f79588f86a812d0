"""Requirement lines as they may be handed to the solver: none reaches into the studio's own machine."""

from __future__ import annotations

import re
from collections.abc import Sequence

from packaging.requirements import InvalidRequirement, Requirement

from builds.images.report import ImageError

_OPTIONS = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index", "--pre")
_CONSTRAINT = ("-c", "--constraint")
_NAMED = re.compile(
    r"^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\s*(?:\[[^\]]*\]?)?\s*(?P<rest>.*)$", re.DOTALL
)
_SECRET = re.compile(r"(?<=://)[^/@\s]+@")


def masked(text: str) -> str:
    """Return the text without the passwords of its URLs."""
    return _SECRET.sub("****@", text)


def checked(requirements: Sequence[str]) -> list[str]:
    """Return the lines without comments; refuse one that names a file, a variable or code of this machine."""
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in requirements)
    return [_allowed(line) for line in lines if line]


def constraints_of(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the lines that ask for something, and what the others hold its versions to."""
    rest, constraints = [], []
    for line in lines:
        option, value = _option(line)
        if option in _CONSTRAINT:
            constraints.append(value)
        else:
            rest.append(line)
    return rest, constraints


def _option(line: str) -> tuple[str, str]:
    option, _, value = re.sub(r"[\s=]+", " ", line, count=1).partition(" ")
    return option, value.strip()


def _allowed(line: str) -> str:
    if "\n" in line or "\r" in line or line.endswith("\\"):
        raise _refusal(line, "it goes on in another line", "Write it in one line.")
    if "${" in line:
        # The solver would put the studio's own environment in.
        raise _refusal(line, "variables are not filled in here", "Write the value itself.")
    if line.startswith("-"):
        option, value = _option(line)
        if option in _CONSTRAINT:
            return _allowed_constraint(line, value)
        if option not in _OPTIONS:
            raise _refusal(line, f"the option {option} cannot be used here", "Leave it out.")
        if value and not value.startswith(("https://", "http://")):
            raise _refusal(line, "its address is not one of the web", "Give an http(s) address.")
        return line
    matched = _NAMED.match(line)
    rest = matched["rest"] if matched else ""
    if (
        matched is None
        or rest.startswith(("/", "\\", ":"))
        or (line.endswith((".whl", ".tar.gz", ".zip")) and "@" not in line)
    ):
        raise _refusal(line, "it is not a package's name", "Write a name, such as numpy==1.26.4.")
    if rest.startswith("@") and not rest[1:].strip().startswith(("https://", "http://")):
        raise _refusal(line, "it is not at an address of the web", "Give an http(s) address of a wheel.")
    return line


def _allowed_constraint(line: str, value: str) -> str:
    try:
        constraint = Requirement(value)
    except InvalidRequirement:
        constraint = None
    # A name without a version holds nothing, and is most likely a file.
    if constraint is None or constraint.extras or not constraint.specifier:
        raise _refusal(
            line, "it does not hold a package to versions", "Write it as --constraint numpy<2, one a line."
        )
    return line


def _refusal(line: str, why: str, help: str) -> ImageError:
    return ImageError("bad-spec", f"The requirement “{masked(line)[:200]}” cannot be used: {why}.", help)
