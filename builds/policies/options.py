"""The options of each rule: their defaults, and how they are read from what members type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from builds.imaging.licences.expressions import expression
from builds.models import SEVERITIES, RuleName
from environments.errors import ServiceError

MOST_ENTRIES = 200
LONGEST_ENTRY = 300
MOST_DAYS = 3650
UNKNOWN_LICENCES = ("allow", "deny")
_ORIGIN = re.compile(r"(?:https?://)?[A-Za-z0-9][A-Za-z0-9._~:/@%+-]*")

DEFAULTS: dict[str, dict[str, Any]] = {
    RuleName.VULNERABILITY: {"severity": "high", "days": 30, "fixed": True},
    RuleName.LICENCE: {"allow": [], "deny": [], "unknown": "allow"},
    RuleName.COOL_DOWN: {},
    RuleName.SOURCE: {},
    RuleName.ORIGIN: {"origins": ["pypi.org", "conda-forge"]},
    RuleName.BASE_AGE: {"days": 180},
    RuleName.IMPORT_TEST: {},
}


class PolicyRefused(ServiceError):
    """A rule or exception that cannot be saved: the field, and the reason."""

    def __init__(self, field: str, message: str, help: str = "") -> None:
        super().__init__("bad-policy", message, help)
        self.field = field


def read_options(rule: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a rule, those that are not given by default. Raises PolicyRefused."""
    result = {name: _READERS[name](given.get(name, default)) for name, default in DEFAULTS[rule].items()}
    if (
        rule == RuleName.LICENCE
        and not result["allow"]
        and not result["deny"]
        and result["unknown"] == "allow"
    ):
        raise PolicyRefused(
            "deny", "No licence is allowed or denied.", "List a licence, such as AGPL-3.0-only."
        )
    if rule == RuleName.ORIGIN and not result["origins"]:
        raise PolicyRefused("origins", "No index or channel is allowed.", "List one, such as pypi.org.")
    return result


def entries(value: object) -> list[str]:
    """Return the entries of a list, or of a text with one a line or between commas."""
    parts = re.split(r"[\n,]", value) if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise PolicyRefused("options", "This is not a list of texts.")
    result = list(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if len(result) > MOST_ENTRIES or any(len(part) > LONGEST_ENTRY for part in result):
        raise PolicyRefused(
            "options", f"A list has up to {MOST_ENTRIES} entries of up to {LONGEST_ENTRY} characters."
        )
    return result


def _licences(field: str, value: object) -> list[str]:
    result = []
    for written in entries(value):
        spelled = expression(written)
        if not spelled or " AND " in spelled or " OR " in spelled:
            raise PolicyRefused(
                field,
                f"“{written[:80]}” is not one licence of SPDX.",
                "Write an identifier such as MIT, or GPL-2.0-only WITH Classpath-exception-2.0.",
            )
        result.append(spelled)
    return sorted(set(result))


def _origins(value: object) -> list[str]:
    for written in entries(value):
        if not _ORIGIN.fullmatch(written):
            raise PolicyRefused(
                "origins",
                f"“{written[:80]}” is no index or channel.",
                "Write a host such as pypi.org, a channel such as conda-forge, or a URL.",
            )
    return sorted({written.rstrip("/") for written in entries(value)})


def _days(value: object) -> int:
    text = str(value).strip()
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > MOST_DAYS:
        raise PolicyRefused("days", f"“{text[:80]}” is no number of days.", f"Write 0 to {MOST_DAYS}.")
    return int(text)


def _choice(field: str, choices: tuple[str, ...], value: object) -> str:
    if not isinstance(value, str) or value not in choices:
        raise PolicyRefused(field, f"“{str(value)[:80]}” can't be chosen.", f"Choose {', '.join(choices)}.")
    return value


_READERS: dict[str, Any] = {
    "severity": lambda value: _choice("severity", tuple(SEVERITIES), value),
    "days": _days,
    "fixed": lambda value: value in (True, "on", "true"),
    "allow": lambda value: _licences("allow", value),
    "deny": lambda value: _licences("deny", value),
    "unknown": lambda value: _choice("unknown", UNKNOWN_LICENCES, value),
    "origins": _origins,
}
