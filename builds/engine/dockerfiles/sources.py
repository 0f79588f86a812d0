"""The images that a Dockerfile names, in FROM, `--from=` and mounts, and the Dockerfile with other names for them.

The engine is given what this module writes, never the author's own text: each instruction on one line, its flags
without quotes, every image under the name that the studio gave it. So what was judged is what is built, in any
spelling. What could be read in two ways is refused.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from builds.engine.dockerfiles.named import HOST, Addition, Answers, Source
from builds.engine.dockerfiles.words import (
    Expansion,
    Unreadable,
    assignments,
    flags_of,
    words_of,
    written_flags,
    written_words,
)
from builds.imaging.reporting import ImageError
from environments.definition.syntax.dockerfile import Instruction, directives, instructions
from environments.definition.syntax.reference import BadReference, ImageReference

SCRATCH = "scratch"
KEYWORDS = frozenset(
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER"
    " VOLUME WORKDIR".split()
)
_STAGE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_HEREDOC = re.compile(r"(?:^|(?<=\s))\d*<<")
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|[\w-]+@[^/]*:|github\.com/", re.IGNORECASE)
_MAY_BE_REMOTE = re.compile(r"""[$"'`\\:@]|github\.com/""", re.IGNORECASE)
_MOST_STAGES = 500
_WEB = ("http://", "https://")


def sources(
    text: str, arguments: Mapping[str, str], platform: str, answers: Answers | None = None
) -> list[Source]:
    """Return the images that a Dockerfile names, in order: not its own stages, and not `scratch`."""
    reader = _Reader(text, arguments, platform, answers or Answers())
    reader.read()
    return reader.sources


def judged(text: str, arguments: Mapping[str, str], platform: str, answers: Answers) -> str:
    """Return the Dockerfile as the engine is to build it; the author's lines stay at their numbers.

    What base images have for ONBUILD is written out behind their FROM. Raises ImageError.
    """
    reader = _Reader(text, arguments, platform, answers)
    return reader.read()


@dataclass
class _Stage:
    name: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    trigger: int = 0
    """The line of an ONBUILD that names an image or an address; 0 without any."""


class _Reader:
    def __init__(self, text: str, given: Mapping[str, str], platform: str, answers: Answers) -> None:
        self.text, self.given, self.platform, self.answers = text, given, platform, answers
        self.sources: list[Source] = []
        system, _, machine = platform.partition("/")
        self.automatic = {f"{at}{what}": value for at in ("TARGET", "BUILD") for what, value in (
            ("PLATFORM", platform), ("OS", system), ("ARCH", machine.partition("/")[0]), ("VARIANT", machine.partition("/")[2])
        )}  # fmt: skip
        self.known: dict[str, str] = dict(self.automatic)
        self.stages: list[_Stage] = []
        self.by_name: dict[str, _Stage] = {}
        self.triggers: list[Instruction] = []
        self.escape = directives(text).get("escape", "\\")
        if self.escape not in ("\\", "`"):
            self.escape = "\\"
        self.continued = re.compile(rf"(?:^|[^{re.escape(self.escape)}]){re.escape(self.escape)}[ \t]*$")

    def read(self) -> str:
        lines: list[str] = []
        if self.escape != "\\":
            lines.append(f"# escape={self.escape}")
        for instruction in instructions(self.text):
            lines += [""] * (instruction.line - 1 - len(lines))
            lines += self._lines(instruction)
            if instruction.keyword == "FROM":
                for trigger in self.triggers:
                    lines += self._lines(trigger)
        if not self.stages:
            raise _no_from()
        return "\n".join(lines) + "\n"

    def _lines(self, instruction: Instruction) -> Iterator[str]:
        line = self._instruction(instruction)
        if "\n" in line or self.continued.search(line):
            raise _unclear(instruction, "its end is unclear")
        yield line
        yield from instruction.heredoc_lines

    def _instruction(self, instruction: Instruction) -> str:
        """Return an instruction as it was judged, without its heredocs."""
        keyword = instruction.keyword
        if keyword not in KEYWORDS:
            raise ImageError(
                "dockerfile-invalid",
                f"The Dockerfile cannot be read at line {instruction.line}: unknown instruction: {keyword[:40]}",
                "Correct it and save it again.",
                source_line=instruction.line,
            )
        if instruction.unclear or (keyword == "ONBUILD" and _HEREDOC.search(instruction.arguments)):
            raise _unclear(instruction, "whether << begins a heredoc is unclear")
        try:
            if keyword == "FROM":
                return f"FROM {self._from(instruction)}"
            if not self.stages:
                if keyword != "ARG":
                    raise _no_from()
                self._argument(instruction, self.known, self.known)
            elif keyword in ("ARG", "ENV"):
                self._variable(instruction)
            elif keyword in ("RUN", "COPY", "ADD"):
                return self._flagged(instruction)
            elif keyword == "ONBUILD":
                self._onbuild(instruction)
        except Unreadable as error:
            raise _unclear(instruction, str(error)) from error
        return f"{keyword} {instruction.arguments}"

    # Variables

    @property
    def variables(self) -> Mapping[str, str]:
        return ChainMap(self.stages[-1].variables, self.stages[-1].arguments)

    def _argument(self, instruction: Instruction, into: dict[str, str], known: Mapping[str, str]) -> None:
        for name, written in assignments(instruction.arguments):
            if name in self.given:
                into[name] = self.given[name]
            elif written is not None:
                self._set(into, name, written, known)
            elif self.stages and name in self.known:
                into[name] = self.known[name]

    def _variable(self, instruction: Instruction) -> None:
        stage = self.stages[-1]
        if instruction.keyword == "ARG":
            self._argument(instruction, stage.arguments, self.variables)
            return
        written = assignments(instruction.arguments)
        if written and written[0][1] is None:  # ENV name the whole rest
            name, *rest = instruction.arguments.split(None, 1)
            written = [(name, "".join(rest))]
        before, values = self.variables, dict[str, str]()
        for name, value in written:
            self._set(values, name, value or "", before)
        for name, _ in written:
            stage.variables.pop(name, None)
            stage.arguments.pop(name, None)
        stage.variables |= values

    def _set(self, into: dict[str, str], name: str, written: str, known: Mapping[str, str]) -> None:
        try:
            into[name] = Expansion(known, self.escape).word(written)
        except Unreadable:  # such as ${x%.*}: no matter, unless an image or an address is made of it
            into.pop(name, None)

    # Images

    def _from(self, instruction: Instruction) -> str:
        flags, rest = flags_of(instruction.arguments)
        parts = rest.split()
        if len(parts) not in (1, 3) or (len(parts) == 3 and parts[1].lower() != "as"):
            raise _unclear(instruction, f"FROM {rest[:200]}", "Write FROM image, or FROM image AS stage.")
        name = parts[2] if len(parts) == 3 else ""
        if name and not _STAGE.fullmatch(name):
            raise _unclear(instruction, f"{name[:200]} is no name of a stage")
        platform = self.platform
        for flag in flags:
            if not flag.startswith("--platform="):
                raise _unclear(instruction, f"FROM has no {flag[:80]}")
            platform = Expansion(self.known, self.escape).word(flag.removeprefix("--platform="))
        image = Expansion(self.known, self.escape).word(parts[0])
        self.triggers = []
        if not image:
            raise ImageError(
                "bad-spec",
                f"Line {instruction.line} of the Dockerfile names no image: {parts[0]} has no value.",
                "Give the ARG a default, or the build an argument.",
            )
        stage = _Stage(name.lower())
        if (earlier := self._stage(image)) is not None:
            if earlier.trigger:
                raise _unclear(
                    instruction,
                    f"the ONBUILD of line {earlier.trigger} names an image or an address, and would run here",
                    "Write here what ONBUILD does.",
                )
            stage.variables = dict(earlier.variables)
            written = image.lower()
        elif image.lower() == SCRATCH:
            written = SCRATCH
        else:
            source = self._source(instruction, image, platform)
            written = self.answers.name(source)
            stage.variables = dict(self.answers.variables(source))
            self.triggers = [
                _trigger(text, source, instruction.line) for text in self.answers.triggers(source)
            ]
        self.stages.append(stage)
        if stage.name:
            self.by_name.setdefault(stage.name, stage)
        if len(self.stages) > _MOST_STAGES:
            raise _unclear(
                instruction, f"it has more than {_MOST_STAGES} stages", "Split it into several images."
            )
        return f"{written} AS {name}" if name else written

    def _stage(self, name: str) -> _Stage | None:
        return self.by_name.get(name.lower())

    def _taken_from(self, instruction: Instruction, name: str) -> str:
        """Return the name to write for what `from=` names: a stage, or an image."""
        if "$" in name:
            raise Unreadable("from= takes no variables: name a stage that starts FROM the image")
        if not name or name == SCRATCH:
            return name
        if name.isascii() and name.isdigit():
            if int(name[:9]) >= len(self.stages) - 1:
                raise Unreadable(f"there is no stage {name[:20]} before it")
            return str(int(name))
        if self.by_name.get(name.lower(), self.stages[-1]) is not self.stages[-1]:
            return name.lower()
        return self.answers.name(self._source(instruction, name, self.platform, copied=True))

    def _source(self, instruction: Instruction, name: str, platform: str, *, copied: bool = False) -> Source:
        try:
            reference = HOST if name == HOST else str(ImageReference.parse(name))
        except BadReference as error:
            raise ImageError(
                "base-not-found",
                f"Line {instruction.line} of the Dockerfile names no image: {error}.",
                "Write it as registry/name:tag, such as python:3.11-slim.",
            ) from error
        source = Source(reference, platform, instruction.line, copied)
        self.sources.append(source)
        return source

    # RUN, COPY, ADD

    def _flagged(self, instruction: Instruction) -> str:
        flags, rest = flags_of(instruction.arguments)
        if instruction.keyword == "ADD":
            if any(flag.startswith("--from") for flag in flags):
                raise Unreadable("ADD has no --from; COPY has")
            return self._add(instruction, flags, rest)
        changed = []
        for flag in flags:
            name, _, value = flag.partition("=")
            if instruction.keyword == "COPY" and name == "--from":
                flag = f"--from={self._taken_from(instruction, value)}"
            elif instruction.keyword == "RUN" and name == "--mount":
                flag = f"--mount={self._mount(instruction, value)}"
            changed.append(flag)
        # Without the two signs, what follows them would be read as flags.
        separator = "-- " if rest.startswith("--") else ""
        return f"{instruction.keyword} {written_flags(changed)}{separator}{rest}"

    def _mount(self, instruction: Instruction, value: str) -> str:
        if '"' in value:
            raise Unreadable("a mount has quotes within it")
        fields = value.split(",")
        for at, entry in enumerate(fields):
            name, _, given = entry.partition("=")
            if name.strip().lower() == "from":
                fields[at] = f"from={self._taken_from(instruction, given)}"
        return ",".join(fields)

    def _add(self, instruction: Instruction, flags: list[str], rest: str) -> str:
        parts, as_json = words_of(rest)
        urls, changed = [], []
        for word in parts[:-1]:
            if word.startswith("<<") and not as_json:
                changed.append(word)
                continue
            expansion = Expansion(self.variables, self.escape)
            value = expansion.word(word)
            if expansion.missing and self.answers.add is not None and re.match(r"[\"']*\$", word):
                names = ", ".join(sorted(expansion.missing))
                raise _unclear(
                    instruction,
                    f"ADD {word[:200]} may be an address, and {names} has no value",
                    "Give the ARG a default, or write the address itself.",
                )
            if value.startswith(_WEB):
                urls.append(value)
            elif _REMOTE.match(value):
                raise _unclear(
                    instruction,
                    f"ADD fetches files by http:// and https:// only, not {value[:200]}",
                    "Put the files into the build context, or fetch them in a RUN.",
                )
            # Behind ./ it is a file of the context, for any values of the variables.
            changed.append(f"./{word}" if _MAY_BE_REMOTE.search(word) else word)
        if not urls:
            return f"ADD {written_flags(flags)}{written_words([*changed, *parts[-1:]], as_json=as_json)}"
        return self._fetched(instruction, flags, urls, parts, as_json=as_json)

    def _fetched(
        self, instruction: Instruction, flags: list[str], urls: list[str], parts: list[str], *, as_json: bool
    ) -> str:
        if len(urls) != len(parts) - 1:
            raise _unclear(
                instruction, "it adds both files and addresses", "Write an ADD for the files, and another."
            )
        if any(url.partition("#")[0].partition("?")[0].endswith(".git") for url in urls):
            raise _unclear(
                instruction, "ADD fetches no Git repositories here", "Clone it in a RUN, or add its archive."
            )
        checksums = [flag.partition("=")[2] for flag in flags if flag.startswith("--checksum=")]
        if self.answers.add is None:
            return f"ADD {instruction.arguments}"
        image = self.answers.add(Addition(tuple(urls), checksums[0] if checksums else "", instruction.line))
        kept = [flag for flag in flags if flag.partition("=")[0] not in ("--checksum", "--keep-git-dir")]
        names = [f"/{file_name(url, instruction.line)}" for url in urls]
        kept.append(f"--from={image}")
        return f"COPY {written_flags(kept)}{written_words([*names, parts[-1]], as_json=as_json)}"

    def _onbuild(self, instruction: Instruction) -> None:
        """Note what a stage that starts from this stage would run; the image keeps it for its users."""
        (trigger,) = _parsed(instruction.arguments) or (None,)
        if trigger is None or trigger.keyword in ("FROM", "ONBUILD", "MAINTAINER"):
            raise Unreadable("ONBUILD takes one other instruction")
        flags, rest = flags_of(trigger.arguments)
        taken = trigger.keyword in ("COPY", "RUN") and any("from" in flag.lower() for flag in flags)
        if taken or (trigger.keyword == "ADD" and _MAY_BE_REMOTE.search(rest)):
            self.stages[-1].trigger = instruction.line


def file_name(url: str, line: int) -> str:
    """Return the name of a file that ADD fetches."""
    name = url.partition("#")[0].partition("?")[0].rpartition("/")[2]
    if not re.fullmatch(r"[A-Za-z0-9_+~@%,=.-]{1,200}", name) or url.count("/") < 3 or name in (".", ".."):
        raise ImageError(
            "dockerfile-invalid",
            f"Line {line} of the Dockerfile adds {url[:200]}, which has no file name that can be kept.",
            "Add an address that ends with a plain file name, or fetch the file in a RUN.",
        )
    return name


def _parsed(text: str) -> list[Instruction]:
    # A directive would change how the text is read.
    return [] if directives(text) else list(instructions(text))


def _trigger(text: str, source: Source, line: int) -> Instruction:
    """Return the instruction that a base image has for those who build on it."""
    parsed = _parsed(text)
    if len(parsed) != 1 or parsed[0].keyword in ("FROM", "ONBUILD", "MAINTAINER"):
        raise ImageError(
            "dockerfile-invalid",
            f"The base image {source.reference} runs {text[:200]!r} in builds on it, which is no single instruction.",
            "Take another base image, or build this one again without that ONBUILD.",
        )
    return replace(parsed[0], line=line)


def _no_from() -> ImageError:
    return ImageError(
        "dockerfile-invalid",
        "The Dockerfile has no FROM, so it has no base image.",
        "Begin it with FROM and a base image, such as FROM python:3.11-slim.",
    )


def _unclear(instruction: Instruction, what: str, help: str = "") -> ImageError:
    return ImageError(
        "dockerfile-invalid",
        f"Line {instruction.line} of the Dockerfile cannot be read: {what}.",
        help or "Write it in a plainer form: without quotes and escapes in flags, and without unusual signs.",
    )
