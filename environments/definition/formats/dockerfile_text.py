"""A Dockerfile as the base of a definition."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from environments.definition.files.limits import Limits, size_text
from environments.definition.findings import secrets
from environments.definition.findings.checks import PLACEHOLDER, check_image
from environments.definition.findings.result import Draft
from environments.definition.formats.source import Source
from environments.definition.model import Definition
from environments.definition.syntax.dockerfile import Instruction, instructions
from environments.definition.syntax.text import Placed

FORMAT = "dockerfile"
KEYWORDS = frozenset(
    (
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    )
)
_FIRST = re.compile(
    r"FROM(?:[ \t]+--\S+)*[ \t]+\S+(?:[ \t]+AS[ \t]+\S+)?[ \t]*\\?$|ARG[ \t]+[A-Za-z_]\w*(?:=|$|[ \t])",
    re.IGNORECASE,
)
_LONGEST_VALUE = 4096
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?:(:?[-+])((?>(?!\$\{)[^}])*+))?\}|(\w+))")
_PIP = re.compile(r"(?:^|[\s;&|/])(?:pip3?|uv\s+pip)\s+install\b")
_FLAG = re.compile(r"--[\w-]+(?:=\S+)?\s*")


def recognised(text: str) -> bool:
    """Whether the text begins as a Dockerfile must: with FROM, or an ARG before it."""
    for line in text.lstrip("\ufeff").splitlines():
        bare = line.strip()
        if bare and not bare.startswith("#"):
            return _FIRST.match(bare) is not None
    return False


def read(draft: Draft, text: Placed | str, limits: Limits | None = None, *, alone: bool = True) -> None:
    """Take the text as the definition's Dockerfile, and say what there is to say about it."""
    limits = limits or Limits()
    if len(text.encode("utf-8", "replace")) > limits.dockerfile:
        size, limit = size_text(len(text)), size_text(limits.dockerfile)
        raise draft.refuse("too-large", Placed("", 1), what="the Dockerfile", size=size, limit=limit)
    if alone:
        draft.dockerfile = text if isinstance(text, Placed) else Placed(text, 1, 1, draft.file)
        placeholders(draft, str(text))
    inspect(draft, str(text), alone=alone)


def read_source(draft: Draft, text: str, source: Source) -> None:
    """Take the file as the definition's Dockerfile."""
    read(draft, text, source.limits)


def inspect(draft: Draft, text: str, *, alone: bool) -> None:
    """Say what there is to say about a Dockerfile's text; `alone` where no files are around it."""
    parsed = list(instructions(text))
    if not any(instruction.keyword == "FROM" for instruction in parsed):
        draft.note("dockerfile-no-from", Placed("", 1))
    for instruction in parsed:
        if instruction.keyword not in KEYWORDS:
            what = instruction.keyword[:40]
            near = next(iter(difflib.get_close_matches(what, sorted(KEYWORDS), n=1, cutoff=0.6)), "")
            draft.note("dockerfile-bad-instruction", Placed("", instruction.line, 1), what=what, meant=near)
    for image, line in base_images(parsed):
        check_image(draft, Placed(image, line, 1, draft.file))
    lines = text.split("\n")
    for instruction in parsed:
        _secrets(draft, instruction, lines)
        if alone and instruction.keyword in ("COPY", "ADD"):
            _copies(draft, instruction)
    if draft.conda:
        for instruction in parsed:
            if instruction.keyword == "RUN" and _PIP.search(instruction.body):
                draft.note("dockerfile-pip-next-to-conda", Placed("", instruction.line, 1))
                break


def base_images(parsed: list[Instruction]) -> Iterator[tuple[str, int]]:
    """The images that the stages start from, with their lines: ARGs filled in, earlier stages left out."""
    arguments: dict[str, str] = {}
    stages: set[str] = set()
    before_first = True
    for instruction in parsed:
        if instruction.keyword == "ARG" and before_first:
            for name, value in _assignments(instruction.arguments):
                arguments[name] = _filled(value, arguments)
        elif instruction.keyword == "FROM":
            before_first = False
            parts = _FLAG.sub("", instruction.arguments, count=5).split()
            if not parts:
                continue
            image = _filled(parts[0], arguments)
            if image.lower() not in stages and image != "scratch" and "$" not in image and image:
                yield image, instruction.line
            if len(parts) >= 3 and parts[1].lower() == "as":
                stages.add(parts[2].lower())


def write(definition: Definition) -> str:
    """The Dockerfile of a definition that has one."""
    return definition.dockerfile_text


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    for match in re.finditer(r"([A-Za-z_]\w*)(?:=(\"[^\"]*\"|'[^']*'|\S*))?", text):
        yield match[1], (match[2] or "").strip("\"'")


def _filled(text: str, arguments: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, sign, other = match[1] or match[4], match[2], match[3] or ""
        known = arguments.get(name, "")
        if sign and sign.endswith("-"):
            return known or other
        if sign and sign.endswith("+"):
            return other if known else ""
        return known or match[0]

    # ARGs made of ARGs could double in length with every line.
    return text if len(text) > _LONGEST_VALUE else _VARIABLE.sub(value, text)[:_LONGEST_VALUE]


def _secrets(draft: Draft, instruction: Instruction, lines: list[str]) -> None:
    for number, line in instruction.lines or ((instruction.line, instruction.arguments),):
        if secrets.holds_secret(line):
            draft.note("secret-in-definition", Placed("", number, 1), what="this line")
    if any(secrets.holds_secret(heredoc) for heredoc in instruction.heredocs):
        draft.note(
            "secret-in-definition", Placed("", instruction.line, 1), what="the heredoc below this line"
        )
    if instruction.keyword in ("ENV", "ARG", "LABEL"):
        pairs = dict(_assignments(instruction.arguments))
        name, _, value = instruction.arguments.partition(" ")
        if instruction.keyword == "ENV" and "=" not in name:
            pairs = {name: value}
        for name, value in pairs.items():
            if not secrets.holds_secret(value):  # else its line is reported above
                secrets.report_variable(draft, name, value, Placed("", instruction.line, 1), lines)
    elif instruction.keyword == "RUN" and secrets.masked_script(instruction.body) != secrets.masked(
        instruction.body
    ):
        draft.note(
            "secret-suspected", Placed("", instruction.line, 1), what="an assignment in this RUN instruction"
        )


def placeholders(draft: Draft, text: str) -> None:
    """Say which template placeholders nobody filled in."""
    for number, line in enumerate(text.split("\n"), 1):
        match = None if line.lstrip().startswith("#") else PLACEHOLDER.search(line)
        if match:
            draft.note("template-placeholder", Placed("", number, match.start() + 1), what=match[0])


def _copies(draft: Draft, instruction: Instruction) -> None:
    if re.search(r"--from=", instruction.arguments) or instruction.heredocs:
        return
    arguments = (
        _FLAG.sub("", instruction.arguments, count=8).strip("[]").replace('"', "").replace(",", " ").split()
    )
    sources = [word for word in arguments[:-1] if "://" not in word and not word.startswith("git@")]
    if sources:
        draft.note("dockerfile-copies", Placed("", instruction.line, 1), what=sources[0][:80])
