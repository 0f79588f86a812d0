"""Explain a failed build in terms of the Dockerfile."""

from __future__ import annotations

import re

from builds.causes import CATALOGUE, clues_in, first_real
from builds.engine.exchange import EngineRefused
from builds.engine.output import Output
from builds.imaging.reporting import ImageError

_EXIT = re.compile(r"(?:returned a non-zero code|exit code): (\d+)")
_PARSE = re.compile(r"parse error (?:on )?line (\d+): (.*)|Syntax error - (.*)", re.IGNORECASE | re.DOTALL)
_MISSING = re.compile(
    r"stat ((?>(?!stat )[^:])++): (?:file does not exist|no such file)|\"([^\"]++)\"(?:: | )not found"
)
_NOT_IN_IMAGE = re.compile(
    r"exec: \"([^\"]+)\": (?:executable file not found|stat \S+: no such file or directory)"
)

_LOST_CONTEXT = (
    "This Docker Engine did not give BuildKit the files of the build: it keeps its images in containerd's store, "
    "and is older than 27.5."
)
_LOST_CONTEXT_HELP = (
    "Ask an admin to install Docker Engine 27.5 or newer, or to set containerd-snapshotter to false among the "
    "features in its daemon.json."
)

_BY_EXIT = {137: "out-of-memory", 127: "missing-command"}


def explained(error: EngineRefused, output: Output) -> ImageError:
    """Return the build's failure: what failed at which step and line, why, and what to do."""
    failure = _explained(error, output)
    if failure.source_line is None:
        failure.source_line = output.lines.get(output.step)
    return failure


def _explained(error: EngineRefused, output: Output) -> ImageError:
    message = output.named(error.message.strip())
    if match := _PARSE.search(message):
        line = f" at line {match[1]}" if match[1] else ""
        detail = (match[2] or match[3] or "").strip()
        return ImageError(
            "dockerfile-invalid",
            f"The Dockerfile cannot be read{line}: {detail}",
            "Correct it and save it again.",
            source_line=int(match[1]) if match[1] else None,
        )
    if "failed to read downloaded context" in message:
        return ImageError("engine-failed", _LOST_CONTEXT, _LOST_CONTEXT_HELP, fault="studio")
    step = _step(output)
    if re.search(r"(COPY|ADD) failed|failed to (compute cache key|calculate checksum)", message):
        missing = _MISSING.search(message)
        what = f"{(missing[1] or missing[2]).lstrip('/')} is not in the build context" if missing else message
        return ImageError(
            "copy-not-found",
            f"{step}: {what}.",
            "Add the file to the build context, correct its path, or see what .dockerignore leaves out.",
        )
    exit_code = int(match[1]) if (match := _EXIT.search(message)) else None
    if exit_code is not None:
        return _of_command(step, exit_code, message, output)
    if (clue := first_real(clues_in([(0, message)]))) is not None:
        return ImageError(clue.code, f"{step}: {clue.text}", clue.help, fault=clue.fault)
    if match := _NOT_IN_IMAGE.search(message):
        return ImageError(
            "missing-command", f"{step}: the image has no {match[1]}.", CATALOGUE["missing-command"].help
        )
    if re.search(r"target stage|build target", message):
        return ImageError("bad-spec", f"{message[:500]}", "Name a stage of the Dockerfile as the target.")
    if error.status >= 500 and not output.step:
        return ImageError(
            "engine-failed",
            f"The Docker Engine could not begin: {message[:500]}",
            "Build again; if it stays so, the engine's own log tells more.",
            fault="studio",
        )
    return ImageError("build-failed", f"{step}: {message[:500]}", "Correct the step, and build again.")


def _of_command(step: str, exit_code: int, message: str, output: Output) -> ImageError:
    """Return the failure of a command, by its exit code and by what it printed."""
    clues = clues_in(enumerate([*output.last, message]))
    known = _BY_EXIT.get(exit_code)
    if known is not None:
        # A command that was killed may have written anything before.
        clues = [clue for clue in clues if clue.code in {known, "disk-full"}]
    if (clue := first_real(clues)) is not None:
        return ImageError(clue.code, f"{step}: {clue.text}", clue.help, fault=clue.fault)
    code = known or "command-failed"
    why = f": {output.last[-1][:300]}" if output.last and code != "out-of-memory" else "."
    return ImageError(code, f"{step} with exit code {exit_code}{why}", CATALOGUE[code].help)


def _step(output: Output) -> str:
    """Return the beginning of a sentence: the step that failed, and its line in the Dockerfile."""
    if not output.step:
        return "The build failed"
    short = output.step if len(output.step) <= 120 else f"{output.step[:119]}…"
    line = output.lines.get(output.step)
    return f"The step “{short}”{f' at line {line}' if line else ''} failed"
