"""Why the engine failed, in the words of whoever wrote the Dockerfile (rule 48)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from builds.engine.exchange import EngineRefused
from builds.engine.output import Output
from builds.images.report import Fault, ImageError

_EXIT = re.compile(r"(?:returned a non-zero code|exit code): (\d+)")
_PARSE = re.compile(r"parse error (?:on )?line (\d+): (.*)|Syntax error - (.*)", re.IGNORECASE | re.DOTALL)
_MISSING = re.compile(r"stat ([^:]+): (?:file does not exist|no such file)|\"([^\"]+)\"(?:: | )not found")
_NOT_IN_IMAGE = re.compile(
    r"exec: \"([^\"]+)\": (?:executable file not found|stat \S+: no such file or directory)"
)


@dataclass(frozen=True)
class Cause:
    """A cause that shows in the engine's message or in the last lines of the log."""

    code: str
    pattern: re.Pattern[str]
    help: str
    fault: Fault = "author"


def _cause(code: str, pattern: str, help: str, fault: Fault = "author") -> Cause:
    return Cause(code, re.compile(pattern, re.IGNORECASE | re.MULTILINE), help, fault)


CAUSES = (
    _cause(
        "disk-full",
        r".*no space left on device.*",
        "Whoever runs this studio has to free space for the Docker Engine; then build again.",
        "studio",
    ),
    _cause(
        "no-matching-distribution",
        r".*no matching distribution found for .*",
        "Check the package's name and version, and that it exists for the Python of the base image.",
    ),
    _cause(
        "conflict",
        r".*(?:ResolutionImpossible|conflicting dependencies|LibMambaUnsatisfiableError).*",
        "Two packages want different versions of a third: loosen one of the pins.",
    ),
    _cause("bad-spec", r".*invalid requirement.*", "Correct the requirement, such as numpy==1.26.4."),
    _cause(
        "package-not-found",
        r".*(?:PackagesNotFoundError|nothing provides requested).*",
        "Check the package's name and the channels.",
    ),
    _cause(
        "compile-failed",
        r".*(?:error: command '?\S*(?:gcc|g\+\+|cc|clang)\S* .*failed|failed building wheel for ).*",
        "Install a compiler and headers first (apt-get install build-essential), or take a wheel.",
    ),
    _cause(
        "apt-failed",
        r"^E: .*",
        "Run apt-get update before apt-get install in the same RUN, and check the names of the packages.",
    ),
    _cause(
        "index-unreachable",
        r".*(?:temporary failure in name resolution|could not resolve host|network is unreachable).*",
        "The Docker Engine's containers do not reach that address: check it, and the engine's network.",
        "outside",
    ),
    _cause("timeout", r".*(?:read timed out|connection timed out).*", "Build again later.", "outside"),
)
_BY_EXIT = {
    137: (
        "out-of-memory",
        "It was killed, most likely for want of memory: do less at once, or give more memory.",
    ),
    127: (
        "missing-command",
        "Install what the command needs in a step before it, or check how it is spelled.",
    ),
}


def explained(error: EngineRefused, output: Output) -> ImageError:
    """Return the build's failure: what failed at which step, why, and what to do."""
    message = output.named(error.message.strip())
    if match := _PARSE.search(message):
        line = f" at line {match[1]}" if match[1] else ""
        said = (match[2] or match[3] or "").strip()
        return ImageError(
            "dockerfile-invalid",
            f"The Dockerfile cannot be read{line}: {said}",
            "Correct it and save it again.",
        )
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
    told = "\n".join(output.last)
    for cause in CAUSES:
        found = cause.pattern.search(f"{told}\n{message}")
        if found is not None and (exit_code is not None or cause.pattern.search(message)):
            return ImageError(cause.code, f"{step}: {found[0].strip()[:500]}", cause.help, fault=cause.fault)
    if exit_code is not None:
        return _by_exit(step, exit_code, output)
    if match := _NOT_IN_IMAGE.search(message):
        return ImageError("missing-command", f"{step}: the image has no {match[1]}.", _BY_EXIT[127][1])
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


def _by_exit(step: str, exit_code: int, output: Output) -> ImageError:
    code, help = _BY_EXIT.get(exit_code, ("command-failed", "The lines before this one say why."))
    why = f": {output.last[-1][:300]}" if output.last and code != "out-of-memory" else "."
    return ImageError(code, f"{step} with exit code {exit_code}{why}", help)


def _step(output: Output) -> str:
    """Return the beginning of a sentence: which step failed, and where it stands."""
    if not output.step:
        return "The build failed"
    short = output.step if len(output.step) <= 120 else f"{output.step[:119]}…"
    line = output.lines.get(output.step)
    return f"The step “{short}”{f' at line {line}' if line else ''} failed"
