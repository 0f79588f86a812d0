"""Raise a requirement: it admits nothing older than a version afterwards, and otherwise what its author wrote."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from environments.definition.packages.specs import conda_spec, pip_spec, without_options
from environments.definition.packages.versions import is_newer, starts_with

if TYPE_CHECKING:
    from packaging.specifiers import Specifier

_PIP = re.compile(r"[A-Za-z0-9][\w.-]*+(?:[ \t]*+\[[^\]]*+\])?")
_CONDA = re.compile(r"(?P<head>(?:[^\s\[:]++::)?[A-Za-z0-9_][\w.-]*+)(?:[<>=!~\s].*)?")
_FLOORS = frozenset((">=", ">"))


class NotRaised(ValueError):
    """The requirement names no version that could be raised: a URL, or a file by its hash."""


def raised_pip(line: str, version: str) -> str:
    """Return a line of a requirements file that admits no version older than this. Raises NotRaised.

    A pin becomes a pin to the version. A range keeps the limits that allow the version.
    """
    bare = without_options(line)
    if bare != line.strip():
        raise NotRaised("It is pinned by a hash, which only a new lock has.")
    requirement, semicolon, marker = bare.partition(";")
    spec, named, versions = pip_spec(bare), _PIP.match(requirement), requirement.rstrip()
    if spec is None or spec.url or named is None:
        raise NotRaised("It names a file or a URL instead of a version.")
    marker = f"{requirement[len(versions) :]}{semicolon}{marker}"
    head, versions = named[0], versions[named.end() :]
    if spec.exact:
        if is_newer(spec.exact, version, "pip"):
            return line
        start, sign, end = versions.rpartition(spec.exact)
        if sign:
            return f"{head}{start}{version}{end}{marker}"
    kept = [str(clause) for clause in _clauses(bare) if _stays(clause, version)]
    return f"{head}{','.join((f'>={version}', *kept))}{marker}"


def _clauses(bare: str) -> list[Specifier]:
    # Loaded here, like conda's grammar: most commands do without it.
    from packaging.requirements import Requirement

    return sorted(Requirement(bare).specifier, key=str)


def _stays(clause: Specifier, version: str) -> bool:
    pinned = clause.operator == "===" or (clause.operator == "==" and not clause.version.endswith(".*"))
    return clause.operator not in _FLOORS and not pinned and bool(clause.contains(version, prereleases=True))


def raised_conda(text: str, version: str) -> str:
    """Return a conda match specification that admits no version older than this. Raises NotRaised.

    A build string is left out, as the new version has other builds.
    """
    spec, parts = conda_spec(text), _CONDA.fullmatch(text.strip())
    if spec.url or parts is None:
        raise NotRaised("It names a file, or has options in brackets.")
    constraint = spec.constraint
    if spec.exact and not constraint.startswith((">", "<", "!", "~")):
        if is_newer(spec.exact, version, "conda"):
            return text
        fuzzy = not constraint.startswith("==")
        if fuzzy and starts_with(version, spec.exact) and not spec.build and version != spec.exact:
            return f"{parts['head']} >={version},{spec.exact}.*"
        sign = "=" if fuzzy else "=="
        return f"{parts['head']}{sign}{version}"
    limits = [] if re.search(r"[|()]", constraint) else constraint.split(",")
    kept = [limit.strip() for limit in limits if _allows(limit.strip(), version)]
    return f"{parts['head']} {','.join((f'>={version}', *kept))}"


def _allows(limit: str, version: str) -> bool:
    """Whether a limit of a conda specification other than a lower one allows a version."""
    match = re.fullmatch(r"(?P<sign><=?|!=|==?|~=)?\s*(?P<bound>[\w.!+*-]+)", limit)
    if match is None:
        return False
    sign, bound = match["sign"] or "", match["bound"]
    if sign.startswith("<"):
        newer = is_newer(version, bound, "conda")
        return newer is False or (newer is None and sign == "<=")
    if sign == "!=":
        return bound != version
    if sign == "~=":
        return starts_with(version, bound.rpartition(".")[0] or bound) and not is_newer(
            bound, version, "conda"
        )
    return bound.endswith("*") and starts_with(version, bound.rstrip("*").rstrip("."))


def appended(name: str, version: str, ecosystem: str) -> str:
    """Return the requirement for a package that nothing in a definition names yet."""
    return f"{name}>={version}" if ecosystem == "pip" else f"{name} >={version}"
