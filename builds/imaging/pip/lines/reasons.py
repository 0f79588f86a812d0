"""Read why each package is in a solution, from the lines that the solver writes."""

from __future__ import annotations

import re

from packaging.utils import canonicalize_name

from builds.imaging.pip.indexes import PROJECT

_VIA = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*(?:==|@\s)\s*\S+\s*(?:;[^#]*)?(?:(?<=\s)#\s*via\s++(?P<via>.*))?$"
)


def reason_in(line: str) -> tuple[str, tuple[bool, tuple[str, ...]]] | None:
    """Return the package of a line, whether it was requested, and which packages need it; None for other lines."""
    matched = _VIA.match(line.strip())
    if matched is None:
        return None
    via = [part.strip() for part in (matched["via"] or "").split(",") if part.strip()]
    files = {part for part in via if part.startswith(("-", PROJECT))}
    needed_by = tuple(sorted(str(canonicalize_name(part)) for part in via if part not in files))
    requested = any(part.endswith("requirements.in") for part in files)
    return str(canonicalize_name(matched["name"])), (requested, needed_by)
