"""The catalogue's part of the base template and of an environment's page."""

import datetime
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone

from environments.access import Right, may
from environments.catalogue.deprecations import DeprecatedAncestor, deprecated_ancestor, deprecations_of
from environments.catalogue.proposals import open_proposal_of
from environments.models import Version, Workspace
from environments.models.catalogue import Deprecation, Proposal, Stage
from environments.paging import BoundedCount, bounded_count


@dataclass(frozen=True)
class Curation:
    """Deprecation and proposal of a version, as its page shows them."""

    deprecation: Deprecation | None
    origin: DeprecatedAncestor | None
    proposal: Proposal | None
    today: datetime.date


def curation_of(version: Version, rights: dict[str, bool]) -> Curation:
    """Return the curation of a version; its proposal only to users who may propose."""
    workspace = version.environment.workspace
    proposes = rights["propose"] and not workspace.curated
    return Curation(
        deprecation=deprecations_of([version]).get(version.pk) if workspace.curated else None,
        origin=None if workspace.curated else deprecated_ancestor(version),
        proposal=open_proposal_of(version.environment) if proposes else None,
        today=timezone.localdate(),
    )


@dataclass(frozen=True)
class Review:
    """The catalogue and the number of proposals that wait for review."""

    catalogue: Workspace
    waiting: BoundedCount


def review_for(user: User | AnonymousUser, workspaces: list[Workspace]) -> Review | None:
    """Return the review queue of the catalogue; None to users who are not its curators."""
    catalogue = next((workspace for workspace in workspaces if workspace.curated), None)
    if catalogue is None or not may(user, Right.REVIEW, catalogue):
        return None
    return Review(catalogue, bounded_count(Proposal.objects.filter(stage=Stage.WAITING)))
