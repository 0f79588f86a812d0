"""What the engine says while it builds, as lines for people, and what can be learned from it."""

from __future__ import annotations

import base64
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from builds.engine import protobuf

_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)", re.DOTALL)
_RUNNING = re.compile(r" ---> Running in ([0-9a-f]{12,64})")
_IMAGE = re.compile(r" ---> ([0-9a-f]{12,64})")
_NOISE = re.compile(
    r" ---> |Removing intermediate container |Removed intermediate container |Successfully built "
)
_RED, _PLAIN = "\x1b[91m", "\x1b[0m"
_LONGEST = 16 * 1024
_TRACE = "moby.buildkit.trace"
_LAST_LINES = 60


@dataclass
class Output:
    """What is known of a build so far: where it is, what it made, what it said last, how it ended."""

    shown: Mapping[str, str] = field(default_factory=dict)
    """Our names for images, and what their author calls them."""
    lines: Mapping[str, int] = field(default_factory=dict)
    """Where each instruction stands in the Dockerfile."""
    step: str = ""
    image: str = ""
    error: str = ""
    containers: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))
    _rest: dict[str, str] = field(default_factory=dict)
    _begun: set[str] = field(default_factory=set)

    def text(self, text: str, source: str = "") -> Iterator[str]:
        """Yield the lines that this text completes; of what `\\r` overwrites, only the last is left."""
        *lines, rest = (self._rest.pop(source, "") + text).split("\n")
        if len(rest) > _LONGEST:
            lines, rest = [*lines, rest], ""
        if rest:
            self._rest[source] = rest
        for line in lines:
            yield from self._line(line)

    @property
    def unfinished(self) -> bool:
        """Whether the last line has no end yet."""
        return bool(self._rest)

    def end(self) -> Iterator[str]:
        """Yield what had no line end."""
        for source in list(self._rest):
            yield from self._line(self._rest.pop(source))

    def _line(self, line: str) -> Iterator[str]:
        parts = [part for part in line.split("\r") if part.strip()]
        if parts:
            shown = self.named(parts[-1].rstrip())
            self.last.append(shown)
            yield shown

    def named(self, text: str) -> str:
        """Return the text with the author's names for images."""
        for ours, theirs in self.shown.items():
            text = text.replace(f"docker.io/{ours}", theirs).replace(ours, theirs)
        return text


def output_of(event: dict[str, Any], output: Output) -> Iterator[str]:
    """Take in one event of the engine and yield the lines for the log."""
    if "error" in event:
        output.error = output.named(str((event.get("errorDetail") or {}).get("message") or event["error"]))
    elif event.get("id") == _TRACE:
        yield from _trace(base64.b64decode(event["aux"]), output)
    elif "aux" in event:
        output.image = str((event["aux"] or {}).get("ID", output.image))
    elif "stream" in event:
        yield from _classic(str(event["stream"]), output)
    elif "status" in event:
        yield from output.text(f"{event['status']}\n")


def _classic(text: str, output: Output) -> Iterator[str]:
    if running := _RUNNING.match(text):
        output.containers.append(running[1])
    elif made := _IMAGE.match(text):
        output.images.append(made[1])
    elif step := _STEP.match(text):
        yield from output.end()
        output.step = output.named(" ".join(step[3].split()))
        yield f"Step {step[1]}/{step[2]} : {output.step}"
        return
    if text.startswith(_RED):  # how the engine marks what came from stderr
        text = text.removeprefix(_RED).removesuffix(_PLAIN)
    # The line end of "Step 1/3 : …" comes as an event of its own.
    if not _NOISE.match(text) and (text != "\n" or output.unfinished):
        yield from output.text(text)


def _trace(message: bytes, output: Output) -> Iterator[str]:
    """Read a StatusResponse of BuildKit: vertices (1), their statuses (2), their logs (3)."""
    for number, value in protobuf.fields(message):
        if number == 1:
            yield from _vertex(protobuf.message(value), output)
        elif number == 3:
            entry = protobuf.message(value)
            vertex, text = protobuf.text(entry, 1), protobuf.text(entry, 4)
            yield from output.text(text, source=vertex)


def _vertex(entry: protobuf.Message, output: Output) -> Iterator[str]:
    """Say that a step began, once, and which one failed: digest (1), name (3), begun (5), error (7)."""
    digest, name = protobuf.text(entry, 1), output.named(protobuf.text(entry, 3))
    if 5 in entry and digest not in output._begun:
        output._begun.add(digest)
        if not name.startswith(("[internal]", "copy /context", "exporting")):
            yield name
    if protobuf.text(entry, 7):
        output.step = " ".join(name.partition("] ")[2].split()) or name
