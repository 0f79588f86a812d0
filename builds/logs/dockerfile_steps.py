"""The steps of a Dockerfile inside a log: found in the lines that a builder writes, classic or BuildKit."""

import re
from dataclasses import dataclass, field
from typing import TypedDict

_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CLASSIC = re.compile(r"Step (?P<place>\d+/\d+) : (?P<name>.+)", re.DOTALL)
_VERTEX = re.compile(
    r"#(?P<number>\d+) \[(?:(?P<stage>[^\]]*?) )?(?P<place>\d+/\d+)\] (?P<name>.+)", re.DOTALL
)
_ENDED = re.compile(
    r"#(?P<number>\d+) (?:(?P<cached>CACHED)|DONE (?P<seconds>[\d.]+)s|(?P<bad>ERROR|CANCELED))"
)
_DRAWN = re.compile(
    r" => (?P<how>CACHED |ERROR |CANCELED )?\[(?:(?P<stage>[^\]]*?) )?(?P<place>\d+/\d+)\] (?P<name>.+?)"
    r"(?:\s+(?P<seconds>[\d.]+)s)?\s*$"
)
_BUILT = re.compile(r"Successfully built [0-9a-f]{12}|Built in [\d.]+ s; ")
_MOST = 500
_NAME = 300


class Part(TypedDict):
    """One step of a Dockerfile: its first line in the log; `seconds` is None while it goes on."""

    name: str
    place: str
    line: int
    seconds: float | None
    cached: bool
    failed: bool


@dataclass
class Parts:
    """The parts of one step of a build, as its lines come by."""

    rows: list[Part] = field(default_factory=list)
    _open: dict[str, tuple[Part, float]] = field(default_factory=dict)

    def see(self, number: int, line: str, now: float) -> bool:
        """Take in a line of the log, with its number and the time; return whether anything changed."""
        if line[:1] not in "BS# \x1b" or not line:
            return False
        line = _STYLE.sub("", line)
        if found := _CLASSIC.match(line):
            self._close("classic", now)
            return self._begin("classic", found["place"], found["name"], number, now)
        if _BUILT.match(line) and "classic" in self._open:
            self._close("classic", now)
            return True
        if line == " ---> Using cache" and "classic" in self._open:
            self._open["classic"][0]["cached"] = True
            self._close("classic", now)
            return True
        if found := _VERTEX.match(line):
            return self._begin(f"#{found['number']}", found["place"], found["name"], number, now)
        if found := _ENDED.match(line):
            return self._end(f"#{found['number']}", found, now)
        if found := _DRAWN.match(line):
            return self._drawn(found, number, now)
        return False

    def end(self, now: float, *, failed: bool) -> None:
        """End what goes on still; in a step that failed, that is what failed."""
        anything = any(row["failed"] for row in self.rows)
        for key, (row, _) in list(self._open.items()):
            row["failed"] = row["failed"] or (failed and not anything)
            self._close(key, now)

    def copy(self) -> list[Part]:
        """Return the parts as they are now."""
        return [row.copy() for row in self.rows]

    @property
    def failing_from(self) -> int | None:
        """The first line of the part that failed, or that goes on."""
        bad = [row["line"] for row in self.rows if row["failed"]]
        return min(bad or [row["line"] for row, _ in self._open.values()], default=None)

    def _begin(self, key: str, place: str, name: str, number: int, now: float) -> bool:
        known = key in self._open or any(row["place"] == place and row["name"] == name for row in self.rows)
        if (known and key != "classic") or len(self.rows) >= _MOST:
            return False
        row = Part(name=name[:_NAME], place=place, line=number, seconds=None, cached=False, failed=False)
        self.rows.append(row)
        self._open[key] = (row, now)
        return True

    def _end(self, key: str, found: re.Match[str], now: float) -> bool:
        if key not in self._open:
            return False
        row = self._open[key][0]
        row["cached"], row["failed"] = bool(found["cached"]), found["bad"] == "ERROR"
        self._close(key, now, seconds=float(found["seconds"]) if found["seconds"] else None)
        return True

    def _drawn(self, found: re.Match[str], number: int, now: float) -> bool:
        """Take in a line of what BuildKit draws on terminals; the same step comes by again and again."""
        key = f"{found['stage']} {found['place']} {found['name']}"
        self._begin(key, found["place"], found["name"], number, now)
        if key not in self._open:
            return False
        row = self._open[key][0]
        how = (found["how"] or "").strip()
        row["cached"], row["failed"] = how == "CACHED", how == "ERROR"
        row["seconds"] = float(found["seconds"]) if found["seconds"] else row["seconds"]
        return True

    def _close(self, key: str, now: float, *, seconds: float | None = None) -> None:
        if key in self._open:
            row, began = self._open.pop(key)
            if row["seconds"] is None:
                row["seconds"] = (
                    0.0 if row["cached"] else round(now - began if seconds is None else seconds, 3)
                )
