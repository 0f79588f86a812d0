"""The language of searches: text, `numpy<2`, `tag:team=nlp`, `vulnerability:high`, `by:ann`; all terms must hold."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from environments.definition.packages.constraints import BadConstraint, Constraint
from environments.definition.packages.specs import pip_name

MOST_TERMS = 20
STATES = {
    "ready": "ready",
    "built": "ready",
    "failed": "failed",
    "queued": "queued",
    "running": "running",
    "building": "running",
    "cancelled": "cancelled",
    "none": "none",
    "not-built": "none",
    "unbuilt": "none",
}
KINDS = ("system-managed", "user-managed", "curated", "dockerfile", "image")
IS = ("pinned", "mine", "deprecated")
DEVICES = ("cpu", "gpu")
QUALIFIERS = {
    "tag": "tag",
    "state": "state",
    "status": "state",
    "by": "by",
    "owner": "by",
    "kind": "kind",
    "framework": "framework",
    "label": "label",
    "base": "base",
    "device": "device",
    "is": "is",
    "vulnerability": "vulnerability",
}
_EXAMPLES = {
    "tag": "tag:team=nlp",
    "state": "state:failed",
    "by": "by:me",
    "kind": "kind:dockerfile",
    "framework": "framework:pytorch",
    "label": "label:latest",
    "base": "base:ubuntu22.04",
    "device": "device:gpu",
    "is": "is:pinned",
    "vulnerability": "vulnerability:high",
}

# `numpy >= 1.2, < 2` is a single term, and so is `tag:"cost centre=42"`.
_QUOTED = re.compile(r'(?<!\S)((?:[A-Za-z]+:)?"(?:[^"\\]|\\.)*")(?!\S)')
_AROUND_SIGNS = re.compile(r"(?>(?<!\s)\s++)?+(===|==|!=|<=|>=|~=|<|>)\s*+(?=v?\d|[,<>=!~]|$)")
_AFTER_COMMA = re.compile(r"(?<=[\d*])\s*,\s*(?=[<>=!~])")


@dataclass(frozen=True)
class SearchQuery:
    """A query that was read: `terms` as they were typed, and what each means."""

    terms: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    packages: tuple[Constraint, ...] = ()
    fields: tuple[tuple[str, str], ...] = field(default=())  # qualifier, value in lower case
    memo: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)  # look-ups of `conditions`

    @classmethod
    def read(cls, text: str) -> SearchQuery:
        """Return the meaning of a query. Raises BadConstraint."""
        terms = split(text)
        if len(terms) > MOST_TERMS:
            raise BadConstraint(f"The search has more than {MOST_TERMS} terms. Remove some.")
        texts: list[str] = []
        packages: list[Constraint] = []
        fields: list[tuple[str, str]] = []
        for term in terms:
            name, colon, value = term.partition(":")
            qualifier = QUALIFIERS.get(name.lower()) if colon else None
            if qualifier is not None:
                fields.append((qualifier, _checked(qualifier, _unquoted(value).lower(), term)))
            elif (constraint := constraint_of(term)) is not None:
                packages.append(constraint)
            else:
                texts.append(_unquoted(term).lower())
        return cls(tuple(terms), tuple(texts), tuple(packages), tuple(fields))

    def has(self, term: str) -> bool:
        """Whether the query has this term, in any case."""
        return term.lower() in (own.lower() for own in self.terms)

    def with_term(self, term: str) -> str:
        """Return the query's text with a further term."""
        return " ".join((*self.terms, term))

    def without_term(self, term: str) -> str:
        """Return the query's text without a term."""
        return " ".join(own for own in self.terms if own.lower() != term.lower())


def term_of(qualifier: str, value: str) -> str:
    """Return the term that matches a value, in quotes where it needs them."""
    if not value or re.search(r'[\s",<>=!~\\]', value.replace("=", "", 1)):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{qualifier}:"{escaped}"'
    return f"{qualifier}:{value}"


def split(text: str) -> list[str]:
    """Return the terms of a query; `numpy >= 1.2, < 2` is a single term, and so is text in quotes."""
    terms: list[str] = []
    for number, part in enumerate(_QUOTED.split(text)):
        quoted = number % 2 == 1
        terms += [part] if quoted else _AFTER_COMMA.sub(",", _AROUND_SIGNS.sub(r"\1", part)).split()
    return terms


def constraint_of(word: str) -> Constraint | None:
    """Return the package that a term names; None for plain text. Raises BadConstraint."""
    kind, colon, rest = word.partition(":")
    if colon and kind.lower() == "python":
        if not re.fullmatch(r"\d+(\.\d+){0,3}", rest):
            raise BadConstraint(f"“{word}” has no version of Python. Try python:3.11, or python>=3.11.")
        return Constraint("python", (("==", f"{rest}.*"),))
    if colon and kind.lower() == "package":
        if not rest:
            raise BadConstraint("“package:” needs a name. Try package:numpy, or numpy<2.")
        return Constraint.parse(rest) or Constraint(pip_name(rest))
    return Constraint.parse(word)


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value.startswith('"') and value.endswith('"'):
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def _checked(qualifier: str, value: str, term: str) -> str:
    if not value:
        raise BadConstraint(f"“{term}” needs a value. Try {_EXAMPLES[qualifier]}.")
    if qualifier == "state":
        if value not in STATES:
            raise BadConstraint(f"“{value}” isn't a state. Try {', '.join(dict.fromkeys(STATES.values()))}.")
        return STATES[value]
    known = {"kind": KINDS, "is": IS, "device": DEVICES}.get(qualifier)
    if known is not None and value not in known:
        raise BadConstraint(f"“{value}” doesn't go with {qualifier}:. Try {', '.join(known)}.")
    return value
