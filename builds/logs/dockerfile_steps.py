"""The steps of a Dockerfile, parsed from the lines that the classic builder or BuildKit writes to the log."""

import re
from dataclasses import dataclass, field
from typing import TypedDict

_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CLASSIC = re.compile(r"Step (?P<position>\d+/\d+) : (?P<name>.+)", re.DOTALL)
_VERTEX = re.compile(
    r"#(?P<number>\d+) \[(?:(?P<stage>[^\]]*?) )?(?P<position>\d+/\d+)\] (?P<name>.+)", re.DOTALL
)
_ENDED = re.compile(
    r"#(?P<number>\d+) (?:(?P<cached>CACHED)|DONE (?P<seconds>[\d.]+)s|(?P<bad>ERROR|CANCELED))"
)
_DRAWN = re.compile(
    r" => (?P<status>CACHED |ERROR |CANCELED )?\[(?:(?P<stage>[^\]]*?) )?(?P<position>\d+/\d+)\] (?P<name>\S++(?>\s++(?!(?:[\d.]++s)?\s*+$)\S++)*+)"
    r"(?:\s++(?P<seconds>[\d.]++)s)?\s*+$"
)
_BUILT = re.compile(r"Successfully built [0-9a-f]{12}|Built in [\d.]+ s; ")
_MAX_STEPS = 500
_NAME_CHARACTERS = 300


class DockerfileStep(TypedDict):
    """One step of a Dockerfile; `line` is its first log line, `seconds` is None while it runs."""

    name: str
    position: str
    line: int
    seconds: float | None
    cached: bool
    failed: bool


@dataclass
class DockerfileSteps:
    """The steps of a Dockerfile within one step of a build, updated line by line."""

    rows: list[DockerfileStep] = field(default_factory=list)
    _open: dict[str, tuple[DockerfileStep, float]] = field(default_factory=dict)

    def feed(self, number: int, line: str, now: float) -> bool:
        """Parse a log line, with its number and time; return whether a step changed."""
        if line[:1] not in "BS# \x1b" or not line:
            return False
        line = _STYLE.sub("", line)
        if match := _CLASSIC.match(line):
            self._close("classic", now)
            return self._begin("classic", match["position"], match["name"], number, now)
        if _BUILT.match(line) and "classic" in self._open:
            self._close("classic", now)
            return True
        if line == " ---> Using cache" and "classic" in self._open:
            self._open["classic"][0]["cached"] = True
            self._close("classic", now)
            return True
        if match := _VERTEX.match(line):
            return self._begin(f"#{match['number']}", match["position"], match["name"], number, now)
        if match := _ENDED.match(line):
            return self._end(f"#{match['number']}", match, now)
        if match := _DRAWN.match(line):
            return self._redraw(match, number, now)
        return False

    def end(self, now: float, *, failed: bool) -> None:
        """End the running steps; if the build's step `failed` and none of these did, they failed."""
        any_failed = any(row["failed"] for row in self.rows)
        for key, (row, _) in list(self._open.items()):
            row["failed"] = row["failed"] or (failed and not any_failed)
            self._close(key, now)

    def copy(self) -> list[DockerfileStep]:
        """Return a copy of the steps."""
        return [row.copy() for row in self.rows]

    @property
    def failing_from(self) -> int | None:
        """The first line of the failed step, or else of a running step."""
        failed = [row["line"] for row in self.rows if row["failed"]]
        return min(failed or [row["line"] for row, _ in self._open.values()], default=None)

    def _begin(self, key: str, position: str, name: str, number: int, now: float) -> bool:
        known = key in self._open or any(
            row["position"] == position and row["name"] == name for row in self.rows
        )
        if (known and key != "classic") or len(self.rows) >= _MAX_STEPS:
            return False
        row = DockerfileStep(
            name=name[:_NAME_CHARACTERS],
            position=position,
            line=number,
            seconds=None,
            cached=False,
            failed=False,
        )
        self.rows.append(row)
        self._open[key] = (row, now)
        return True

    def _end(self, key: str, match: re.Match[str], now: float) -> bool:
        if key not in self._open:
            return False
        row = self._open[key][0]
        row["cached"], row["failed"] = bool(match["cached"]), match["bad"] == "ERROR"
        self._close(key, now, seconds=float(match["seconds"]) if match["seconds"] else None)
        return True

    def _redraw(self, match: re.Match[str], number: int, now: float) -> bool:
        """Parse a line that BuildKit draws on terminals; it draws the same step many times."""
        key = f"{match['stage']} {match['position']} {match['name']}"
        self._begin(key, match["position"], match["name"], number, now)
        if key not in self._open:
            return False
        row = self._open[key][0]
        status = (match["status"] or "").strip()
        row["cached"], row["failed"] = status == "CACHED", status == "ERROR"
        row["seconds"] = float(match["seconds"]) if match["seconds"] else row["seconds"]
        return True

    def _close(self, key: str, now: float, *, seconds: float | None = None) -> None:
        if key in self._open:
            row, began = self._open.pop(key)
            if row["seconds"] is None:
                row["seconds"] = (
                    0.0 if row["cached"] else round(now - began if seconds is None else seconds, 3)
                )
