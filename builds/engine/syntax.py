"""Which of the engine's two builders a Dockerfile needs, and what neither can do from here."""

from __future__ import annotations

import re

from builds.engine.dockerfiles.words import Unreadable, flags_of
from builds.imaging.reporting import ImageError
from environments.definition.syntax.dockerfile import Instruction, instructions

CLASSIC, BUILDKIT = "1", "2"

_ONLY_BUILDKIT = {
    "RUN": ("--mount", "--network", "--security", "--device"),
    "COPY": ("--link", "--chmod", "--parents", "--exclude"),
    "ADD": ("--link", "--chmod", "--checksum", "--keep-git-dir", "--exclude"),
}
_AUTOMATIC = re.compile(r"(?:TARGET|BUILD)(?:PLATFORM|ARCH|OS|VARIANT)")
# The first engine whose own BuildKit reads heredocs without fetching a newer one from Docker Hub.
_READS_HEREDOCS = 23


def builder_for(text: str, engine_version: str) -> str:
    """Return the builder that reads this Dockerfile. Refuses, with the line, what cannot be built here."""
    wanted = CLASSIC
    for instruction in instructions(text):
        secret = _secret(instruction) if instruction.keyword == "RUN" else ""
        if secret:
            raise ImageError(
                "buildkit-needed",
                f"Line {instruction.line} of the Dockerfile mounts a {secret}; the studio gives none to builds.",
                "Fetch what is private into the build context, or take a base image that holds it.",
            )
        if instruction.heredocs and _major(engine_version) < _READS_HEREDOCS:
            raise ImageError(
                "buildkit-needed",
                f"Line {instruction.line} of the Dockerfile has a heredoc (<<), which Docker Engine {engine_version} "
                "of this studio cannot read.",
                "Write the commands behind RUN, joined by && and \\, or put the file into the build context.",
            )
        if instruction.heredocs or _is_newer(instruction):
            wanted = BUILDKIT
    return wanted


def _is_newer(instruction: Instruction) -> bool:
    # The classic builder does not know these arguments, and would build with empty ones.
    if instruction.keyword == "ARG" and _AUTOMATIC.fullmatch(instruction.arguments.strip()):
        return True
    names = (flag.partition("=")[0].lower() for flag in _flags(instruction))
    return any(name in _ONLY_BUILDKIT.get(instruction.keyword, ()) for name in names)


def _secret(instruction: Instruction) -> str:
    """Return the kind of secret that an instruction mounts; empty if none."""
    for flag in _flags(instruction):
        name, _, value = flag.partition("=")
        fields = [entry.strip().lower() for entry in value.split(",")]
        for kind in ("secret", "ssh"):
            if name == "--mount" and f"type={kind}" in fields:
                return kind
    return ""


def _flags(instruction: Instruction) -> list[str]:
    try:
        return flags_of(instruction.arguments)[0]
    except Unreadable as error:
        raise ImageError(
            "dockerfile-invalid",
            f"Line {instruction.line} of the Dockerfile cannot be read: {error}.",
            "Write its flags in a plainer form, without quotes and escapes.",
        ) from error


def _major(version: str) -> int:
    digits = version.partition(".")[0]
    return int(digits) if digits.isdigit() else 0
