"""The starting points of a new definition: their list, the bases to choose from, the initial texts."""

from dataclasses import dataclass
from typing import Any

import yaml
from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from builds.search.conditions import find
from environments.definition.model import HOST
from environments.definition.packages.constraints import BadConstraint
from environments.models import ListEntry, Workspace
from environments.versions.listing import listings_of

TEXT, START, PACKAGES, DOCKERFILE, CONTEXT = "text", "start", "packages", "dockerfile", "context"
PYTHONS = ("3.13", "3.12", "3.11", "3.10")
MAX_STARTS = 12
MAX_BASES = 12


@dataclass(frozen=True)
class StartingPoint:
    """A way to start a definition."""

    key: str
    icon: str
    title: Promise
    about: Promise


STARTING_POINTS = (
    StartingPoint(
        TEXT,
        "file-text",
        _("Paste or upload"),
        _(
            "Any supported format: environment YAML or JSON, conda, pip, a project with its lock, a Dockerfile, or a build context."
        ),
    ),
    StartingPoint(
        START,
        "git-fork",
        _("Another environment"),
        _("Start from an existing environment. The original stays unchanged."),
    ),
    StartingPoint(
        PACKAGES,
        "package",
        _("Base image and packages"),
        _("Choose a base image and list packages. Checks appear as you type."),
    ),
    StartingPoint(
        DOCKERFILE,
        "layers-intersect",
        _("Dockerfile"),
        _("For system packages and tools that pip and conda don't have."),
    ),
    StartingPoint(
        CONTEXT,
        "archive",
        _("Build context"),
        _("A Dockerfile with its files, as a folder, zip or tar archive."),
    ),
)

# Suggested bases and their purposes (rule 20); those that environments already use come after them.
SUGGESTED_BASES = (
    (
        "docker.io/library/python:3.12.11-slim-bookworm",
        _("Debian 12 with Python 3.12: small, and fits most needs"),
    ),
    (
        "docker.io/library/python:3.11.13-slim-bookworm",
        _("Debian 12 with Python 3.11, for packages that are not ready for newer ones"),
    ),
    (
        "docker.io/library/python:3.13.5-slim-bookworm",
        _("Debian 12 with Python 3.13"),
    ),
)
HOST_BASE = _("This machine's own Python: for trying out, where no registry can be reached")

DOCKERFILE_TEXT = """\
FROM docker.io/library/python:3.12.11-slim-bookworm

RUN apt-get update \\
    && apt-get install -y --no-install-recommends git \\
    && rm -rf /var/lib/apt/lists/*

RUN pip install --no-cache-dir \\
    numpy==2.1.3
"""


@dataclass(frozen=True)
class BaseChoice:
    """A base image to choose, with its purpose."""

    reference: str
    about: str | Promise = ""
    used: int = 0  # number of environments in the workspace and the catalogue


def starting_point_named(name: str) -> str:
    """Return the starting point of this name; pasting if there is none."""
    return name if name in {source.key for source in STARTING_POINTS} else TEXT


def bases_for(workspace: Workspace) -> list[BaseChoice]:
    """Return the suggested bases, then those used in the workspace and the catalogue, most used first."""
    ready = [BaseChoice(reference, about) for reference, about in SUGGESTED_BASES]
    if settings.DEFAULT_BASE == HOST:
        ready.insert(0, BaseChoice(HOST, HOST_BASE))
    known = {choice.reference for choice in ready} | {"", HOST}
    used = _used_bases(workspace).exclude(base__in=known)[:MAX_BASES]
    return ready + [BaseChoice(row["base"], used=row["used"]) for row in used]


def _used_bases(workspace: Workspace) -> QuerySet[ListEntry, Any]:
    """Return the bases of the environments in the workspace and the catalogue, most used first."""
    return (
        ListEntry.objects.filter(Q(workspace=workspace) | Q(workspace__curated=True), archived=False)
        .values("base")
        .annotate(used=Count("pk"))
        .order_by("-used", "base")
    )


def matching_bases(workspace: Workspace, part: str) -> list[str]:
    """Return the references of the bases that contain a text."""
    known = [choice.reference for choice in bases_for(workspace) if part.lower() in choice.reference.lower()]
    used = _used_bases(workspace).filter(base__icontains=part).exclude(base__in=["", *known])[:MAX_BASES]
    return known + [row["base"] for row in used]


def definition_text(base: str, python: str, packages: str) -> str:
    """Return v2 YAML of a base image, a Python version and packages, a line each."""
    requirements = [line.strip() for line in packages.splitlines() if line.strip()]
    definition = {"image": base.strip() or settings.DEFAULT_BASE}
    if not requirements and not python:
        return str(yaml.safe_dump(definition, sort_keys=False, allow_unicode=True))
    pip = [{"pip": requirements}] if requirements else []
    # Packages alone use the base's own Python; another version comes from conda, together with pip.
    conda_file = (
        {"channels": ["conda-forge"], "dependencies": [f"python={python}", "pip", *pip]}
        if python
        else {"dependencies": pip}
    )
    return str(
        yaml.safe_dump(
            {**definition, "conda_file": conda_file}, sort_keys=False, width=10**9, allow_unicode=True
        )
    )


def environments_to_copy(workspace: Workspace, query: str) -> list[ListEntry]:
    """Return the environments of a workspace that match a search and can be copied."""
    try:
        rows = find(listings_of(workspace), query, workspace)
    except BadConstraint:
        return []
    rows = rows.select_related("version__environment__workspace").order_by("-changed_at", "-environment_id")
    return list(rows.defer("version__data", "version__source")[:MAX_STARTS])
