"""The way out where a base brings what an advisory affects: a rebase, by a command or on the page of bases."""

from __future__ import annotations

import hashlib
import shlex

DOCKERFILE = "Dockerfile ("


def from_dockerfile(base: str) -> bool:
    """Return whether a base is what a Dockerfile makes: no registry has a newer one."""
    return base.startswith(DOCKERFILE)


def rebase_command(base: str, workspace: str) -> str:
    """Return the command that shows what a rebase of a workspace's images on a base would do; empty where none can."""
    if from_dockerfile(base):
        return ""
    return f"python manage.py rebase {shlex.quote(base)} --workspace {shlex.quote(workspace)} --dry-run"


def anchor_of(base: str) -> str:
    """Return the id of a base on the page of bases: references have signs that an id has not."""
    return f"base-{hashlib.sha256(base.encode()).hexdigest()[:12]}"
