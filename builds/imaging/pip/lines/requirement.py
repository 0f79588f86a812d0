"""Check requirement lines before the solver gets them: none may reach the studio's own machine."""

from __future__ import annotations

import re
from collections.abc import Sequence

from builds.imaging.reporting import ImageError
from environments.definition.packages.buildable import problem_of, wheel_at
from environments.definition.packages.pip_line import as_pip_takes_it
from environments.network.masking import masked

_CONSTRAINT = "--constraint "
_WEB = ("https://", "http://")


def checked(requirements: Sequence[str]) -> list[str]:
    """Return the lines without comments, in one spelling; an option has a line of its own.

    Refuse a line that names a file, a variable or code of this machine, or that pip could not read.
    """
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in requirements)
    return [part for line in lines if line for part in _allowed(line)]


def constraints_of(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the checked lines that ask for something, and what the others hold its versions to."""
    rest = [line for line in lines if not line.startswith(_CONSTRAINT)]
    return rest, [line.removeprefix(_CONSTRAINT) for line in lines if line.startswith(_CONSTRAINT)]


def _allowed(line: str) -> list[str]:
    """Return a line as pip obeys it. Raises ImageError for one that no build takes."""
    if (problem := problem_of(line)) is not None:
        raise ImageError(
            "bad-spec",
            f"The requirement “{masked(line)[:200]}” cannot be used: {problem.why}.",
            problem.help,
        )
    lines = as_pip_takes_it(line)
    if line.startswith(_WEB) and (wheel := wheel_at(line)) is not None:
        # The solver asks for a name.
        return [f"{wheel[0]} @ {item}" for item in lines]
    return lines
