"""Follow the builds and import tests of healed definitions, and save those that passed."""

from __future__ import annotations

import logging

from django.contrib.auth.models import User
from django.db import transaction

from builds.healing.offers import offer_to_derived
from builds.healing.runs import decided_items, items_to_advance, move
from builds.models import BuildState, Image, TrialState
from builds.models.healing import HealItem, HealState
from builds.queue import trials
from builds.queue.requests import image_of
from environments.access import Right, may
from environments.audit.record import record
from environments.catalogue import proposals
from environments.errors import ConflictError, ForbiddenError, ServiceError
from environments.models import Environment, Version
from environments.models.catalogue import Stage
from environments.versions.input import texts_beside
from environments.versions.service import SavedVersion, save_version

log = logging.getLogger(__name__)

NOT_TESTED = "It is built, but could not be tested: {reason}"
NOT_IMPORTED = "Its import test failed: {modules}."
NEWER = "{version} was saved in the meantime."


def advance_items() -> None:
    """Move every item on whose build or import test has ended. Safe to call at any time, by any worker."""
    follow_proposals()
    for item in items_to_advance():
        try:
            _advance(item)
        except ServiceError as error:
            move(item, HealState.REFUSED, reason=f"{error.message} {error.help}".strip())
        except Exception:
            log.exception("Could not heal %s", item)
            move(item, HealState.FAILED, reason="The studio made an error; its log has the details.")


def follow_proposals() -> None:
    """Note which proposals have been decided: a published one heals its environment, and what was started from it."""
    for item in decided_items():
        proposal = item.proposal
        if proposal is None:
            continue
        if proposal.stage != Stage.PUBLISHED:
            move(item, HealState.REFUSED, reason=f"Its proposal was {proposal.stage}.")
        else:
            with transaction.atomic():
                if move(item, HealState.HEALED, published=proposal.published):
                    offer_to_derived(item)


def check_allowed(item: HealItem) -> None:
    """Raise ServiceError if the person who requested the run may no longer save versions there."""
    user, curated = item.run.requested_by, item.version.environment.workspace.curated
    workspace = item.run.workspace if curated else item.version.environment.workspace
    right = Right.PROPOSE if curated else Right.DEFINE
    if user is not None and workspace is not None and not (user.is_active and may(user, right, workspace)):
        if curated:  # all readers of the catalogue see the reason, and few of them that workspace
            message = f"{user.get_username()} may no longer propose curated environments."
        else:
            message = f"{user.get_username()} may no longer save versions in {workspace}."
        raise ServiceError("not-allowed", message, "Heal it yourself.")


def _advance(item: HealItem) -> None:
    candidate = item.candidate
    if candidate is None:
        move(item, HealState.FAILED, reason="The new definition was removed before it was built.")
        return
    if item.state == HealState.BUILDING and not _built(item):
        return
    image = image_of(candidate)
    if image is None:
        move(item, HealState.FAILED, reason="Its image was removed before it was tested.")
        return
    trial = trials.trial_of(image)
    if trial is None:
        trials.queue_image(image)
    if trial is None or trial.pending:
        if item.state == HealState.BUILDING:
            move(item, HealState.TESTING)
    elif trial.state == TrialState.FAILED:
        modules = ", ".join(sorted({problem["module"] for problem in trial.problems})[:5])
        move(item, HealState.FAILED, reason=NOT_IMPORTED.format(modules=modules or "see the image"))
    elif trial.state == TrialState.UNTRIED and not item.run.untested:
        move(item, HealState.READY, reason=NOT_TESTED.format(reason=trial.reason))
    else:
        _finish(item, candidate, image)


def _built(item: HealItem) -> bool:
    """Return whether there is an image to test; a build that ended without ends the item."""
    build = item.build
    if build is None or build.state == BuildState.SUCCEEDED:
        return True
    if not build.active:
        move(item, HealState.FAILED, reason=f"{build.error} {build.error_help}".strip() or "It was stopped.")
    return False


def _finish(item: HealItem, candidate: Version, image: Image) -> None:
    """Save the definition as the next version, propose it, or leave it to somebody to decide."""
    check_allowed(item)
    if item.run.report_only:
        move(item, HealState.READY, reason="It is built and tested. This run saves nothing.")
    else:
        _save(item, candidate, item.run.requested_by)


def _save(item: HealItem, candidate: Version, user: User | None) -> None:
    if item.version.environment.workspace.curated:
        _propose(item, candidate, user)
    else:
        publish(item, candidate, user)


def publish_ready(item: HealItem, user: User) -> None:
    """Save what is ready but was not saved: somebody with the right in its workspace decided so. Raises ServiceError.

    The change of a curated environment is saved in the workspace of the run, where the user needs a right of their own.
    """
    candidate, home = item.candidate, item.run.workspace
    curated = item.version.environment.workspace.curated
    if curated and home is not None and not may(user, Right.PROPOSE, home):
        raise ForbiddenError(
            "not-allowed",
            "You may not propose from the workspace that this run was started for.",
            "Heal the environment from a workspace of yours.",
        )
    if item.state != HealState.READY or candidate is None or image_of(candidate) is None:
        raise ConflictError("not-ready", f"{item.version} has nothing to save.", "Heal it again.")
    _save(item, candidate, user)


@transaction.atomic
def publish(item: HealItem, candidate: Version, user: User | None) -> None:
    """Save a healed definition as the next version of its environment, with its image. Raises ServiceError."""
    # Concurrent saves wait here, and then the latest version is another.
    environment = Environment.objects.select_for_update().get(pk=item.environment_id)
    latest = environment.latest(without_content=True)
    if latest is None or latest.pk != item.version_id:
        move(item, HealState.REFUSED, reason=NEWER.format(version=latest))
        return
    saved = _saved(item, candidate, environment, user)
    keys = sorted(item.run.advisories.values_list("key", flat=True))
    if move(item, HealState.HEALED, published=saved.version, reason=""):
        record(
            "version.healed",
            str(saved.version),
            workspace=environment.workspace,
            environment=environment,
            actor=user,
            advisories=keys,
            based_on=str(item.version),
        )
        offer_to_derived(item)


def _saved(item: HealItem, candidate: Version, environment: Environment, user: User | None) -> SavedVersion:
    before = item.version
    return save_version(
        environment.workspace,
        environment.name,
        candidate.definition,
        user=user,
        description=before.description,
        tags=before.tags,
        based_on=before,
        source=candidate.source,
        source_path=candidate.source_path,
        beside=texts_beside(candidate),
        source_format=candidate.source_format,
    )


@transaction.atomic
def _propose(item: HealItem, candidate: Version, user: User | None) -> None:
    """Propose a healed definition as the next version of a curated environment."""
    workspace = item.run.workspace
    curated = item.version.environment
    if workspace is None or user is None:
        move(item, HealState.READY, reason="It is built and tested. Choose a workspace to propose it from.")
        return
    saved = save_version(
        workspace,
        curated.shown_name,
        candidate.definition,
        user=user,
        description=item.version.description,
        tags=item.version.tags,
        based_on=item.version,
        source=candidate.source,
        source_path=candidate.source_path,
        beside=texts_beside(candidate),
        source_format=candidate.source_format,
    )
    keys = ", ".join(sorted(item.run.advisories.values_list("key", flat=True)))
    proposal = proposals.propose(
        saved.version, user, name=curated.name, as_new=False, comment=f"Fixes {keys}."
    )
    move(item, HealState.PROPOSED, published=saved.version, proposal=proposal, reason="")
