"""Why a build failed, as pages show it: a sentence, the tool's own text apart, and the line of the definition."""

import re
from dataclasses import dataclass, field
from typing import Any

from builds.models import Build, BuildState
from environments.definition import Definition

SENTENCE_CHARACTERS = 220
SOURCE_LINES = 2_000

_END_OF_SENTENCE = re.compile(r"[.!?](?=\s)|: (?=.{120})|\n", re.DOTALL)
_AT_LINE = re.compile(r"\bat line (\d{1,6})\b|\bread at line (\d{1,6})\b")
_QUOTED = re.compile(r"“([^”\n]{3,200})”")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_OF_BASES = re.compile(r"base-|registry-|reference|no-manifest|platform")


@dataclass(frozen=True)
class Failure:
    """A failed build as pages show it. `raw` is a tool's own text, which is folded."""

    raw: str
    build: Build
    source: "Source"
    log_line: int | None = None

    @property
    def definition_line(self) -> int | None:
        """The line of the definition that the failure is about."""
        return self.source.failing

    @property
    def causes(self) -> list[dict[str, Any]]:
        """Further causes in the log that may be related."""
        return list(self.build.causes)


@dataclass(frozen=True)
class Source:
    """The text of a definition, by lines, and the line that a failure is about."""

    name: str
    lines: list[str] = field(default_factory=list)
    failing: int | None = None
    left_out: int = 0


def failure_of(build: Build) -> Failure | None:
    """Return why a build failed; None if it did not."""
    if build.state != BuildState.FAILED:
        return None
    raw = (build.details or {}).get("raw") or in_short(build.error)[1]
    return Failure(raw, build, source_of(build), build.error_line)


def in_short(message: str) -> tuple[str, str]:
    """Return the first sentence of a message, and the whole message where it says more than that."""
    message = message.strip()
    if len(message) <= SENTENCE_CHARACTERS and "\n" not in message:
        return message, ""
    match = _END_OF_SENTENCE.search(message[: 2 * SENTENCE_CHARACTERS])
    if match is None or match.start() > SENTENCE_CHARACTERS:
        return f"{message[: SENTENCE_CHARACTERS - 1].rstrip()}…", message
    return f"{message[: match.start()].rstrip(' .:')}.", message


def source_of(build: Build) -> Source:
    """Return the text that a build's definition was read from, and the line that its failure is about."""
    version = build.version
    text, name = version.source, version.source_path
    data = version.data
    dockerfile = data.get("dockerfile")
    if not text:
        if not dockerfile and not data.get("context"):
            return Source("")
        context = version.definition.context
        text = dockerfile or (context.dockerfile if context else "")
        name = context.dockerfile_path if context else "Dockerfile"
    lines = text.splitlines()
    known = (build.details or {}).get("line")
    failing = known or failing_line(build, lines) if build.state == BuildState.FAILED else None
    return Source(name, lines[:SOURCE_LINES], failing, max(0, len(lines) - SOURCE_LINES))


def failing_line(build: Build, lines: list[str]) -> int | None:
    """Return the line of a definition that a failure names, from 1; None where it names none."""
    if build.error_fault == "studio":
        return None
    error = build.error[:4000]
    for quoted in _QUOTED.findall(error):
        wanted = " ".join(quoted.rstrip("…").split())
        for number, line in enumerate(lines, 1):
            if wanted in " ".join(line.split()):
                return number
    if match := _AT_LINE.search(error):
        number = int(match[1] or match[2])
        return number if number <= len(lines) else None
    definition = build.version.definition
    if _OF_BASES.search(build.error_code):
        return _line_of_base(definition, lines)
    return _line_of_package(definition, error, lines)


def _line_of_base(definition: Definition, lines: list[str]) -> int | None:
    if definition.image is None:
        return next((n for n, line in enumerate(lines, 1) if line.lstrip().upper().startswith("FROM ")), None)
    short = definition.image.removeprefix("docker.io/").removeprefix("library/").partition("@")[0]
    return next((n for n, line in enumerate(lines, 1) if short in line), None)


def _line_of_package(definition: Definition, error: str, lines: list[str]) -> int | None:
    """Return the line of the requested package that the error names first."""
    requested = {}
    for spec in (*definition.python.pip, *definition.python.conda):
        if match := _NAME.match(spec.rpartition("::")[2]):
            requested[_normalised(match[0])] = spec
    for match in _NAME.finditer(error):
        name = _normalised(match[0])
        while name and name not in requested and "==" not in name:
            # numpy-2.1.3 names numpy
            name = name.rpartition("-")[0]
        if name in requested:
            pattern = re.compile(
                r"(?<![A-Za-z0-9._/-])"
                + re.sub("-", "[-_.]", re.escape(name).replace(r"\-", "-"))
                + r"(?![A-Za-z0-9_-])",
                re.IGNORECASE,
            )
            return next(
                (n for n, line in enumerate(lines, 1) if pattern.search(line.partition("#")[0])), None
            )
    return None


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
