"""Retention of images: which of a workspace's images are kept, why, and the deletion of the others.

Rows are deleted here, in one transaction. A worker deletes the files that no image needs afterwards
(`builds.images.disk_cleanup`); its grace period keeps files that a running build may rely on.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Case, CharField, Count, Exists, OuterRef, QuerySet, Sum, Value, When
from django.utils import timezone

from builds.advisories.history import keep_history
from builds.images.layers import exclusive_bytes
from builds.models import ACTIVE, Build, Image
from builds.queue import messages
from environments.audit.record import record
from environments.models import ListEntry, Usage, Version, VersionLabel, Workspace
from environments.models.catalogue import OPEN, Proposal
from environments.models.shares import Share, ShareState

CHOICES = (7, 30, 90, 180, 365)  # days
DEFAULT_DAYS = 90
AT_ONCE = 1_000  # images
NAMED = 50  # in the event

GOES = ("replaced", "nobodys", "older")
STAYS = ("building", "used", "shared", "in-use", "latest", "labelled", "proposed", "archived")


@dataclass(frozen=True)
class Rule:
    """The retention rule: images unused for this many days (not pulled, built or requested) are deleted."""

    days: int = DEFAULT_DAYS
    older: bool = True  # also current images, of versions that are not their environment's latest

    @property
    def before(self) -> datetime:
        """The time of last use before which an image is deleted."""
        return timezone.now() - timedelta(days=self.days)

    @property
    def takes(self) -> tuple[str, ...]:
        """The fates that lead to deletion."""
        return GOES if self.older else GOES[:-1]


@dataclass(frozen=True)
class Outcome:
    """The number and total size of the images with one fate; shared layers count in each image."""

    fate: str
    images: int
    size: int


@dataclass(frozen=True)
class Preview:
    """The images to delete and to keep, by fate; those to delete, longest unused first; the bytes that frees."""

    goes: list[Outcome]
    stays: list[Outcome]
    images: list[Image]
    freed: int
    more: int = 0  # that would go too, but not at once


@dataclass(frozen=True)
class CleanUpResult:
    """The number of deleted images, and the bytes of their layers in the store."""

    images: int
    freed: int


def with_fate(workspace: Workspace, rule: Rule) -> QuerySet[Any]:
    """Return a workspace's images, each annotated with its `fate`: the reason to delete or to keep it."""
    builds = Build.objects.filter(workspace=OuterRef("workspace"), hash=OuterRef("hash"), state__in=ACTIVE)
    versions = Version.objects.named().filter(hash=OuterRef("hash"))
    latest = ListEntry.objects.filter(version__hash=OuterRef("hash"), archived=False)
    uses = Usage.objects.filter(version__hash=OuterRef("hash"), ended_at=None)
    labels = VersionLabel.objects.filter(version__hash=OuterRef("hash"))
    proposals = Proposal.objects.filter(version__hash=OuterRef("hash"), stage__in=OPEN)
    shares = Share.objects.filter(
        version__hash=OuterRef("hash"), digest=OuterRef("digest"), state=ShareState.WAITING
    )
    if not workspace.curated:  # the catalogue's images serve all
        versions = versions.filter(environment__workspace=workspace)
        latest = latest.filter(workspace=workspace)
        uses = uses.filter(environment__workspace=workspace)
        labels = labels.filter(environment__workspace=workspace)
        proposals = proposals.filter(environment__workspace=workspace)
        shares = shares.filter(workspace=workspace)
    archived = versions.filter(archived_at__isnull=False)
    fate = Case(
        When(used_at__gte=rule.before, then=Value("used")),
        When(Exists(builds), then=Value("building")),
        When(Exists(shares), then=Value("shared")),  # its receivers have not decided yet
        When(current=False, then=Value("replaced")),
        When(Exists(uses), then=Value("in-use")),  # rule 34
        When(Exists(latest), then=Value("latest")),
        When(Exists(labels), then=Value("labelled")),
        When(Exists(proposals), then=Value("proposed")),  # nothing can be approved without its image
        When(Exists(archived), then=Value("archived")),  # rule 33
        When(~Exists(versions), then=Value("nobodys")),
        default=Value("older"),
        output_field=CharField(),
    )
    return Image.objects.filter(workspace=workspace).annotate(fate=fate)


def removable(images: QuerySet[Any], rule: Rule) -> QuerySet[Any]:
    """Return the images that a rule deletes, of images with a fate."""
    # The condition on the last use lets the index find them, so the others need no fate.
    return images.filter(fate__in=rule.takes, used_at__lt=rule.before)


def preview(workspace: Workspace, rule: Rule) -> Preview:
    """Return the outcome of a clean-up by this rule, without deleting anything."""
    images = with_fate(workspace, rule)
    fates = images.order_by().values_list("fate").annotate(many=Count("pk"), bytes=Sum("size"))
    outcomes = {fate: Outcome(fate, many, bytes) for fate, many, bytes in fates}
    goes = [outcomes[fate] for fate in rule.takes if fate in outcomes]
    going = removable(images, rule).defer("lock", "layers", "conflicts").select_related("workspace")
    first = list(going.order_by("used_at", "pk")[:AT_ONCE]) if goes else []
    stays = [outcomes[fate] for fate in (*STAYS, *GOES) if fate in outcomes and fate not in rule.takes]
    more = sum(outcome.images for outcome in goes) - len(first)
    return Preview(goes, stays, first, exclusive_bytes([image.pk for image in first]), max(0, more))


def clean_up(workspace: Workspace, rule: Rule, user: User) -> CleanUpResult:
    """Delete the images of a rule, at most the thousand longest unused, and request a sweep of the store.

    Images that were used, requested or built in the meantime are kept.
    """
    with transaction.atomic():
        going = removable(with_fate(workspace, rule), rule)
        longest_unused = going.order_by("used_at", "pk").values_list("pk", flat=True)[:AT_ONCE]
        # A concurrent use either waits for this lock and finds the image deleted, or holds the row first: then
        # this waits, and finds the image used.
        held = removable(with_fate(workspace, rule), rule).filter(pk__in=list(longest_unused))
        images = list(held.select_for_update(of=("self",)).select_related("workspace").defer("lock"))
        if not images:
            return CleanUpResult(0, 0)
        gone = [image.pk for image in images]
        freed = exclusive_bytes(gone)
        keep_history(images)
        Image.objects.filter(pk__in=gone).delete()
        record(
            "images.cleaned",
            f"{len(images)} image{'' if len(images) == 1 else 's'}",
            workspace=workspace,
            actor=user,
            freed=freed,
            days=rule.days,
            images=[f"{image.name}@{image.digest}" for image in images[:NAMED]],
        )
        transaction.on_commit(partial(messages.send_sweep))
    return CleanUpResult(len(images), freed)
