"""Asking for images: what the pages, the API and the commands call."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from builds import claims, queue, turns
from builds.limits import in_force
from builds.models import ACTIVE, BaseImage, Build, Image, Request, State
from environments.models import Version, Workspace, record


class NotPossible(Exception):
    """What was asked for does not fit the state that things are in."""


class QueueFull(NotPossible):
    """The workspace has as many builds in the queue as it may."""


@dataclass(frozen=True)
class Outlook:
    """What a build of a version would do now: `ready` with its image, `building`, or `new`."""

    image: Image | None
    build: Build | None

    @property
    def state(self) -> str:
        """One word for it: ready, building or new."""
        return "ready" if self.image else "building" if self.build else "new"


def image_of(version: Version) -> Image | None:
    """Return the image that a version's content has already: the workspace's own, else the catalogue's (rule 8)."""
    images = Image.objects.filter(hash=version.hash, current=True).select_related("workspace")
    workspace = version.environment.workspace
    return images.filter(workspace=workspace).first() or images.filter(workspace__curated=True).first()


def active_build_of(version: Version) -> Build | None:
    """Return the build under way for a version's content, if there is one."""
    workspace = version.environment.workspace
    return Build.objects.filter(workspace=workspace, hash=version.hash, state__in=ACTIVE).first()


def outlook(version: Version) -> Outlook:
    """Say what a build of this version would do now, from the database alone."""
    image = image_of(version)
    if image is not None and not base_has_moved(version, image):
        return Outlook(image, None)
    return Outlook(None, active_build_of(version))


def base_has_moved(version: Version, image: Image) -> bool:
    """Whether a floating base is no longer, or has long not been, what this image was built on (rule 18)."""
    if not image.floating:
        return False
    known = BaseImage.objects.filter(reference=BaseImage.reference_of(version.definition)).first()
    if known is None or known.digest != image.base_digest:
        return True
    return known.checked_at < timezone.now() - timedelta(seconds=settings.FLOATING_BASE_SECONDS)


@transaction.atomic
def request_build(
    version: Version, user: User | None = None, *, rebuild: bool = False, here: bool = False
) -> Request:
    """Return a request for a version's image: answered by the image there is, else waiting for a build.

    Equal requests at the same time wait for one build. With `rebuild` a new image is made in any case (rule 16).
    With `here` the caller builds it at once: no worker takes it, unless the caller dies before it has begun.
    Raises QueueFull where the workspace has too many builds waiting already.
    """
    workspace = version.environment.workspace
    if not rebuild:
        there = outlook(version).image
        # Where it was cleaned up at this very moment, it is built again.
        if there is not None and there.use():
            return Request.objects.create(
                workspace=workspace,
                version=version,
                user=user,
                image=there,
                reused=True,
                told_at=timezone.now(),
            )
    build, joined = _build_for(version, workspace, rebuild=rebuild, here=here)
    request = Request.objects.create(
        workspace=workspace, version=version, user=user, build=build, joined=joined
    )
    record(
        "build.joined" if joined else "build.requested",
        str(version),
        workspace=workspace,
        environment=version.environment,
        actor=user,
        build=str(build.pk),
        rebuild=rebuild,
    )
    if joined:
        _show_who_waits(build)
    return request


def _show_who_waits(build: Build) -> None:
    """Let who looks at the build see that somebody has come or gone."""
    Build.objects.filter(pk=build.pk).update(revision=F("revision") + 1)


def _build_for(version: Version, workspace: Workspace, *, rebuild: bool, here: bool) -> tuple[Build, bool]:
    """Return the build to wait for, and whether it was under way already."""
    # Two people who press Build at once: the unique constraint lets one row in, the other joins it. If that
    # build ends in between, there is room for a new row.
    while True:
        under_way = active_build_of(version)
        if under_way is not None and _joined(under_way):
            return under_way, True
        try:
            with transaction.atomic():
                if not here:
                    find_room(workspace)
                build = Build.objects.create(
                    workspace=workspace,
                    version=version,
                    hash=version.hash,
                    rebuild=rebuild,
                    reserved_until=Now() + timedelta(seconds=settings.LOST_AFTER_SECONDS) if here else None,
                )
        except IntegrityError:
            continue
        if not here:
            transaction.on_commit(partial(queue.send, build.pk))
        return build, False


def _joined(build: Build) -> bool:
    """Join a build that is under way, to the commit of the caller; return False when it has ended."""
    # Whoever cancels at the same moment was before this, or waits for it and then sees who has come.
    held = Build.objects.select_for_update().filter(pk=build.pk, state__in=ACTIVE).first()
    if held is None:
        return False
    if held.stopped_by is not None:
        raise NotPossible(
            f"{held.stopped_by.get_username()} has stopped the build of this definition, and it is about to end. "
            "Ask again in a moment."
        )
    if held.cancel_requested:
        # All who waited for it have left, but it has not stopped yet: now somebody waits again.
        Build.objects.filter(pk=build.pk).update(cancel_requested=False)
    return True


def find_room(workspace: Workspace) -> None:
    """Raise QueueFull where the workspace has no room in the queue; else there is room until the commit."""
    most = in_force(turns.hold(workspace.pk)).queued
    waiting = Build.objects.filter(workspace=workspace, state=State.QUEUED).count()
    if waiting >= most:
        raise QueueFull(
            f"{waiting} builds of {workspace} wait already, and no more than {most} may. "
            "Wait until some have ended, cancel what is no longer needed, or ask an administrator for more."
        )


@transaction.atomic
def cancel_request(request: Request, user: User | None) -> None:
    """Stop waiting. The build stops with the last one who waits for it."""
    if not Request.objects.filter(pk=request.pk, cancelled_at=None).update(cancelled_at=timezone.now()):
        raise NotPossible("This request was cancelled before.")
    build = request.build
    if build is None or not build.active:
        raise NotPossible("There is nothing to cancel: the build has ended.")
    # Whoever cancels at the same moment waits here, and then sees this request as cancelled.
    Build.objects.select_for_update().get(pk=build.pk)
    others = Request.objects.filter(build=build, cancelled_at=None).exists()
    if not others and not claims.cancel_queued(build.pk):
        claims.ask_to_stop(build.pk)
    record(
        "build.left" if others else "build.cancelled",
        str(request.version),
        workspace=request.workspace,
        environment=request.version.environment,
        actor=user,
        build=str(build.pk),
    )
    _show_who_waits(build)


def cancel_for(build: Build, user: User) -> None:
    """Cancel what this person asked of the build; an owner of nothing in it changes nothing."""
    mine = Request.objects.filter(build=build, user=user, cancelled_at=None).select_related(
        "version", "build"
    )
    requests = list(mine)
    if not requests:
        raise NotPossible("You have not asked for this build, so there is nothing of yours to cancel.")
    for request in requests:
        cancel_request(request, user)


def stop_for_all(build: Build, user: User) -> None:
    """Stop a build for everybody who waits for it: they stay among those who asked, and are told who stopped it."""
    with transaction.atomic():
        # Whoever stops it at the same moment waits here, and then sees that it was stopped.
        row = Build.objects.select_for_update().get(pk=build.pk)
        if not row.active:
            raise NotPossible("There is nothing to stop: the build has ended.")
        if row.stopped_by_id is not None:
            raise NotPossible("It was stopped before, and is about to end.")
        Build.objects.filter(pk=build.pk).update(stopped_by=user)
        waiting = Request.objects.filter(build=build, cancelled_at=None)
        waiting.filter(user=user).update(told_at=Now())
        waited = set(waiting.filter(user__isnull=False).values_list("user__username", flat=True))
        if not claims.cancel_queued(build.pk):
            claims.ask_to_stop(build.pk)
        record(
            "build.stopped",
            str(build.version),
            workspace=build.workspace,
            environment=build.version.environment,
            actor=user,
            build=str(build.pk),
            waited=sorted(waited),
        )


def retry(build: Build, user: User) -> Request:
    """Ask again for what a build that failed or was cancelled did not make."""
    if build.state not in {State.FAILED, State.CANCELLED}:
        raise NotPossible("Only a build that failed or was cancelled can be tried again.")
    return request_build(build.version, user, rebuild=build.rebuild)


def versions_sharing(workspace: Workspace, hash: str) -> list[Version]:
    """Return every version that shares an image, by name: what a rebuild would change (rule 16)."""
    sharing = Version.objects.filter(hash=hash, environment__anonymous=False).select_related(
        "environment__workspace"
    )
    if not workspace.curated:
        sharing = sharing.filter(environment__workspace=workspace)
    return list(sharing.order_by("environment__name", "number"))
