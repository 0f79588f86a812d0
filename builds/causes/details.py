"""Details that a failed build keeps beside its sentence: raw text, the sides of a conflict, its line in the definition."""

from __future__ import annotations

import re
from collections.abc import Callable

from builds.imaging.reporting import ImageError
from environments.definition.packages.conflicts import rows_of, suggestion_of

LONGEST_RAW = 8_000
_OF_THE_BASE = re.compile(r"^(?:base-|registry-|image-not-found|bad-reference|no-python|python-unfit)")
_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*")


def failure_details(
    failure: ImageError, source: str, base: str, dockerfile: str, masked: Callable[[str], str]
) -> dict[str, object]:
    """Return the details of a failure: `raw`, `conflict`, `suggestion`, `line` and `text` where they are known.

    `source` is the definition's text as people edit it, `base` its base image, `dockerfile` its Dockerfile.
    """
    details: dict[str, object] = {}
    if failure.detail:
        details["raw"] = masked(failure.detail)[:LONGEST_RAW]
    subject = failure.subject
    if failure.code == "conflict" and (rows := rows_of(failure.detail)):
        details["conflict"] = [{"who": masked(row.who), "what": masked(row.what)} for row in rows]
        if suggestion := suggestion_of(rows):
            details["suggestion"] = masked(suggestion)
        subject = subject or rows[0].what
    lines = source.replace("\r\n", "\n").split("\n")
    index = _line_of(failure, subject, lines, base, dockerfile)
    if index is not None and masked(lines[index]) == lines[index]:
        details |= {"line": index + 1, "text": lines[index][:2000]}
    return details


def _line_of(failure: ImageError, subject: str, lines: list[str], base: str, dockerfile: str) -> int | None:
    if failure.source_line and dockerfile:
        return _line_in_dockerfile(failure.source_line, lines, dockerfile)
    if _OF_THE_BASE.match(failure.code) and base:
        return next((index for index, line in enumerate(lines) if _is_base(line, base)), None)
    match = _NAME.match(subject)
    if match is None:
        return None
    parts = "[-_.]+".join(map(re.escape, re.split(r"[-_.]+", match[0])))
    name = re.compile(rf"(?<![\w.-]){parts}(?![\w-])", re.IGNORECASE)
    candidates = [i for i, line in enumerate(lines) if name.search(line.partition("#")[0])]
    exact = [index for index in candidates if subject in lines[index]]
    return next(iter(exact or candidates), None)


def _line_in_dockerfile(number: int, lines: list[str], dockerfile: str) -> int | None:
    """Return the line of the definition that is this line of its Dockerfile, which may be part of YAML."""
    own = dockerfile.replace("\r\n", "\n").split("\n")
    if not 0 < number <= len(own):
        return None
    wanted = own[number - 1].strip()
    if number <= len(lines) and lines[number - 1].strip() == wanted:
        return number - 1
    return next((index for index, line in enumerate(lines) if wanted and line.strip() == wanted), None)


def _is_base(line: str, base: str) -> bool:
    return base in line.partition("#")[0] and re.search(r"image|from", line, re.IGNORECASE) is not None
