"""Dates and ages that limit which uploads are used: their grammar, and one spelling for each."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping

from environments.definition.packages.specs import pip_name

ANY = "any"
MOST_EXCEPTIONS = 500
_LONGEST = 60
_MOST_DAYS = 36_525
_SHOWN = 10
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?: ?(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?))?"
)
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_SECONDS = {
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), 604_800),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3_600),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
}
_PART = re.compile(r"([0-9]{1,12}) *([a-z]+)[ ,]*")
_ISO = re.compile(
    r"p(?:(?P<w>[0-9]{1,12})w)?(?:(?P<d>[0-9]{1,12})d)?"
    r"(?:t(?=[0-9])(?:(?P<h>[0-9]{1,12})h)?(?:(?P<m>[0-9]{1,12})m)?(?:(?P<s>[0-9]{1,12})s)?)?"
)
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,198}[A-Za-z0-9_])?")
_HELP = "Write a date such as 2026-06-01, an age such as 14 days, or `any` for no limit."


class BadCutoff(ValueError):
    """A text that is neither a date nor an age; the message says why, `help` what to write."""

    def __init__(self, why: str, help: str = _HELP) -> None:
        super().__init__(why)
        self.help = help


def spelled(text: str) -> str:
    """Return the canonical spelling of a date, a time, an age, or `any`. Raises BadCutoff."""
    text = " ".join(text[: _LONGEST + 1].split())
    if len(text) > _LONGEST:
        raise BadCutoff(f"it has more than {_LONGEST} characters")
    if text.lower() == ANY:
        return ANY
    if _DATE.fullmatch(text):
        _end_of_day(text)
        return text
    if is_date(text):
        return _utc(text).isoformat().replace("+00:00", "Z")
    seconds = int(_age(text).total_seconds())
    if not seconds:
        return ANY
    unit, size = next((unit, size) for unit, size in _UNITS if seconds % size == 0)
    count = seconds // size
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def is_date(text: str) -> bool:
    """Return whether a text has the form of a date or time, and not of an age."""
    return bool(_DATE.fullmatch(text) or _TIME.fullmatch(text))


def limit_of(text: str, now: dt.datetime) -> dt.datetime | None:
    """Return the time before which uploads are used; None for any. Raises BadCutoff.

    A date includes the whole day, in UTC; an age is counted from `now`.
    """
    text = spelled(text)
    if text == ANY:
        return None
    if _DATE.fullmatch(text):
        return _end_of_day(text)
    return _utc(text) if is_date(text) else now - _age(text)


def exception_key(written: str) -> str:
    """Return what an exception is for: a package's normalised name, or the address of an index or channel.

    Raises BadCutoff for what is neither.
    """
    text = written.strip()
    if "://" in text and text.isprintable() and " " not in text:
        return text.rstrip("/")
    if not is_name(text):
        raise BadCutoff(
            "it is neither a package's name nor the address of an index",
            "Name a package, such as numpy, or the address of an index or channel that begins with https://.",
        )
    return pip_name(text)


def is_name(text: str) -> bool:
    """Return whether a text can be the name of a package, of pip or conda."""
    return _NAME.fullmatch(text) is not None


def in_words(as_of: str, newest: str, exceptions: Mapping[str, str]) -> str:
    """Return what limits uploads, as `at least 14 days old, except numpy (any)`; empty for no limit."""
    parts = [f"as of {as_of}"] if as_of else []
    parts += [f"at least {newest} old"] if newest else []
    text = " and ".join(parts)
    if not exceptions:
        return text
    named = [f"{name} ({value})" for name, value in sorted(exceptions.items())]
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return f"{text or 'no limit'}, except {', '.join(named[:_SHOWN])}{more}"


def _end_of_day(text: str) -> dt.datetime:
    try:
        day = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
        return day + dt.timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise BadCutoff("there is no such date") from error


def _utc(text: str) -> dt.datetime:
    written = re.sub(r"(?<=[0-9]) (?=[Zz+-])", "", text.upper().replace(" ", "T", 1))
    try:
        time = dt.datetime.fromisoformat(written)
        aware = time if time.tzinfo is not None else time.replace(tzinfo=dt.UTC)
        return aware.astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise BadCutoff("there is no such time") from error


def _age(text: str) -> dt.timedelta:
    lower = text.lower()
    iso = _ISO.fullmatch(lower)
    if iso is not None and any(iso.groups()):
        seconds = sum(int(number) * _SECONDS[unit] for unit, number in iso.groupdict().items() if number)
    else:
        seconds = _friendly(lower)
    if seconds > _MOST_DAYS * 86_400:
        raise BadCutoff(f"an age has up to {_MOST_DAYS} days")
    return dt.timedelta(seconds=seconds)


def _friendly(text: str) -> int:
    seconds, end = 0, 0
    for part in _PART.finditer(text):
        if part.start() != end:
            break
        if part[2] not in _SECONDS:
            if part[2] in ("mo", "month", "months", "y", "yr", "year", "years"):
                raise BadCutoff(
                    "months and years have no fixed length", "Write days, such as 30 days or 365 days."
                )
            raise BadCutoff(f"{part[2][:20]!r} is no unit of time", "Write days, hours or weeks: 14 days.")
        seconds += int(part[1]) * _SECONDS[part[2]]
        end = part.end()
    if not end or end != len(text):
        raise BadCutoff("it is neither a date nor an age")
    return seconds
