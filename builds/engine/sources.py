"""The images that a Dockerfile starts from, and the Dockerfile with other names in their places."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from builds.images.report import ImageError
from environments.definition.dockerfile import Instruction, instructions
from environments.definition.reference import BadReference, ImageReference

HOST = "host"
_SCRATCH = "scratch"
_FROM = re.compile(r"((?:--\S+\s+)*)(\S+)(?:\s+as\s+(\S+))?\s*", re.IGNORECASE)
_PLATFORM = re.compile(r"--platform=(\S+)", re.IGNORECASE)
_COPIED = re.compile(r"--from=(\S+)", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?:(:?[-+])([^}]*))?\})")
_ARGUMENT = re.compile(r"""(\w+)(?:=("[^"]*"|'[^']*'|\S*))?""")


@dataclass(frozen=True)
class Source:
    """An image that a Dockerfile names: its reference, written out, for a platform, at a line."""

    reference: str
    platform: str
    written: str
    line: int
    last_line: int
    stage: str = ""
    copied: bool = False

    @property
    def floating(self) -> bool:
        """Whether it may be another image tomorrow (rule 18)."""
        return self.reference != HOST and ImageReference.parse(self.reference).floating

    @property
    def key(self) -> str:
        """What the image is looked up by."""
        return f"{self.reference} {self.platform}"


def sources(text: str, arguments: Mapping[str, str], platform: str) -> list[Source]:
    """Return the images that a Dockerfile names, in order: not its own stages, and not `scratch`."""
    return list(_sources(text, arguments, platform))


def _sources(text: str, arguments: Mapping[str, str], platform: str) -> Iterator[Source]:
    known = {"TARGETPLATFORM": platform, "BUILDPLATFORM": platform}
    known |= {"TARGETARCH": platform.partition("/")[2], "TARGETOS": platform.partition("/")[0]}
    stages: list[str] = []
    started = False
    for one in instructions(text):
        if one.keyword == "ARG" and not started:
            for name, value in _ARGUMENT.findall(one.arguments):
                given = arguments.get(name, value.strip("\"'"))
                known[name] = expanded(given, known)
        elif one.keyword == "FROM":
            started = True
            found = _from(one, known, platform)
            if found.written.lower() not in (*stages, _SCRATCH):
                yield found
            stages.append(found.stage.lower())
        elif one.keyword == "COPY" and (match := _COPIED.search(one.arguments)):
            written = match[1]
            if not written.isdigit() and written.lower() not in stages:
                yield _source(one, written, written, platform, copied=True)
    if not started:
        raise ImageError(
            "dockerfile-invalid",
            "The Dockerfile has no FROM, so there is nothing to start from.",
            "Begin it with FROM and a base image, such as FROM python:3.11-slim.",
        )


def _from(one: Instruction, known: Mapping[str, str], platform: str) -> Source:
    match = _FROM.fullmatch(one.arguments)
    if match is None:
        raise ImageError(
            "dockerfile-invalid",
            f"Line {one.line} of the Dockerfile cannot be read: FROM {one.arguments[:200]}",
            "Write FROM image, or FROM image AS stage.",
        )
    flags, written, stage = match[1], expanded(match[2], known), match[3] or ""
    wanted = _PLATFORM.search(flags)
    if written.lower() == _SCRATCH or not written:
        if not written:
            raise ImageError(
                "bad-spec",
                f"Line {one.line} of the Dockerfile names no image: {match[2]} has no value.",
                "Give the ARG a default, or the build an argument.",
            )
        return Source(_SCRATCH, platform, written, one.line, one.last_line, stage)
    return _source(one, written, match[2], expanded(wanted[1], known) if wanted else platform, stage=stage)


def _source(
    one: Instruction, name: str, written: str, platform: str, *, stage: str = "", copied: bool = False
) -> Source:
    try:
        reference = HOST if name == HOST else str(ImageReference.parse(name))
    except BadReference as error:
        raise ImageError(
            "base-not-found",
            f"Line {one.line} of the Dockerfile names no image: {error}.",
            "Write it as registry/name:tag, such as python:3.11-slim.",
        ) from error
    # `written` tells a stage by its name, so for FROM it is what the variables came to.
    return Source(
        reference, platform, written if copied else name, one.line, one.last_line, stage, copied=copied
    )


def expanded(text: str, known: Mapping[str, str]) -> str:
    """Return the text with its variables filled in, as Docker does in FROM."""

    def value(match: re.Match[str]) -> str:
        found, otherwise, word = known.get(match[1] or match[2]), match[3] or "", match[4] or ""
        there = found is not None and (bool(found) or not otherwise.startswith(":"))
        if otherwise.endswith("+"):
            return word if there else ""
        return (found or "") if there else word

    return _VARIABLE.sub(value, text)


def with_names(text: str, names: Mapping[Source, str]) -> str:
    """Return the Dockerfile with these names in place of its images; every line stays at its number."""
    lines = text.split("\n")
    for source, name in names.items():
        first, last = source.line - 1, source.last_line
        if source.copied:
            for at in range(first, last):
                lines[at] = lines[at].replace(f"--from={source.written}", f"--from={name}")
        else:
            stage = f" AS {source.stage}" if source.stage else ""
            lines[first:last] = [f"FROM {name}{stage}", *[""] * (last - source.line)]
    return "\n".join(lines)
