"""A Dockerfile as the base of a definition."""

from __future__ import annotations

import re
from collections.abc import Iterator

from environments.definition import secrets
from environments.definition.checks import PLACEHOLDER, check_image
from environments.definition.dockerfile import Instruction, instructions
from environments.definition.formats.source import Source
from environments.definition.limits import Limits, size_text
from environments.definition.model import Definition
from environments.definition.reading import Draft
from environments.definition.text import Placed

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
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?:(:?[-+])([^}]*))?\}|(\w+))")
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
    found = list(instructions(text))
    if not any(one.keyword == "FROM" for one in found):
        raise draft.refuse("dockerfile-no-from", Placed("", 1))
    for one in found:
        if one.keyword not in KEYWORDS:
            draft.note("dockerfile-bad-instruction", Placed("", one.line, 1), what=one.keyword[:40])
    for image, line in base_images(found):
        check_image(draft, Placed(image, line, 1, draft.file))
    for one in found:
        _secrets(draft, one)
        if alone and one.keyword in ("COPY", "ADD"):
            _copies(draft, one)
    if draft.conda:
        for one in found:
            if one.keyword == "RUN" and _PIP.search(one.body):
                draft.note("dockerfile-pip-next-to-conda", Placed("", one.line, 1))
                break


def base_images(found: list[Instruction]) -> Iterator[tuple[str, int]]:
    """The images that the stages start from, with their lines: ARGs filled in, earlier stages left out."""
    arguments: dict[str, str] = {}
    stages: set[str] = set()
    before_first = True
    for one in found:
        if one.keyword == "ARG" and before_first:
            for name, value in _assignments(one.arguments):
                arguments[name] = _filled(value, arguments)
        elif one.keyword == "FROM":
            before_first = False
            words = _FLAG.sub("", one.arguments, count=5).split()
            if not words:
                continue
            image = _filled(words[0], arguments)
            if image.lower() not in stages and image != "scratch" and "$" not in image and image:
                yield image, one.line
            if len(words) >= 3 and words[1].lower() == "as":
                stages.add(words[2].lower())


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


def _secrets(draft: Draft, one: Instruction) -> None:
    for number, line in one.lines or ((one.line, one.arguments),):
        if secrets.holds_secret(line):
            draft.note("secret-in-definition", Placed("", number, 1), what="this line")
    if any(secrets.holds_secret(heredoc) for heredoc in one.heredocs):
        draft.note("secret-in-definition", Placed("", one.line, 1), what="the heredoc below this line")
    if one.keyword in ("ENV", "ARG", "LABEL"):
        pairs = dict(_assignments(one.arguments))
        name, _, value = one.arguments.partition(" ")
        if one.keyword == "ENV" and "=" not in name:
            pairs = {name: value}
        for name, value in pairs.items():
            if secrets.is_secret_variable(name, value):
                draft.note("secret-in-definition", Placed("", one.line, 1), what=f"the variable {name}")
    elif one.keyword == "RUN" and secrets.masked_script(one.body) != secrets.masked(one.body):
        draft.note("secret-suspected", Placed("", one.line, 1), what="an assignment in this RUN instruction")


def placeholders(draft: Draft, text: str) -> None:
    """Say which template placeholders nobody filled in."""
    for number, line in enumerate(text.split("\n"), 1):
        match = None if line.lstrip().startswith("#") else PLACEHOLDER.search(line)
        if match:
            draft.note("template-placeholder", Placed("", number, match.start() + 1), what=match[0])


def _copies(draft: Draft, one: Instruction) -> None:
    if re.search(r"--from=", one.arguments) or one.heredocs:
        return
    words = _FLAG.sub("", one.arguments, count=8).strip("[]").replace('"', "").replace(",", " ").split()
    sources = [word for word in words[:-1] if "://" not in word and not word.startswith("git@")]
    if sources:
        draft.note("dockerfile-copies", Placed("", one.line, 1), what=sources[0][:80])
