"""Reading builds and images as the pages show them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy

from builds.models import ACTIVE, Build, BuildRequest, BuildState, Image, Step
from builds.queue.fairness import position_of, workspace_queues
from environments.models import Environment, Member, Version, Workspace
from environments.paging import BoundedCount, bounded_count

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


ACTIVE_SHOWN = 100  # the list of a state has all of them


@dataclass(frozen=True)
class ImageState:
    """The state of a definition's image: `ready` with the image, else its last build's state, else `none`."""

    state: str
    image: Image | None = None
    build: Build | None = None


NOT_BUILT = ImageState("none")


def image_states(workspace: Workspace, hashes: Iterable[str]) -> dict[str, ImageState]:
    """Return the state of each hash in a workspace, in two queries; one that is missing was never built."""
    wanted = set(hashes)
    states: dict[str, ImageState] = {}
    newest = Build.objects.filter(workspace=workspace, hash=OuterRef("hash")).order_by("-queued_at", "-pk")
    of_hashes = Build.objects.filter(workspace=workspace, hash__in=wanted)
    for build in of_hashes.filter(pk=Subquery(newest.values("pk")[:1])):
        if build.state != BuildState.SUCCEEDED:
            states[build.hash] = ImageState(build.state, build=build)
    in_reach = Image.objects.filter(
        Q(workspace=workspace) | Q(workspace__curated=True), hash__in=wanted, current=True
    ).defer("lock", "layers")
    # The workspace's own come last and win over the catalogue's (rule 8).
    for image in in_reach.select_related("workspace").order_by("-workspace__curated"):
        under_way = states.get(image.hash)
        last = under_way.build if under_way else None
        rebuild = last if last and last.active else None
        states[image.hash] = ImageState("ready", image=image, build=rebuild)
    return states


def builds_for_list(workspace: Workspace) -> QuerySet[Build]:
    """Return a workspace's builds, newest first, each with `asked_by`: the name of the first requester."""
    first = BuildRequest.objects.filter(build=OuterRef("pk")).order_by("pk").values("user__username")[:1]
    return (
        Build.objects.filter(workspace=workspace)
        .select_related("version__environment__workspace", "image")
        # Long columns are for a build's own page: a lock lists every package of an image.
        .defer("version__data", "version__source", "image__lock", "image__layers")
        .annotate(asked_by=Subquery(first))
        .order_by("-queued_at")
    )


def active_builds(builds: QuerySet[Build]) -> list[Build]:
    """Return the active builds among these: what runs, the oldest first, then the queue in its order."""
    active = builds.filter(state__in=ACTIVE).order_by("queued_at", "pk")[:ACTIVE_SHOWN]
    return sorted(active, key=lambda build: build.state != BuildState.RUNNING)


def builds_of(environment: Environment) -> QuerySet[Build]:
    """Return the builds of an environment's versions, newest first; those shared with others too."""
    hashes = environment.versions.values("hash")
    return builds_for_list(environment.workspace).filter(hash__in=hashes)


def state_counts(workspace: Workspace) -> dict[str, BoundedCount]:
    """Return how many builds of a workspace are in each state, and `all` of them."""
    builds = Build.objects.filter(workspace=workspace)
    return {"all": bounded_count(builds)} | {
        str(state): bounded_count(builds.filter(state=state)) for state in BuildState
    }


def people_of(workspace: Workspace) -> list[str]:
    """Return the names of a workspace's members: the first hundred, for a field that completes them."""
    members = Member.objects.filter(workspace=workspace).order_by("user__username")
    return list(members.values_list("user__username", flat=True)[:100])


def images_for_list(workspace: Workspace) -> QuerySet[Image]:
    """Return a workspace's images, newest first."""
    return (
        Image.objects.filter(workspace=workspace)
        .select_related("workspace")
        .defer("lock", "layers")
        .order_by("-built_at", "-pk")
    )


def sharing_names(workspace: Workspace, hashes: Iterable[str]) -> dict[str, list[Version]]:
    """Return, for each hash, the versions that share its image, in one query (rule 11)."""
    versions = Version.objects.filter(hash__in=set(hashes), environment__anonymous=False)
    if not workspace.curated:
        versions = versions.filter(environment__workspace=workspace)
    names: dict[str, list[Version]] = {}
    versions = versions.select_related("environment__workspace").defer("data", "source")
    for version in versions.order_by("environment__name", "number"):
        names.setdefault(version.hash, []).append(version)
    return names


def steps_shown(build: Build) -> list[Step]:
    """Return the steps of the last attempt that has any."""
    steps = list(build.steps.all())
    last = max((step.attempt for step in steps), default=0)
    return [step for step in steps if step.attempt == last]


def queue_position(build: Build) -> int:
    """Return the build's position in the queue, from 1; 0 if it is not queued."""
    return position_of(build, workspace_queues()) if build.state == BuildState.QUEUED else 0


def why_it_waits(build: Build) -> "StrOrPromise":
    """Return what keeps a build that waits from being taken, where it is the workspace's limit; else nothing."""
    if build.state != BuildState.QUEUED:
        return ""
    queue = next((row for row in workspace_queues() if row.workspace == build.workspace_id), None)
    if queue is None or not queue.at_limit:
        return ""
    return format_lazy(
        gettext_lazy(
            "{running} of {at_once} builds of this workspace are running; it starts when one has ended."
        ),
        running=queue.running,
        at_once=queue.at_once,
    )


def waiting_for(build: Build) -> list[BuildRequest]:
    """Return who waits for a build, in the order in which they came; those who left are not among them."""
    return list(build.requests.filter(cancelled_at=None).select_related("user", "version__environment"))
