"""What a new definition may start from: the ways that the page offers, the bases to pick, the first text of each."""

from dataclasses import dataclass

import yaml
from django.conf import settings
from django.db.models import Count, Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from builds.packages import find
from environments.definition.constraints import BadConstraint
from environments.definition.model import HOST
from environments.lists import listed
from environments.models import Listing, Workspace

TEXT, START, PACKAGES, DOCKERFILE, CONTEXT = "text", "start", "packages", "dockerfile", "context"
PYTHONS = ("3.13", "3.12", "3.11", "3.10")
MOST_STARTS = 12
MOST_BASES = 12


@dataclass(frozen=True)
class Source:
    """One way to begin."""

    key: str
    icon: str
    title: Promise
    about: Promise


SOURCES = (
    Source(TEXT, "file-text", _("Paste or drop a file"), _("Any format that the studio knows")),
    Source(START, "git-fork", _("Another environment"), _("Curated, or one of your own")),
    Source(PACKAGES, "package", _("Base image and packages"), _("Picked here, without a file")),
    Source(DOCKERFILE, "layers-intersect", _("Dockerfile"), _("For system packages and tools")),
    Source(CONTEXT, "archive", _("Build context"), _("A Dockerfile with its files, as zip or tar")),
)

# Ready bases, with what each is for (rule 20); what the catalogue and the workspace stand on comes behind them.
READY_BASES = (
    (
        "docker.io/library/python:3.12.11-slim-bookworm",
        _("Debian 12 with Python 3.12: small, and right for most"),
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
THIS_MACHINE = _("This machine's own Python: for trying out, where no registry can be reached")

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
    """A base image to pick, and what is said of it."""

    reference: str
    about: str | Promise = ""
    used: int = 0  # by so many environments here and in the catalogue


def source_named(name: str) -> str:
    """Return the way to begin that an address names; pasting where it names none."""
    return name if name in {source.key for source in SOURCES} else TEXT


def bases_for(place: Workspace) -> list[BaseChoice]:
    """Return the ready bases, then those that environments here and in the catalogue stand on, most used first."""
    ready = [BaseChoice(reference, about) for reference, about in READY_BASES]
    if settings.DEFAULT_BASE == HOST:
        ready.insert(0, BaseChoice(HOST, THIS_MACHINE))
    known = {choice.reference for choice in ready} | {"", HOST}
    used = (
        Listing.objects.filter(Q(workspace=place) | Q(workspace__curated=True), archived=False)
        .exclude(base__in=known)
        .values("base")
        .annotate(used=Count("pk"))
        .order_by("-used", "base")[:MOST_BASES]
    )
    return ready + [BaseChoice(row["base"], used=row["used"]) for row in used]


def bases_with(place: Workspace, part: str) -> list[str]:
    """Return the references of the bases in whose name this stands."""
    return [choice.reference for choice in bases_for(place) if part.lower() in choice.reference.lower()]


def text_of(base: str, python: str, packages: str) -> str:
    """Return the definition that a base, a Python and packages, one a line, make: the v2 YAML of it."""
    wanted = [line.strip() for line in packages.splitlines() if line.strip()]
    text = {"image": base.strip() or settings.DEFAULT_BASE}
    if not wanted and not python:
        return str(yaml.safe_dump(text, sort_keys=False, allow_unicode=True))
    pip = [{"pip": wanted}] if wanted else []
    # The base's own Python serves packages alone; another one comes from conda's channel, and pip with it.
    layer = (
        {"channels": ["conda-forge"], "dependencies": [f"python={python}", "pip", *pip]}
        if python
        else {"dependencies": pip}
    )
    return str(
        yaml.safe_dump({**text, "conda_file": layer}, sort_keys=False, width=10**9, allow_unicode=True)
    )


def starts_in(workspace: Workspace, query: str) -> list[Listing]:
    """Return the environments of a workspace that one may start from, as the list's search finds them."""
    try:
        found = find(listed(workspace), query, workspace)
    except BadConstraint:
        return []
    found = found.select_related("version__environment__workspace").order_by("-changed_at", "-environment_id")
    return list(found.defer("words", "version__data", "version__source")[:MOST_STARTS])
