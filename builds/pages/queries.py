"""Reading builds and images as the pages show them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heapify, heapreplace
from typing import TYPE_CHECKING

from django.contrib.humanize.templatetags.humanize import ordinal
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy

from builds.models import ACTIVE, Build, BuildRequest, BuildState, Image, Step
from builds.queue.fairness import WorkspaceQueue, position_of, workspace_queues
from builds.statistics.estimates import roughly, typical_seconds
from environments.models import Environment, Member, Workspace
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


def steps_shown(build: Build) -> list[Step]:
    """Return the steps of the last attempt that has any."""
    steps = list(build.steps.all())
    last = max((step.attempt for step in steps), default=0)
    return [step for step in steps if step.attempt == last]


ROUNDED_SECONDS = 5


@dataclass(frozen=True)
class QueueStatus:
    """A queued build's position from 1, when it is expected to start, and what keeps it from being taken."""

    position: int
    starts_at: datetime | None
    why_it_waits: "StrOrPromise"

    @property
    def label(self) -> str:
        """The position in words."""
        return (
            gettext("Next in line")
            if self.position == 1
            else gettext("%(number)s in line") % {"number": ordinal(self.position)}
        )

    @property
    def seconds_left(self) -> float | None:
        """The seconds until it is expected to start."""
        return None if self.starts_at is None else max(0.0, (self.starts_at - timezone.now()).total_seconds())

    @property
    def sentence(self) -> str:
        """The position, and about when it starts."""
        left = self.seconds_left
        return self._with_time(roughly(left)) if left is not None and left >= 1 else self.late

    @property
    def template(self) -> str:
        """The sentence with `{time}` for the time left, which the page's script fills in each second."""
        return self._with_time("{time}")

    @property
    def late(self) -> str:
        """The sentence while no start can be estimated."""
        return gettext("%(position)s · waiting for a free worker") % {"position": self.label}

    def _with_time(self, time: str) -> str:
        return gettext("%(position)s · starts in about %(time)s") % {"position": self.label, "time": time}


def queue_of(build: Build) -> QueueStatus | None:
    """Return a queued build's status in the queue; None if it is not queued."""
    if build.state != BuildState.QUEUED:
        return None
    queues = workspace_queues()
    position = position_of(build, queues)
    own = next((queue for queue in queues if queue.workspace == build.workspace_id), None)
    limit: StrOrPromise = ""
    if own is not None and own.at_limit:
        limit = format_lazy(
            gettext_lazy(
                "{running} of {at_once} builds of this workspace are running; it starts when one has ended."
            ),
            running=own.running,
            at_once=own.at_once,
        )
    return QueueStatus(position, _start_of(build, position, own), limit)


def _start_of(build: Build, position: int, own: WorkspaceQueue | None) -> datetime | None:
    """Return when the build at this position is expected to start: as fast as builds run and end now."""
    running = Build.objects.filter(state=BuildState.RUNNING)
    if own is not None and own.at_limit:
        running = running.filter(workspace=build.workspace_id)
    started = [at for at in running.values_list("started_at", flat=True) if at is not None]
    typical = typical_seconds(build.workspace_id) if started else None
    if typical is None:
        return None
    now, lasts = timezone.now(), timedelta(seconds=typical)
    ends = [max(now, at + lasts) for at in started]
    heapify(ends)
    for _ in range(position - 1):
        heapreplace(ends, ends[0] + lasts)
    # Rounded, so that open pages change only when the estimate does.
    at = ends[0].timestamp()
    return datetime.fromtimestamp(at - at % ROUNDED_SECONDS + ROUNDED_SECONDS, UTC)


def queue_position(build: Build) -> int:
    """Return the build's position in the queue, from 1; 0 if it is not queued."""
    return position_of(build, workspace_queues()) if build.state == BuildState.QUEUED else 0


def waiting_for(build: Build) -> list[BuildRequest]:
    """Return who waits for a build, in the order in which they came; those who left are not among them."""
    return list(build.requests.filter(cancelled_at=None).select_related("user", "version__environment"))
