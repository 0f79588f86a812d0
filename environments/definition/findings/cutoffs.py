"""Checks on the date or age that limits which uploads are used, and on the indexes of single packages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from environments.definition.findings.result import Draft
from environments.definition.findings.secrets import holds_secret
from environments.definition.model import Cutoff
from environments.definition.packages.cutoffs import (
    ANY,
    MOST_EXCEPTIONS,
    BadCutoff,
    exception_key,
    is_date,
    is_name,
    spelled,
)
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed
from environments.network.urls import UnreadableUrl, parse_url


def check(draft: Draft) -> None:
    """Bring what limits uploads into one spelling, and say what is wrong with it."""
    if draft.cutoff != Cutoff():
        draft.cutoff = _checked(draft, draft.cutoff)
    if draft.package_indexes:
        draft.package_indexes = _indexes(draft)


def take(
    draft: Draft, value: object, exceptions: Mapping[str, object], written_at: Mapping[str, Placed]
) -> None:
    """Take the date or age that a key of another tool holds, and those of single packages; they are checked later.

    `written_at` is where the exceptions are, by name, and the value itself under an empty name.
    """
    text = _written(value)
    dated = is_date(text)
    draft.cutoff = Cutoff(
        as_of=text if dated else "",
        newest="" if dated else text,
        exceptions={name: _written(each) for name, each in exceptions.items()},
    )
    whole = {key: written_at[""] for key in ("as_of", "newest") if "" in written_at}
    draft.cutoff_places = {**written_at, **whole}


def _written(value: object) -> str:
    """Return what TOML holds as a text, a date or a time; `false` is no limit."""
    if value is False:
        return ANY
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, dt.date) else str(value).strip()


def _checked(draft: Draft, cutoff: Cutoff) -> Cutoff:
    if cutoff.as_of and cutoff.newest:
        draft.note("cutoff-twice", _location(draft, "newest"))
    as_of = _value(draft, "as_of", cutoff.as_of)
    newest = _value(draft, "newest", cutoff.newest)
    if as_of not in ("", ANY) and not is_date(as_of):
        help = f"Write `newest: {as_of}`, or a date such as 2026-06-01."
        draft.note(
            "bad-cutoff", _location(draft, "as_of"), what="as_of", value=as_of, why="it is an age", help=help
        )
    if is_date(newest):
        help = f"Write `as_of: {newest}`, or an age such as 14 days."
        draft.note(
            "bad-cutoff",
            _location(draft, "newest"),
            what="newest",
            value=newest,
            why="it is a date",
            help=help,
        )
    if len(cutoff.exceptions) > MOST_EXCEPTIONS:
        draft.note(
            "too-large",
            _location(draft, next(iter(cutoff.exceptions))),
            what="the number of exceptions",
            size=len(cutoff.exceptions),
            limit=MOST_EXCEPTIONS,
        )
        return Cutoff()
    exceptions: dict[str, str] = {}
    for name, written in cutoff.exceptions.items():
        if holds_secret(name):
            draft.note("secret-in-definition", _location(draft, name), what="an exception's address")
            continue
        try:
            exceptions[exception_key(name)] = _value(draft, name, written)
        except BadCutoff as reason:
            _bad(draft, name, "an exception", name, reason)
    return Cutoff(
        as_of="" if as_of == ANY else as_of, newest="" if newest == ANY else newest, exceptions=exceptions
    )


def _value(draft: Draft, name: str, written: str) -> str:
    if not written and name in ("as_of", "newest"):
        return ""
    try:
        return spelled(written)
    except BadCutoff as reason:
        _bad(draft, name, name, written, reason)
        return ""


def _bad(draft: Draft, name: str, what: str, value: str, reason: BadCutoff) -> None:
    at = _location(draft, name)
    draft.note("bad-cutoff", at, what=what[:80], value=value[:80], why=str(reason), help=reason.help)


def _location(draft: Draft, name: str) -> Placed | None:
    return draft.cutoff_places.get(name)


def _indexes(draft: Draft) -> dict[str, str]:
    """Return the indexes of single packages by normalised names; refuse an address that holds a secret."""
    result: dict[str, str] = {}
    first = next(iter(draft.package_indexes.values()))
    if len(draft.package_indexes) > MOST_EXCEPTIONS:
        what, size = "the number of packages with an index", len(draft.package_indexes)
        at = first if isinstance(first, Placed) else None
        draft.note("too-large", at, what=what, size=size, limit=MOST_EXCEPTIONS)
        return {}
    for name, url in draft.package_indexes.items():
        at = url if isinstance(url, Placed) else None
        if not is_name(name):
            draft.note("bad-package-index", at, what=repr(name[:80]), why="that is no package's name.")
            continue
        if holds_secret(url):
            draft.note("secret-in-definition", at, what=f"the index of {name[:80]}")
            continue
        try:
            parse_url(url)
        except UnreadableUrl as error:
            draft.note("bad-package-index", at, what=name[:80], why=str(error))
            continue
        result[pip_name(name)] = str(url).rstrip("/")
    return result
