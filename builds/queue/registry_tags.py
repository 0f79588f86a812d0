"""Tags to push to workspaces' registries: for each version `<environment>:<version>`, its labels, and `latest`.

What is missing there is computed from versions, labels and images, so that nothing has to be announced: a build, a
new version with the content of an existing image, an archived version, a label that moved, another registry. The images are there already
by their hash names, pushed with their builds. A worker claims a tag for as long as a push may take.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Concat, Now

from builds.models import Image, PushedTag
from builds.models.many import update_each
from environments.definition.syntax.registry_names import LATEST, tag_of
from environments.models import Environment, Version, VersionLabel, Workspace

BATCH = 50
PUSH_SECONDS = 120.0
LEASE = timedelta(seconds=PUSH_SECONDS + 30)
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=10)
KEPT_PAUSE = timedelta(days=1)  # a registry that deletes nothing rarely changes


@dataclass(frozen=True)
class MissingTag:
    """A tag that an image should have in its workspace's registry."""

    environment: Environment
    version: Version | None
    """The version that the tag names; None for labels and `latest`."""
    image: Image
    label: str = ""

    @property
    def reference(self) -> str:
        """The name to push."""
        tag = tag_of(self.version.version) if self.version is not None else self.label or LATEST
        return f"{self.environment.workspace.registry}/{self.environment.repository}:{tag}"


def missing_tags(workspace: Workspace | None = None, *, at_once: bool = False) -> list[MissingTag]:
    """Return tags to push, at most BATCH: of one workspace, or of all; with `at_once` also those that failed before."""
    if not Workspace.objects.exclude(registry="").exists():
        return []
    versions, labels, latest = _versions(at_once), _labels(at_once), _latest(at_once)
    if workspace is not None:
        versions = versions.filter(environment__workspace=workspace)
        labels = labels.filter(environment__workspace=workspace)
        latest = latest.filter(workspace=workspace)
    rows: list[tuple[Environment, Version | None, str, int]] = []
    rows += [(row.environment, row, "", row.image_id) for row in versions.order_by("pk")[:BATCH]]  # type: ignore[attr-defined]
    # Labels and `latest` come last: they never name an image before its version does.
    left = BATCH - len(rows)
    rows += [(row.environment, None, row.name, row.image_id) for row in labels.order_by("pk")[:left]]  # type: ignore[attr-defined]
    rows += [(row, None, "", row.image_id) for row in latest.order_by("pk")[: BATCH - len(rows)]]  # type: ignore[attr-defined]
    images = Image.objects.defer("lock", "layers").in_bulk([image for *_, image in rows])
    return [
        MissingTag(environment, version, images[pk], label)
        for environment, version, label, pk in rows
        if pk in images
    ]


def clashing(workspace: Workspace) -> QuerySet[Environment]:
    """Return a workspace's environments whose name in its registry is that of another workspace's environment."""
    return Environment.objects.named().filter(
        _is_taken("workspace__registry", "repository", "pk"), workspace=workspace
    )


def claim(tag: MissingTag, *, at_once: bool = False) -> PushedTag | None:
    """Claim a tag for a push; None if another worker has it, or failed a moment ago and `at_once` is not set."""
    row, _ = PushedTag.objects.get_or_create(
        environment=tag.environment, version=tag.version, label=tag.label
    )
    free = Q() if at_once else Q(next_at=None) | Q(next_at__lte=Now())
    return row if PushedTag.objects.filter(free, pk=row.pk).update(next_at=Now() + LEASE) else None


def claim_tags_of(digests: Iterable[str], workspace: Workspace) -> list[PushedTag]:
    """Claim the tags in a workspace's registry that name any of these images, unless other workers have some."""
    rows = PushedTag.objects.filter(environment__workspace=workspace, digest__in=set(digests))
    free = rows.filter(Q(next_at=None) | Q(next_at__lte=Now()), registry=workspace.registry)
    with transaction.atomic():
        claimed = list(
            free.select_related("environment", "version").defer("version__data", "version__source")
        )
        keys = [row.pk for row in claimed]
        taken = PushedTag.objects.filter(Q(next_at=None) | Q(next_at__lte=Now()), pk__in=keys)
        if taken.update(next_at=Now() + LEASE) == len(claimed):
            return claimed
        # Another worker pushes some of them now: it finds the others, too.
        transaction.set_rollback(True)
    return []


def record_all_pushed(rows: Iterable[PushedTag]) -> None:
    """Record that claimed tags were pushed for the digests that they have."""
    rows = list(rows)
    for row in rows:
        row.next_at, row.attempts, row.problem = None, 0, ""
    update_each(rows, ["digest", "next_at", "attempts", "problem"])


def record_pushed(row: PushedTag, tag: MissingTag) -> None:
    """Record that a claimed tag was pushed."""
    PushedTag.objects.filter(pk=row.pk).update(
        registry=tag.environment.workspace.registry,
        digest=tag.image.digest,
        next_at=None,
        attempts=0,
        problem="",
    )


def record_failed(row: PushedTag, problem: str) -> None:
    """Record that a claimed tag could not be pushed: it is pushed again after a pause, which doubles each time."""
    pause = min(FIRST_PAUSE * 2 ** min(row.attempts, 20), LONGEST_PAUSE)
    PushedTag.objects.filter(pk=row.pk).update(
        next_at=Now() + pause, attempts=F("attempts") + 1, problem=problem[:400]
    )


def left_behind(environment: Environment | None = None) -> QuerySet[PushedTag]:
    """Return the tags of labels that were removed, in registries that workspaces still have."""
    rows = PushedTag.objects.filter(version=None, registry=F("environment__workspace__registry"))
    rows = rows.exclude(label="").exclude(registry="")
    if environment is not None:
        rows = rows.filter(environment=environment)
    labels = VersionLabel.objects.filter(environment=OuterRef("environment"), name=OuterRef("label"))
    return rows.filter(~Exists(labels)).select_related("environment__workspace").order_by("pk")


def claim_left_behind() -> list[PushedTag]:
    """Claim tags of removed labels to remove, at most BATCH."""
    free = Q(next_at=None) | Q(next_at__lte=Now())
    return [
        row
        for row in left_behind().filter(free)[:BATCH]
        if PushedTag.objects.filter(free, pk=row.pk).update(next_at=Now() + LEASE)
    ]


def reference_of(row: PushedTag) -> str:
    """Return the name of a pushed label in its registry."""
    return f"{row.registry}/{row.environment.repository}:{row.label}"


def record_removed(row: PushedTag) -> None:
    """Record that a claimed tag is no longer in its registry; a label that was set again is pushed again."""
    row.delete()


def record_kept(row: PushedTag, problem: str) -> None:
    """Record that a claimed tag can't be removed where it is; it is tried again a day later."""
    PushedTag.objects.filter(pk=row.pk).update(next_at=Now() + KEPT_PAUSE, problem=problem[:400])


def release(row: PushedTag) -> None:
    """Give a claimed tag back without a push."""
    PushedTag.objects.filter(pk=row.pk).update(next_at=None)


def _versions(at_once: bool) -> QuerySet[Version]:
    """Return the versions whose tag is missing, each with the image that it should name as `image_id`."""
    rows = (
        Version.objects.named()
        .exclude(environment__workspace__registry="")
        .annotate(
            image_id=_image("pk", "environment__workspace", "hash"),
            digest=_image("digest", "environment__workspace", "hash"),
        )
        .filter(image_id__isnull=False)
    )
    tags = PushedTag.objects.filter(version=OuterRef("pk"))
    rows = rows.filter(~Exists(_settled(tags, "environment__workspace__registry", at_once)))
    taken = _is_taken("environment__workspace__registry", "environment__repository", "environment")
    return rows.filter(~taken).defer("data", "source").select_related("environment__workspace")


def _labels(at_once: bool) -> QuerySet[VersionLabel]:
    """Return the labels whose tag is missing or names another image, likewise."""
    rows = (
        VersionLabel.objects.exclude(environment__workspace__registry="")
        .annotate(
            image_id=_image("pk", "environment__workspace", "version__hash"),
            digest=_image("digest", "environment__workspace", "version__hash"),
        )
        .filter(image_id__isnull=False)
    )
    tags = PushedTag.objects.filter(environment=OuterRef("environment"), version=None, label=OuterRef("name"))
    rows = rows.filter(~Exists(_settled(tags, "environment__workspace__registry", at_once)))
    taken = _is_taken("environment__workspace__registry", "environment__repository", "environment")
    return rows.filter(~taken).select_related("environment__workspace")


def _latest(at_once: bool) -> QuerySet[Environment]:
    """Return the environments whose tag `latest` is missing, likewise (rule 31)."""
    latest = Version.objects.filter(environment=OuterRef("pk"), archived_at=None)
    rows = (
        Environment.objects.named()
        .exclude(workspace__registry="")
        .annotate(latest_hash=Subquery(latest.order_by("-created_at", "-pk").values("hash")[:1]))
        .annotate(
            image_id=_image("pk", "workspace", "latest_hash"),
            digest=_image("digest", "workspace", "latest_hash"),
        )
        .filter(image_id__isnull=False)
    )
    tags = PushedTag.objects.filter(environment=OuterRef("pk"), version=None, label="")
    rows = rows.filter(~Exists(_settled(tags, "workspace__registry", at_once)))
    taken = _is_taken("workspace__registry", "repository", "pk")
    return rows.filter(~taken).select_related("workspace")


def _image(field: str, workspace: str, hash: str) -> Subquery:
    """Return a field of the current image that was pushed to the workspace's registry by its hash."""
    there = Concat(OuterRef(f"{workspace}__registry"), Value("/"), F("repository"))
    images = Image.objects.filter(
        workspace=OuterRef(workspace), hash=OuterRef(hash), current=True, pushed_to=there
    )
    return Subquery(images.values(field)[:1])


def _settled(tags: QuerySet[PushedTag], registry: str, at_once: bool) -> QuerySet[PushedTag]:
    """Return the tags that need no push now: pushed for this image, or claimed, or tried a moment ago."""
    pushed = Q(registry=OuterRef(registry), digest=OuterRef("digest"))
    return tags.filter(pushed if at_once else pushed | Q(next_at__gt=Now()))


def _is_taken(registry: str, repository: str, environment: str) -> Exists:
    """Return whether an earlier environment, of another workspace with the same registry, has the same name there."""
    earlier = Environment.objects.named().exclude(workspace__registry="")
    return Exists(
        earlier.filter(
            workspace__registry=OuterRef(registry),
            repository=OuterRef(repository),
            pk__lt=OuterRef(environment),
        )
    )


def pushed_names(shared: Iterable[tuple[Image, Version]]) -> dict[tuple[int, str], str]:
    """Return the names of images in their workspaces' registries, by the key of a version and the image's digest."""
    pairs = list(shared)
    rows = PushedTag.objects.filter(
        version__in=[version.pk for _, version in pairs], digest__in=[image.digest for image, _ in pairs]
    )
    rows = rows.filter(registry=F("environment__workspace__registry")).exclude(registry="")
    fields = ("version", "digest", "registry", "environment__repository", "version__version")
    return {
        (version, digest): f"{registry}/{repository}:{tag_of(number)}"
        for version, digest, registry, repository, number in rows.values_list(*fields)
    }
