"""The tour after a person's first build: pull the image, change a package, see the difference."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.db.models import Q
from django.http import HttpResponse
from django.views.decorators.http import require_POST

from builds.models import BuildRequest, BuildState, Image
from environments.models import Version
from environments.requests import StudioRequest
from environments.workspaces.tour import DISMISSED, has_changed, note, progress_of
from studio.signing_in.views import redirect_back


@dataclass(frozen=True)
class TourSteps:
    """The steps, each with whether it is done."""

    pulled: bool
    changed: bool
    compared: bool

    @property
    def count(self) -> int:
        """The number of steps that are done."""
        return self.pulled + self.changed + self.compared


def tour_for(user: User, rights: dict[str, bool], version: Version, image: Image | None) -> TourSteps | None:
    """Return the tour on the page of a version; None without a first build, or where it was dismissed."""
    if image is None or not rights["define"] or not version.environment.editable:
        return None
    progress = progress_of(user)
    if progress.dismissed_at is not None or not _has_built(user):
        return None
    return TourSteps(progress.pulled_at is not None, has_changed(user), progress.compared_at is not None)


def _has_built(user: User) -> bool:
    got = Q(build__state=BuildState.SUCCEEDED) | Q(reused=True)
    return BuildRequest.objects.filter(got, user_id=user.pk).exists()


@require_POST
@login_required
def dismiss(request: StudioRequest) -> HttpResponse:
    """Close the tour for this person."""
    note(request.user, DISMISSED)
    return redirect_back(request)
