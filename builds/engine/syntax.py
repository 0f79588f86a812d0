"""Which of the engine's two builders a Dockerfile needs, and what neither can do from here."""

from __future__ import annotations

import re

from builds.images.report import ImageError
from environments.definition.dockerfile import Instruction, directives, instructions

CLASSIC, BUILDKIT = "1", "2"

_FLAGS = re.compile(r"((?:--\S+\s+)*)")
_ONLY_BUILDKIT = {
    "RUN": ("--mount", "--network", "--security", "--device"),
    "COPY": ("--link", "--chmod", "--parents", "--exclude"),
    "ADD": ("--link", "--chmod", "--checksum", "--keep-git-dir", "--exclude"),
}
_NEEDS_THE_CLIENT = re.compile(r"--mount=\S*type=(secret|ssh)\b")
_AUTOMATIC = re.compile(r"(?:TARGET|BUILD)(?:PLATFORM|ARCH|OS|VARIANT)")
# The first engine whose own BuildKit reads heredocs without fetching a newer one from Docker Hub.
_READS_HEREDOCS = 23


def builder_for(text: str, engine_version: str) -> str:
    """Return the builder that reads this Dockerfile. Refuses, with the line, what cannot be built here."""
    wanted = CLASSIC
    for one in instructions(text):
        secret = _NEEDS_THE_CLIENT.search(one.arguments) if one.keyword == "RUN" else None
        if secret:
            raise ImageError(
                "buildkit-needed",
                f"Line {one.line} of the Dockerfile mounts a {secret[1]}; the studio gives none to builds.",
                "Fetch what is private into the build context, or take a base image that holds it.",
            )
        if one.heredocs and _major(engine_version) < _READS_HEREDOCS:
            raise ImageError(
                "buildkit-needed",
                f"Line {one.line} of the Dockerfile has a heredoc (<<), which Docker Engine {engine_version} "
                "of this studio cannot read.",
                "Write the commands behind RUN, joined by && and \\, or put the file into the build context.",
            )
        if one.heredocs or _is_newer(one):
            wanted = BUILDKIT
    return wanted


def without_frontend(text: str) -> str:
    """Return the Dockerfile without `# syntax=`: the engine's own reader is used, not one from Docker Hub."""
    if "syntax" not in directives(text):
        return text
    lines = text.split("\n")
    for at, line in enumerate(lines):
        if re.match(r"\ufeff?\s*#\s*syntax\s*=", line, re.IGNORECASE):
            # An empty line would end the directives; the ones behind it must still count.
            lines[at] = "# check=skip=all"
            break
    return "\n".join(lines)


def _is_newer(one: Instruction) -> bool:
    # The classic builder does not know these arguments, and would build with empty ones.
    if one.keyword == "ARG" and _AUTOMATIC.fullmatch(one.arguments.strip()):
        return True
    match = _FLAGS.match(one.arguments)
    flags = [flag.partition("=")[0].lower() for flag in (match[1] if match else "").split()]
    return any(flag in _ONLY_BUILDKIT.get(one.keyword, ()) for flag in flags)


def _major(version: str) -> int:
    digits = version.partition(".")[0]
    return int(digits) if digits.isdigit() else 0
