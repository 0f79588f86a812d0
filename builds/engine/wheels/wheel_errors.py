"""Explain why no wheel could be built from a source distribution, with a way out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from builds.causes import clues_in, first_real
from builds.engine.exchange import EngineRefused
from builds.engine.output import Output
from builds.imaging.access_errors import refused as not_let_in
from builds.imaging.bases.model import Base
from builds.imaging.files import WheelFile
from builds.imaging.reporting import ImageError

# Without anything before the name that repeats: the time is linear in a line's length.
_COMPILER = r"(?:cc|[cg]\+\+|clang|gfortran|make|cargo|rustc|ninja)(?:-[\d.]++)?"
_NO_COMPILER = re.compile(
    rf"command \S*{_COMPILER}['\"]? failed|No such file or directory: ['\"]\S*{_COMPILER}['\"]|"
    rf"unable to execute ['\"]?[\w.-]*{_COMPILER}|Unknown compiler|can't find Rust compiler|"
    r"No CMAKE_\w+_COMPILER|Could not find (?:any )?compiler|fatal error: \S+: No such file or directory|"
    r"\.h: No such file",
    re.IGNORECASE,
)
_CLOSED = re.compile(r"(?m:^)(?>.*?\b(?P<status>401|403) Client Error: ).* for url: (?P<url>\S+)")
_ELSEWHERE = {"disk-full", "index-unreachable", "timeout", "no-matching-distribution"}
_ERROR_LINE = re.compile(r"^\s*((?:\w+(?:Error|Exception)|error)\b.*)", re.IGNORECASE)
_COMMAND = re.compile(r"^\s*Running command ")
_MODULE = re.compile(r"(?:ModuleNotFoundError|ImportError): No module named ['\"]?(?P<name>[\w.]+)")
_WITH_A_COMPILER = (
    "Choose a base image with a compiler and headers (such as python:3.11 rather than python:3.11-slim)"
)
_LINES = "The lines before this one say why it fails."
_ELSEWISE = (
    "If its maker offers wheels elsewhere, such as beside its releases, write"
    " {name} @ https://….whl with the address of the wheel for this Python; or install it in a Dockerfile."
)

Wheels = tuple[str, str]
"""What wheels there are of a version, and what can be done instead of building one; each may be empty."""


def unbuilt(sdist: WheelFile, base: Base, code: int, output: Output, wheels: Wheels = ("", "")) -> ImageError:
    """Return the error for a build that ended with this exit code."""
    known, instead = wheels
    what = f"{sdist.name} {sdist.version} has no wheel for this base, and none could be built in {base.reference}"
    after = f" {known[:1].upper()}{known[1:]}." if known else ""
    pinned = f"{instead or 'Pin a version that has a wheel'}."
    if code == 137:
        return ImageError(
            "out-of-memory",
            f"{what}: the build was killed, most likely for want of memory.{after}",
            f"Give the Docker Engine more memory. {pinned}",
        )
    if (closed := _CLOSED.search("\n".join(output.last))) is not None:
        error = not_let_in("index", closed["url"], status=closed["status"])
        return ImageError(error.code, f"{what}: {error.message}", error.help)
    clues = [clue for clue in clues_in(enumerate(output.last)) if clue.code in _ELSEWHERE]
    if (clue := first_real(clues)) is not None:
        help = clue.help
        if clue.code == "no-matching-distribution":
            help = "What builds it is not in the index: pin another version of the package."
        return ImageError(clue.code, f"{what}: {clue.text}", help, fault=clue.fault)
    compiling = _last(output.last, _NO_COMPILER)
    message = compiling or _last(output.last, _ERROR_LINE) or _first_words(output.last) or f"exit code {code}"
    message = message.strip()[:500].rstrip(".")
    help = _what_to_do(sdist, _last(output.last, _MODULE), bool(compiling), instead)
    return ImageError("compile-failed", f"{what}: {message}{after and '.'}{after}", help)


def _what_to_do(sdist: WheelFile, lacking: str, compiling: bool, instead: str) -> str:
    """Return the ways out of a build that failed: a base with more, another version, a wheel from elsewhere."""
    if (module := _MODULE.search(lacking)) is not None and not compiling:
        why = (
            f"It wants {module['name']} to be installed before it is built, and does not declare that;"
            " each wheel is built by itself, as by pip."
        )
        return " ".join(
            filter(None, [why, f"{instead}." if instead else "", _ELSEWISE.format(name=sdist.name)])
        )
    if compiling:
        return ". ".join(filter(None, [_WITH_A_COMPILER, instead])) + "."
    if instead:
        return f"{instead}. {_LINES}"
    return f"{_LINES} {_ELSEWISE.format(name=sdist.name)}"


def refused(sdist: WheelFile, base: Base, error: EngineRefused) -> ImageError:
    """Return the error for an engine that would not run the build."""
    return ImageError(
        "engine-failed",
        f"The Docker Engine could not build a wheel from {sdist.path.name} in {base.reference}:"
        f" {error.message[:500]}",
        "Build again; if it stays so, the engine's own log tells more.",
        fault="studio",
    )


def not_a_wheel(sdist: WheelFile, why: str) -> ImageError:
    """Return the error for a build that ended well, but made nothing that can be used."""
    return ImageError(
        "bad-wheel",
        f"No usable wheel could be built from {sdist.path.name}: {why}.",
        "Pin another version of the package, or tell its maintainers.",
        fault="outside",
    )


@contextmanager
def unreachable(
    host: str, missing: Sequence[WheelFile], wheels: Callable[[WheelFile], Wheels] = lambda _: ("", "")
) -> Iterator[None]:
    """Tell, where no engine is reached, which packages need one and what else can be done."""
    try:
        yield
    except ImageError as error:
        if error.code != "engine-unreachable":
            raise
        names = ", ".join(f"{file.name} {file.version}" for file in missing)
        known = [(file, *wheels(file)) for file in missing]
        facts = "".join(f" {file.name}: {why}." for file, why, _ in known if why)
        others = [instead for _, _, instead in known if instead] or ["Pin a version that has a wheel"]
        raise ImageError(
            error.code,
            f"No wheel fits this base image: {names}. A build from source needs a container, but the Docker Engine at"
            f" {host} can't be reached.{facts}",
            f"Start Docker, or set DOCKER_HOST to where it listens. Without it: {'; '.join(others)}.",
            fault="studio",
        ) from error


def _last(lines: Sequence[str], pattern: re.Pattern[str]) -> str:
    """Return the last line but pip's own summary that tells it."""
    result = (line for line in reversed(list(lines)) if pattern.search(line) and not _of_pip(line))
    return next(result, "")


def _first_words(lines: Sequence[str]) -> str:
    """Return the package's first message in the failed command: some explain the failure before they end."""
    commands = [number for number, line in enumerate(lines) if _COMMAND.match(line)]
    first = lines[commands[-1] + 1].strip() if commands and commands[-1] + 1 < len(lines) else ""
    return "" if first.startswith(("error:", "ERROR:")) else first


def _of_pip(line: str) -> bool:
    return line.strip().startswith(
        ("ERROR: Failed", "error: subprocess-exited", "error: metadata-generation")
    )
