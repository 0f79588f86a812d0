"""The times before which packages must have been uploaded, as a definition and a workspace's policy have them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from builds.imaging.reporting import ImageError
from environments.definition.model import Cutoff
from environments.definition.packages.cutoffs import ANY, BadCutoff, is_date, limit_of, spelled

_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)
_NONE = Cutoff()
Whose = Literal["definition", "workspace"]


@dataclass(frozen=True, slots=True)
class Limit:
    """A time before which something must have been uploaded, who says so, and whether it moves with time."""

    before: dt.datetime
    whose: Whose
    moving: bool = False

    @property
    def text(self) -> str:
        """The time as people read it."""
        return f"{self.before:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, slots=True)
class _Side:
    """One side's limits: by package, by the address of an index or channel, and for all others."""

    default: Limit | None = None
    by_name: Mapping[str, Limit | None] = field(default_factory=dict)
    by_address: Mapping[str, Limit | None] = field(default_factory=dict)

    def of(self, name: str, url: str) -> Limit | None:
        if name in self.by_name:
            return self.by_name[name]
        matching = [address for address in self.by_address if url == address or url.startswith(f"{address}/")]
        return self.by_address[max(matching, key=len)] if matching else self.default


@dataclass(frozen=True)
class Limits:
    """The limits of one solve: for each package, the stricter of the definition's and the workspace's.

    Ages are counted from `now`, once: every solve of a build has the same limits. Raises ImageError for what is
    neither a date nor an age.
    """

    definition: Cutoff = _NONE
    workspace: Cutoff = _NONE
    now: dt.datetime = _NEVER
    _sides: tuple[_Side, _Side] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        sides = (
            _side(self.definition, "definition", self.now),
            _side(self.workspace, "workspace", self.now),
        )
        object.__setattr__(self, "_sides", sides)

    def __bool__(self) -> bool:
        return any(
            limit is not None
            for side in self._sides
            for limit in (side.default, *side.by_name.values(), *side.by_address.values())
        )

    def of(self, name: str = "", url: str = "") -> Limit | None:
        """Return the limit for a package (by its normalised name) of an index or channel; None for none."""
        sides = [side.of(name, url.rstrip("/")) for side in self._sides]
        return min((limit for limit in sides if limit is not None), key=_before, default=None)

    def allows(self, name: str, url: str, uploaded: dt.datetime | None) -> bool:
        """Return whether a file may be used; one without a known time only where there is no limit."""
        limit = self.of(name, url)
        return limit is None or (uploaded is not None and uploaded < limit.before)

    @property
    def names(self) -> list[str]:
        """The packages that have a limit of their own."""
        return sorted({name for side in self._sides for name in side.by_name})

    @property
    def addresses(self) -> list[str]:
        """The indexes and channels that have a limit of their own."""
        return sorted({url for side in self._sides for url in side.by_address})

    def recorded(self) -> Cutoff:
        """Return the limits with absolute times, as the lock keeps them."""
        own = {name: self.of(name) for name in self.names} | {url: self.of(url=url) for url in self.addresses}
        default = self.of()
        return Cutoff(
            as_of=_written(default) if default else "",
            exceptions={key: _written(limit) if limit else ANY for key, limit in own.items()},
        )

    def to_json(self) -> dict[str, object]:
        """Return the limits as JSON that `from_json` reads back."""
        sides = {"definition": self.definition, "workspace": self.workspace}
        return {"now": self.now.isoformat(), **{name: side.model_dump() for name, side in sides.items()}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        now = dt.datetime.fromisoformat(value["now"])
        return cls(Cutoff(**value["definition"]), Cutoff(**value["workspace"]), now)


def _side(cutoff: Cutoff, whose: Whose, now: dt.datetime) -> _Side:
    try:
        given = [_limit(text, whose, now) for text in (cutoff.as_of, cutoff.newest) if text]
        own = {key: _limit(text, whose, now) for key, text in cutoff.exceptions.items()}
    except BadCutoff as error:
        raise ImageError(
            "bad-spec", f"A date or age that limits uploads cannot be read: {error}.", error.help
        ) from error
    default = min((limit for limit in given if limit is not None), key=_before, default=None)
    return _Side(
        default,
        {key: limit for key, limit in own.items() if "://" not in key},
        {key: limit for key, limit in own.items() if "://" in key},
    )


def _limit(text: str, whose: Whose, now: dt.datetime) -> Limit | None:
    before = limit_of(text, now)
    return None if before is None else Limit(before, whose, moving=not is_date(spelled(text)))


def _before(limit: Limit) -> dt.datetime:
    return limit.before


def _written(limit: Limit) -> str:
    return limit.before.isoformat().replace("+00:00", "Z")


NO_LIMITS = Limits()
