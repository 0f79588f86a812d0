"""Why a text is no specification of conda's: mostly because it is pip's."""

from __future__ import annotations

import re

_BELOW_PIP = "Move it below `- pip:`."
_REPOSITORY = re.compile(
    r"(?:git|hg|svn|bzr)\+|git@|git://|https?://\S{1,500}\.git(?:[@#/]|$)", re.IGNORECASE
)
_OF_TAG = re.compile(r"/([A-Za-z0-9][\w.-]*?)(?:\.git)?@v?(\d+(?:\.\d+)+)(?:[#\s]|$)")
_ARCHIVE = re.compile(r"https?://\S{1,2000}(?:\.whl|\.zip|\.tar\.gz|\.tgz)(?:#\S*)?$", re.IGNORECASE)
_REFERENCE = re.compile(r"[A-Za-z0-9][\w.-]{0,200}(?:\[[^\]]{0,200}\])?\s*@\s*\S")
_EXTRAS = re.compile(r"([A-Za-z0-9][\w.-]{0,200})\[([\w.,\s-]{1,200})\]")
_WITH_EXTRAS = re.compile(
    r"((?:[^\s\[\]:]{1,200}::)?[A-Za-z0-9_][\w.-]{0,200})(\[[\w.,\s-]{1,200}\])([^\[\]]*+)"
)
_NAME = re.compile(r"(?:[^\s:]+::)?([A-Za-z0-9_][A-Za-z0-9_.-]*)")
_OPERATORS = {"=>": ">=", "=<": "<=", "=!": "!=", "<>": "!=", "~>": "~=", "===": "=="}
_WRONG_OPERATOR = re.compile("|".join(sorted(map(re.escape, _OPERATORS), key=len, reverse=True)))
_LONGEST = 60


def of_pip(text: str) -> tuple[str, str] | None:
    """Return why this is a line of pip's, and what to do; None where it is not."""
    if _REPOSITORY.match(text):
        tag = _OF_TAG.search(text[:2000])
        instead = f"Write {tag[1]}={tag[2]} if a channel has it" if tag else "Take a version from a channel"
        return (
            "it is a repository of source code, which only pip installs",
            f"{instead}; such addresses belong below `- pip:`, and no build here clones them.",
        )
    if text.startswith("-"):
        return "it is an option of pip's", _BELOW_PIP
    if _ARCHIVE.match(text):
        return "it is the address of a package of pip's", _BELOW_PIP
    if _REFERENCE.match(text):
        return "name @ address is written for pip", _BELOW_PIP
    extras = _EXTRAS.match(text)
    if extras:
        return "extras are pip's", f"{_BELOW_PIP[:-1]}, or write {extras[1]} alone."
    if ";" in text:
        return "a marker after ; is pip's", f"{_BELOW_PIP[:-1]}, or leave the marker out."
    if re.search(r"\s--[a-z]", text):
        return "it has an option of pip's", _BELOW_PIP
    return None


def without_extras(text: str) -> tuple[str, str]:
    """Return a specification as conda reads it, and the extras of pip's that it passes over; empty if there are none.

    conda takes what is in brackets for `key=value`, and ignores the rest.
    """
    match = _WITH_EXTRAS.fullmatch(text)
    if match is None or of_pip(f"{match[1]}{match[3]}") is not None:
        return text, ""
    return f"{match[1]}{match[3]}", match[2]


def why_not(text: str) -> tuple[str, str]:
    """Return why conda cannot read this, and what to do (empty for the usual advice)."""
    name = _NAME.match(text)
    if name is None:
        return "it does not begin with a package's name", ""
    rest = text[name.end() :].strip()
    wrong = _WRONG_OPERATOR.search(rest)
    if wrong:
        return f"{wrong[0]} is no operator of conda's", f"Write {_OPERATORS[wrong[0]]} instead."
    if rest and (rest[0] not in "=<>!~[( *" and not rest[0].isdigit()):
        return f"a name has letters, digits, '-', '_' and '.', and not {rest[0]!r}", ""
    if re.search(r"[=<>!~,|(]\s*$", rest):
        return "a version is missing at its end", f"Write {name[1]}=1.2, or leave {rest[-1]} out."
    if "*" in rest.rstrip("*"):
        return "a * can only be at the end of a version", f"Write {name[1]}=1.2.*."
    short = rest if len(rest) <= _LONGEST else f"{rest[:_LONGEST]}…"
    return f"the version {short!r} cannot be read", ""
