"""Images that nobody uses any more: which of a workspace would go, which stay and why, and taking them away.

Rows go here, in one transaction. The files that then no image needs are taken out of the store by a worker
(`builds.cleaning`), whose grace keeps what a build under way may have counted on.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Case, CharField, Count, Exists, OuterRef, QuerySet, Sum, Value, When
from django.utils import timezone

from builds import queue
from builds.layers import freed_without
from builds.models import ACTIVE, Build, Image
from environments.catalogue_models import OPEN, Proposal
from environments.models import Listing, Use, Version, Workspace, record

CHOICES = (7, 30, 90, 180, 365)  # days
DEFAULT_DAYS = 90
AT_ONCE = 1_000  # images
NAMED = 50  # in the event

GOES = ("replaced", "nobodys", "older")
STAYS = ("building", "used", "in-use", "latest", "proposed", "archived")


@dataclass(frozen=True)
class Rule:
    """What may go: images that nobody pulled, built or asked for in so many days."""

    days: int = DEFAULT_DAYS
    older: bool = True  # also current images, of versions that are not their environment's latest

    @property
    def before(self) -> datetime:
        """Until when an image must have been used last."""
        return timezone.now() - timedelta(days=self.days)

    @property
    def takes(self) -> tuple[str, ...]:
        """The fates that mean going."""
        return GOES if self.older else GOES[:-1]


@dataclass(frozen=True)
class Outcome:
    """So many images with one fate, and their sizes together as they travel: shared layers count in each."""

    fate: str
    images: int
    size: int


@dataclass(frozen=True)
class Preview:
    """What goes and what stays, by fate; the images that go, longest unused first, and the bytes that frees."""

    goes: list[Outcome]
    stays: list[Outcome]
    images: list[Image]
    freed: int
    more: int = 0  # that would go too, but not at once


@dataclass(frozen=True)
class CleanedUp:
    """How many images went, and the bytes that their layers take in the store."""

    images: int
    freed: int


def judged(workspace: Workspace, rule: Rule) -> QuerySet[Any]:
    """Return a workspace's images, each with its `fate`: why it goes, or why it stays."""
    builds = Build.objects.filter(workspace=OuterRef("workspace"), hash=OuterRef("hash"), state__in=ACTIVE)
    versions = Version.objects.filter(hash=OuterRef("hash"), environment__anonymous=False)
    latest = Listing.objects.filter(version__hash=OuterRef("hash"), archived=False)
    uses = Use.objects.filter(version__hash=OuterRef("hash"), ended_at=None)
    proposals = Proposal.objects.filter(version__hash=OuterRef("hash"), stage__in=OPEN)
    if not workspace.curated:  # the catalogue's images serve all
        versions = versions.filter(environment__workspace=workspace)
        latest = latest.filter(workspace=workspace)
        uses = uses.filter(environment__workspace=workspace)
        proposals = proposals.filter(environment__workspace=workspace)
    archived = versions.filter(archived_at__isnull=False)
    fate = Case(
        When(used_at__gte=rule.before, then=Value("used")),
        When(Exists(builds), then=Value("building")),
        When(current=False, then=Value("replaced")),
        When(Exists(uses), then=Value("in-use")),  # rule 34
        When(Exists(latest), then=Value("latest")),
        When(Exists(proposals), then=Value("proposed")),  # nothing can be approved without its image
        When(Exists(archived), then=Value("archived")),  # rule 33
        When(~Exists(versions), then=Value("nobodys")),
        default=Value("older"),
        output_field=CharField(),
    )
    return Image.objects.filter(workspace=workspace).annotate(fate=fate)


def that_go(images: QuerySet[Any], rule: Rule) -> QuerySet[Any]:
    """Return those of judged images that go."""
    # None of them was used lately: by that the index finds them, and the others need not be judged.
    return images.filter(fate__in=rule.takes, used_at__lt=rule.before)


def preview(workspace: Workspace, rule: Rule) -> Preview:
    """Return what a clean-up by this rule would take away now."""
    images = judged(workspace, rule)
    fates = images.order_by().values_list("fate").annotate(many=Count("pk"), bytes=Sum("size"))
    found = {fate: Outcome(fate, many, bytes) for fate, many, bytes in fates}
    goes = [found[fate] for fate in rule.takes if fate in found]
    going = that_go(images, rule).defer("lock", "layers", "misfits").select_related("workspace")
    first = list(going.order_by("used_at", "pk")[:AT_ONCE]) if goes else []
    stays = [found[fate] for fate in (*STAYS, *GOES) if fate in found and fate not in rule.takes]
    more = sum(one.images for one in goes) - len(first)
    return Preview(goes, stays, first, freed_without([image.pk for image in first]), max(0, more))


def clean_up(workspace: Workspace, rule: Rule, user: User) -> CleanedUp:
    """Take away what goes by this rule, the thousand longest unused at most, and have the store swept.

    What was used, asked for or built in between stays.
    """
    with transaction.atomic():
        going = that_go(judged(workspace, rule), rule)
        longest_unused = going.order_by("used_at", "pk").values_list("pk", flat=True)[:AT_ONCE]
        # Whoever uses one of them at this moment waits here, and finds that it has gone; or we wait for them,
        # and find that it was used.
        held = that_go(judged(workspace, rule), rule).filter(pk__in=list(longest_unused))
        images = list(held.select_for_update(of=("self",)).select_related("workspace").defer("lock"))
        if not images:
            return CleanedUp(0, 0)
        gone = [image.pk for image in images]
        freed = freed_without(gone)
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
        transaction.on_commit(partial(queue.ask_for_sweep))
    return CleanedUp(len(images), freed)
