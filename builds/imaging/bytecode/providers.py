"""Choose the interpreter that compiles for an image: of this machine, installed by uv, or the base's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from builds.imaging.bytecode.interpreters import OLDEST, Facts, Interpreter, Minor, Provider, absence
from builds.imaging.bytecode.machine import has_interpreter, machine_interpreter
from builds.imaging.bytecode.managed import installable, installed, managed_interpreter
from builds.imaging.reporting import Reporter
from builds.imaging.workshop import Workshop


def find_interpreter(python: Minor, workshop: Workshop, reporter: Reporter) -> Interpreter | None:
    """Return the interpreter that compiles for images of this minor version, or None for no bytecode.

    A build chooses once, and logs its choice then.
    """
    if workshop.bytecode == "none":
        return None
    if python not in workshop.interpreters:
        choice = _choose(python, workshop, reporter)
        workshop.interpreters[python] = choice
        reporter.line(f"Bytecode: {choice}" if choice is not None else absence(f"{python[0]}.{python[1]}"))
    chosen: Interpreter | None = workshop.interpreters[python]
    return chosen


def expected_provider(python: Minor, workshop: Workshop, *, engine: bool) -> Provider | None:
    """Return the provider that a build would get its interpreter from; `engine` says whether one answers."""
    if has_interpreter(python, workshop):
        return "machine"
    if installed(python, workshop) is not None or installable(python, workshop):
        return "uv"
    return "base" if engine else None


@contextmanager
def connected(interpreter: Interpreter | None, workshop: Workshop) -> Iterator[int | None]:
    """Yield the descriptor that a process inherits whose compilers are in a container; None for all others.

    Raises ImageError if the container has ended.
    """
    if interpreter is None or interpreter.provider != "base" or workshop.base_python is None:
        yield None
        return
    descriptor = workshop.base_python.connect()
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _choose(python: Minor, workshop: Workshop, reporter: Reporter) -> Interpreter | None:
    if python < OLDEST:
        return None
    return (
        machine_interpreter(python, workshop)
        or managed_interpreter(python, workshop, reporter)
        or _base_interpreter(python, workshop, reporter)
    )


def _base_interpreter(python: Minor, workshop: Workshop, reporter: Reporter) -> Interpreter | None:
    """Return the base's own Python, if it is of this minor version and runs in a container."""
    base = workshop.base_python
    if base is None or base.minor != python:
        return None
    answers = base.facts(reporter)
    if answers is None or not (facts := Facts(**answers)).compiles(python):
        return None
    return Interpreter(facts.path, facts.version, "base", base.digest)
