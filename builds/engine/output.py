"""Translate the engine's build events into log lines, and collect the state of the build from them."""

from __future__ import annotations

import base64
import codecs
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from builds.engine import protobuf
from builds.engine.progress import Progress
from builds.imaging.reporting import plain

_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)", re.DOTALL)
_RUNNING = re.compile(r" ---> Running in ([0-9a-f]{12,64})")
_IMAGE = re.compile(r" ---> ([0-9a-f]{12,64})\s*$")
_NOISE = re.compile(
    r" ---> (?!Using cache)"
    r"|Removing intermediate container |Removed intermediate container |Successfully built "
)
_RED, _PLAIN = "\x1b[91m", "\x1b[0m"
_LONGEST = 16 * 1024
_TRACE = "moby.buildkit.trace"
_LAST_LINES = 400


@dataclass
class _Vertex:
    """A step of BuildKit's: the number that it is shown by, and where it is."""

    number: int
    name: str
    begun: float = 0.0
    ended: bool = False
    decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )


@dataclass
class Output:
    """The state of a build so far: its current step, its images, its last output, how it ended."""

    shown: Mapping[str, str] = field(default_factory=dict)
    """Our names for images, and what their author calls them."""
    lines: Mapping[str, int] = field(default_factory=dict)
    """Where each instruction stands in the Dockerfile."""
    plain: bool = False
    """Whether lines come without colours and other escapes of a terminal."""
    step: str = ""
    image: str = ""
    error: str = ""
    containers: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    _last_lines: dict[str, deque[str]] = field(default_factory=dict)
    _rest: dict[str, str] = field(default_factory=dict)
    _progress: Progress = field(default_factory=Progress)
    _vertices: dict[str, _Vertex] = field(default_factory=dict)
    _speaking: str = ""
    _failed: str = ""

    @property
    def last(self) -> deque[str]:
        """The last lines of the current step, or of the failed step."""
        return self._last_lines.get(self._failed or self._speaking, deque())

    def text(self, text: str, source: str = "") -> Iterator[str]:
        """Yield the lines that this text completes; of what overwrites itself, only what is left of it."""
        *lines, rest = (self._rest.pop(source, "") + text).split("\n")
        if len(rest) > _LONGEST:
            lines, rest = [*lines, rest], ""
        if rest:
            self._rest[source] = rest
        for line in lines:
            yield from self._line(line, source)

    @property
    def unfinished(self) -> bool:
        """Whether the last line has no end yet."""
        return bool(self._rest)

    def end(self) -> Iterator[str]:
        """Yield what had no line end, and how what was drawn over and over looked at its end."""
        for source in list(self._rest):
            yield from self._line(self._rest.pop(source), source)
        yield from self._progress.end()

    def _line(self, line: str, source: str) -> Iterator[str]:
        parts = [part for part in line.split("\r") if part.strip()]
        if not parts:
            return
        for shown in self._progress.left_of(self.named(parts[-1].rstrip())):
            shown = plain(shown) if self.plain else shown
            self._last_lines.setdefault(source, deque(maxlen=_LAST_LINES)).append(shown)
            yield from self._speaker(source)
            yield shown

    def _speaker(self, source: str) -> Iterator[str]:
        """Say whose lines follow, where steps that run side by side take turns."""
        vertex = self._vertices.get(source)
        if vertex is not None and source != self._speaking:
            yield f"#{vertex.number} {vertex.name}"
        self._speaking = source

    def named(self, text: str) -> str:
        """Return the text with the author's names for images."""
        for ours, theirs in self.shown.items():
            text = text.replace(f"docker.io/{ours}", theirs).replace(ours, theirs)
        return text

    def begin(self, step: str) -> None:
        """Forget the output of the previous step."""
        self.step = step
        self._last_lines.clear()
        self._progress = Progress()


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
        of = f"{event['id']}: " if event.get("id") else ""
        yield from output.text(f"{of}{event['status']}\n")


def _classic(text: str, output: Output) -> Iterator[str]:
    if running := _RUNNING.match(text):
        output.containers.append(running[1])
    elif made := _IMAGE.match(text):
        output.images.append(made[1])
    elif step := _STEP.match(text):
        yield from output.end()
        output.begin(output.named(" ".join(step[3].split())))
        yield f"Step {step[1]}/{step[2]} : {output.step}"
        return
    if text.startswith(_RED):  # how the engine marks what came from stderr
        text = text.removeprefix(_RED).removesuffix(_PLAIN)
    # The line end of "Step 1/3 : …" comes as an event of its own.
    if not _NOISE.match(text) and (text != "\n" or output.unfinished):
        yield from output.text(text)


def _trace(message: bytes, output: Output) -> Iterator[str]:
    """Read a StatusResponse of BuildKit: vertices (1), their statuses (2), their logs (3)."""
    ended: list[protobuf.Message] = []
    for number, value in protobuf.fields(message):
        if number == 1:
            entry = protobuf.message(value)
            yield from _begun(entry, output)
            ended.append(entry)
        elif number == 3:
            entry = protobuf.message(value)
            digest, data = protobuf.text(entry, 1), entry.get(4, b"")
            vertex = output._vertices.get(digest)
            if isinstance(data, bytes):
                text = vertex.decoder.decode(data) if vertex else data.decode(errors="replace")
                yield from output.text(text, source=digest)
    for entry in ended:  # a step's output comes before its end, also within a message
        yield from _ended(entry, output)


def _begun(entry: protobuf.Message, output: Output) -> Iterator[str]:
    """Say that a step began, once: digest (1), name (3), begun (5)."""
    digest, name = protobuf.text(entry, 1), output.named(protobuf.text(entry, 3))
    hidden = name.startswith(("[internal]", "copy /context", "exporting"))
    if 5 in entry and digest not in output._vertices and not hidden:
        number = len(output._vertices) + 1
        output._vertices[digest] = _Vertex(number, name, begun=_seconds(entry[5]))
        output._speaking = digest
        yield f"#{number} {name}"


def _ended(entry: protobuf.Message, output: Output) -> Iterator[str]:
    """Say how a step ended, once: cached (4), ended (6), error (7)."""
    digest, error = protobuf.text(entry, 1), output.named(protobuf.text(entry, 7))
    if error:
        name = output.named(protobuf.text(entry, 3))
        output.step = " ".join(name.partition("] ")[2].split()) or name
        output._failed = digest
    vertex = output._vertices.get(digest)
    if vertex is None or vertex.ended or 6 not in entry:
        return
    vertex.ended = True
    if digest in output._rest:
        yield from output.text("\n", source=digest)
    if error:
        yield f"#{vertex.number} ERROR: {error}"
    elif entry.get(4):
        yield f"#{vertex.number} CACHED"
    else:
        yield f"#{vertex.number} DONE {max(_seconds(entry[6]) - vertex.begun, 0.0):.1f}s"


def _seconds(timestamp: int | bytes) -> float:
    """Return a timestamp, seconds (1) and nanoseconds (2), as one number."""
    result = protobuf.message(timestamp)
    whole, rest = result.get(1, 0), result.get(2, 0)
    return (whole if isinstance(whole, int) else 0) + (rest if isinstance(rest, int) else 0) / 1e9
