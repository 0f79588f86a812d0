"""The bases in use: which images are on each, whose they are, and what their registries have by now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Exists, ExpressionWrapper, F, Max, OuterRef, Q, QuerySet
from django.db.models.fields import BooleanField
from django.db.models.functions import Now
from django.utils import timezone

from builds.exposure.base_fixes import DOCKERFILE, anchor_of
from builds.models import BaseCheck, Image
from environments.audit.record import record
from environments.definition import ImageReference
from environments.definition.model import HOST
from environments.definition.syntax.reference import DOCKER_HUB, BadReference
from environments.models import Workspace

MOST_CHARACTERS = 400
MOST_BASES = 500  # shown, and looked up, of a workspace
PAUSE_SECONDS = 60  # between two look-ups of a base


@dataclass(frozen=True)
class BaseInUse:
    """A digest of a base, on which current images of a workspace are."""

    workspace: str
    title: str
    reference: str
    platforms: str
    digest: str
    created_at: datetime | None
    images: int
    check: BaseCheck | None = field(default=None, compare=False)
    first: bool = field(default=True, compare=False)
    """Whether it is the first with its reference in its workspace: links to the base lead there."""

    @property
    def anchor(self) -> str:
        """The id of its reference on a page."""
        return anchor_of(self.reference)

    @property
    def owner(self) -> str:
        """The owner, who keeps it patched (rule 19): its registry and namespace; `host` for this machine."""
        return owner_of(self.reference)

    @property
    def moved(self) -> bool:
        """Whether its reference means another digest now."""
        return bool(self.check and self.check.digest and self.check.digest != self.digest)

    @property
    def old(self) -> bool:
        """Whether it was created too long ago."""
        return self.created_at is not None and self.created_at < oldest_allowed()

    @property
    def fresh(self) -> bool:
        """Whether it was looked up, and there is nothing to do."""
        checked = self.check is not None and self.check.checked_at is not None
        return checked and not (self.moved or self.newer or self.old)

    @property
    def newer(self) -> str:
        """A reference with a newer patch tag; empty for none."""
        if self.check is None or not self.check.newer:
            return ""
        return f"{ImageReference.parse(self.reference).name}:{self.check.newer}"


def oldest_allowed() -> datetime:
    """Return the time since when a base must have been created."""
    return timezone.now() - timedelta(days=settings.BASE_DAYS)


def bases_in_use(workspaces: Sequence[Workspace] | QuerySet[Workspace]) -> list[BaseInUse]:
    """Return the bases of the current images of these workspaces, most images first, in two queries."""
    images = Image.objects.filter(current=True, workspace__in=workspaces)
    keys = ("workspace__name", "workspace__title", "base", "platforms", "base_digest", "workspace")
    rows = (
        images.exclude(base__startswith=DOCKERFILE)
        .order_by()
        .values_list(*keys)
        .annotate(many=Count("pk"), created=Max("base_created_at"))
        .order_by("-many", "base", "workspace__name", "base_digest")[:MOST_BASES]
    )
    checks = {
        (check.workspace_id, check.reference, check.platforms): check
        for check in BaseCheck.objects.filter(workspace__in=workspaces)
    }
    seen: set[tuple[int, str]] = set()
    result = []
    for name, title, base, platforms, digest, pk, many, created in rows:
        check = checks.get((pk, base, platforms))
        first = (pk, base) not in seen
        result.append(BaseInUse(name, title, base, platforms, digest, created, many, check, first))
        seen.add((pk, base))
    return result


def whole_reference(typed: str) -> str:
    """Return the whole reference of a base that somebody typed, as images have it. Raises BadReference."""
    if len(typed) > MOST_CHARACTERS:
        raise BadReference(f"an image reference has at most {MOST_CHARACTERS} characters")
    return HOST if typed.strip() == HOST else str(ImageReference.parse(typed))


def owner_of(reference: str) -> str:
    """Return who brings a base image: the registry with the namespace in it, or "host" for this machine."""
    if reference == HOST:
        return HOST
    try:
        parsed = ImageReference.parse(reference)
    except BadReference:
        return ""
    namespace = parsed.repository.rpartition("/")[0]
    if parsed.registry == DOCKER_HUB and namespace == "library":
        return "Docker Official Images"
    return f"{parsed.registry}/{namespace}" if namespace else parsed.registry


def outdated_images(workspaces: Sequence[Workspace] | QuerySet[Workspace] | None = None) -> QuerySet[Image]:
    """Return current images with an outdated base, with `base_moved` and `base_old`: of these workspaces, or of all.

    A base is outdated once its reference means a newer digest, or STUDIO_BASE_DAYS after it was created: images are
    to be patched every two weeks, and no known hole is to be older than 30 days.
    """
    images = Image.objects.filter(current=True)
    if workspaces is not None:
        images = images.filter(workspace__in=workspaces)
    newer = BaseCheck.objects.filter(
        workspace=OuterRef("workspace"), reference=OuterRef("base"), platforms=OuterRef("platforms")
    )
    newer = newer.exclude(digest="").exclude(digest=OuterRef("base_digest"))
    old = Q(base_created_at__lt=oldest_allowed())
    images = images.annotate(
        base_moved=Exists(newer), base_old=ExpressionWrapper(old, output_field=BooleanField())
    )
    return images.filter(Q(base_moved=True) | old)


@dataclass(frozen=True)
class Outdated:
    """The current images of a workspace, those with an outdated base, and for which reason."""

    workspace: str
    title: str
    images: int
    outdated: int
    moved: int
    old: int


def outdated_by_workspace(workspaces: QuerySet[Workspace] | None = None) -> list[Outdated]:
    """Return how many images have an outdated base, for each workspace with images, most first; in two queries."""
    everything = Image.objects.filter(current=True)
    if workspaces is not None:
        everything = everything.filter(workspace__in=workspaces)
    totals = everything.order_by().values_list("workspace__name", "workspace__title").annotate(Count("pk"))
    outdated = (
        outdated_images(workspaces)
        .order_by()
        .values("workspace__name")
        .annotate(
            many=Count("pk"),
            moved=Count("pk", filter=Q(base_moved=True)),
            old=Count("pk", filter=Q(base_created_at__lt=oldest_allowed())),
        )
    )
    counts = {row["workspace__name"]: row for row in outdated}
    none = {"many": 0, "moved": 0, "old": 0}
    rows = []
    for name, title, many in totals:
        row = counts.get(name, none)
        rows.append(Outdated(name, title, many, row["many"], row["moved"], row["old"]))
    return sorted(rows, key=lambda row: (-row.outdated, row.workspace))


@transaction.atomic
def request_checks(workspaces: Iterable[Workspace], by: User | None = None) -> int:
    """Have workers look up the bases of these workspaces now; return how many. One that was just looked up is left out."""
    requested = 0
    again = timezone.now() - timedelta(seconds=PAUSE_SECONDS)
    for workspace in workspaces:
        add_missing_checks(workspace)
        checks = BaseCheck.objects.filter(Q(checked_at=None) | Q(checked_at__lt=again), workspace=workspace)
        requested += checks.update(requested_at=timezone.now(), next_at=Now())
        record("bases.checked", workspace.title, workspace=workspace, actor=by)
    return requested


def add_missing_checks(workspace: Workspace) -> None:
    """Add a row for each base in use that has none, and remove those of bases that are not used any more."""
    images = Image.objects.filter(workspace=workspace, current=True).exclude(base__startswith=DOCKERFILE)
    used = set(images.exclude(base=HOST).order_by().values_list("base", "platforms").distinct()[:MOST_BASES])
    rows = BaseCheck.objects.filter(workspace=workspace)
    known = {(row.reference, row.platforms): row.pk for row in rows}
    gone = [pk for key, pk in known.items() if key not in used]
    if gone:
        rows.filter(pk__in=gone).delete()
    missing = sorted(used - known.keys())
    BaseCheck.objects.bulk_create(
        [BaseCheck(workspace=workspace, reference=base, platforms=on, next_at=Now()) for base, on in missing],
        ignore_conflicts=True,
    )


def waiting_checks(workspaces: QuerySet[Workspace]) -> int:
    """Return how many requested look-ups have yet to be made."""
    return BaseCheck.objects.filter(
        Q(checked_at=None) | Q(checked_at__lt=F("requested_at")),
        workspace__in=workspaces,
        requested_at__isnull=False,
        problem="",
    ).count()
