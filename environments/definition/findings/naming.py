"""Names of environments (rules 27 and 28)."""

from __future__ import annotations

import re

from environments.definition.findings.catalogue import finding
from environments.definition.findings.finding import Finding

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_RESERVED = ("azureml", "microsoft")


def name_problem(name: str, curated: bool = False) -> Finding | None:
    """Why an environment cannot have this name; None where it can."""
    if not _NAME.fullmatch(name):
        return finding("name-invalid", what=name[:80])
    if not curated and name.lower().startswith(_RESERVED):
        return finding("name-reserved")
    return None
