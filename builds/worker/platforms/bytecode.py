"""The interpreter that compiles the modules of an image, and its fields in the image's row."""

from __future__ import annotations

from collections.abc import Sequence

from builds.imaging.assemble import python_of
from builds.imaging.bytecode.providers import find_interpreter
from builds.imaging.reporting import Reporter
from builds.imaging.workshop import Workshop
from builds.worker.platforms.targets import Target


def report_compilers(targets: Sequence[Target], workshop: Workshop, reporter: Reporter) -> None:
    """Choose the interpreters that are known before packages are, so that the log says it before the long steps."""
    for target in targets:
        if target.plan.pip and not target.plan.conda and target.base.probe.python:
            find_interpreter(target.base.probe.minor, workshop, reporter)


def bytecode_in(target: Target, workshop: Workshop, reporter: Reporter) -> dict[str, str] | None:
    """Return what made the bytecode, as `Image.bytecode` has it; None where nothing is to be compiled."""
    python = python_of(target.base, target.lock)
    if python is None or workshop.bytecode == "none":
        return None
    interpreter = find_interpreter(python, workshop, reporter)
    if interpreter is None:
        return {"provider": "none", "python": f"{python[0]}.{python[1]}", "identity": "", "modules": "none"}
    return {
        "provider": interpreter.provider,
        "python": interpreter.version,
        "identity": interpreter.identity,
        "modules": workshop.bytecode,
    }
