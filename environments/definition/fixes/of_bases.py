"""Fixes of base images and of Dockerfiles."""

from __future__ import annotations

import re
from contextlib import suppress

from environments.definition.findings.finding import Edit, Finding, Fix
from environments.definition.fixes.lines import Lines, Spot, fix
from environments.definition.fixes.of_packages import CHANGE, USUAL_PYTHON
from environments.definition.syntax.reference import BadReference, ImageReference

_IMAGE = re.compile(
    r"(?:^\s*image:\s*|^\s*(?i:FROM)\s+(?:--\S+\s+)?|[\"']baseImage[\"']\s*:\s*)[\"']?(?P<image>[^\s\"'#,]+)"
)
_SCHEME = re.compile(r"^(?:https?|docker|oci)://", re.IGNORECASE)
_NEWER = (
    (re.compile(r"(?<=python:)(?:2|3)(?:\.\d+){0,2}"), USUAL_PYTHON),
    (re.compile(r"(?<=ubuntu:)(?:14|16|18|20)\.04"), "24.04"),
    (re.compile(r"(?<=debian:)(?:8|9|10)(?:\.\d+)?(?=-|$)"), "12"),
    (re.compile(r"(?<=[:-])(?:jessie|stretch|buster)(?=-|$)"), "bookworm"),
    (re.compile(r"(?<=ubuntu)(?:16|18|20)\.04"), "22.04"),
)


def bad_image(lines: Lines, finding: Finding) -> Fix | None:
    """Write the reference without a scheme, and its repository in small letters."""
    spot = lines.matching(finding, _IMAGE, "image")
    if spot is None:
        return None
    written = lines.all[spot.line][spot.start : spot.end]
    bare = _SCHEME.sub("", written).rstrip(":/")
    repository, sign, tag = bare.rpartition(":")
    if not sign or "/" in tag:
        repository, sign, tag = bare, "", ""
    new = f"{repository.lower()}{sign}{tag}"
    with suppress(BadReference):
        ImageReference.parse(new)
        return fix(CHANGE, lines.replacing(spot, new), safe=True, new=new) if new != written else None
    return None


def base_deprecated(lines: Lines, finding: Finding) -> Fix | None:
    """Take the same base in a version that still gets updates."""
    spot = lines.matching(finding, _IMAGE, "image")
    if spot is None:
        return None
    written = new = lines.all[spot.line][spot.start : spot.end]
    for pattern, newer in _NEWER:
        new = pattern.sub(newer, new)
    return fix(CHANGE, lines.replacing(spot, new), new=new) if new != written else None


def bad_instruction(lines: Lines, finding: Finding) -> Fix | None:
    """Write the instruction that was probably meant."""
    what, meant = finding.value("what"), finding.value("meant")
    line = lines.of(finding)
    start = len(line) - len(line.lstrip())
    if not meant or line[start : start + len(what)].upper() != what.upper():
        return None
    spot = Spot((finding.line or 1) - 1, start, start + len(what))
    edit: Edit = lines.replacing(spot, meant)
    return fix(CHANGE, edit, new=meant)
