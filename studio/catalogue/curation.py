"""What the pages of an environment and the frame tell of the catalogue."""

import datetime
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone

from environments.access import Right, may
from environments.catalogue_models import Deprecation, Proposal, Stage
from environments.deprecations import Origin, deprecated_origin, deprecations_of
from environments.lists import Counted, counted
from environments.models import Version, Workspace
from environments.proposals import open_proposal_of


@dataclass(frozen=True)
class Curation:
    """What a version's page says: that it goes, that what it was started from goes, that it is proposed."""

    deprecation: Deprecation | None
    origin: Origin | None
    proposal: Proposal | None
    today: datetime.date


def curation_of(version: Version, rights: dict[str, bool]) -> Curation:
    """Return what there is to say of a version; of its proposal to those only who may propose."""
    place = version.environment.workspace
    proposes = rights["propose"] and not place.curated
    return Curation(
        deprecation=deprecations_of([version]).get(version.pk) if place.curated else None,
        origin=None if place.curated else deprecated_origin(version),
        proposal=open_proposal_of(version.environment) if proposes else None,
        today=timezone.localdate(),
    )


@dataclass(frozen=True)
class Review:
    """Where somebody reviews, and how much waits there."""

    catalogue: Workspace
    waiting: Counted


def review_for(user: User | AnonymousUser, workspaces: list[Workspace]) -> Review | None:
    """Return the catalogue's review for its curators; None for everybody else."""
    catalogue = next((one for one in workspaces if one.curated), None)
    if catalogue is None or not may(user, Right.REVIEW, catalogue):
        return None
    return Review(catalogue, counted(Proposal.objects.filter(stage=Stage.WAITING)))
