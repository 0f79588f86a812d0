"""Plan how environments are healed: edit the definition, solve it with the lock as preference, and have it built."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from builds.exposure.base_fixes import from_dockerfile
from builds.healing.affected import Affected, affected_versions, still_affected, unsettled, upgrades_for
from builds.healing.publishing import advance_items, check_allowed
from builds.healing.runs import claim_next_item, move
from builds.images.platforms import locks_of
from builds.imaging.lock import Lock
from builds.imaging.reporting import ImageError
from builds.models import Advisory, Build, Image
from builds.models.healing import HealItem, HealState
from builds.queue.requests import StateConflict, image_of, request_build
from builds.worker import steps
from builds.worker.deadline import DeadlineReporter
from builds.worker.preview import CONNECTIONS_UNREADABLE, version_changes
from builds.worker.reporter import StudioStopping, stopping
from environments.definition import Reading
from environments.definition.upgrades import CannotUpgrade, Upgraded, upgraded
from environments.encryption import DecryptionError
from environments.errors import ServiceError
from environments.models import Version
from environments.stored_files import stored
from environments.versions.anonymous import save_anonymous
from environments.versions.input import DefinitionInput, input_of, read_input

log = logging.getLogger(__name__)

_planning = threading.Lock()


IN_DOCKERFILE = "The packages that are affected come with its Dockerfile: change them there."
IN_BASE = "The packages that are affected come with its base image: rebase it instead."


class Refused(Exception):
    """The environment cannot be healed; the message says why."""


@dataclass(frozen=True)
class Plan:
    """The edited definition, and what its packages would be."""

    given: DefinitionInput
    upgraded: Upgraded
    locks: Mapping[str, Lock]


def run_waiting_items() -> None:
    """Plan items until none waits, and move those on that were built; at once if another thread does that."""
    if not _planning.acquire(blocking=False):
        return
    try:
        advance_items()
        while not stopping.is_set() and (item := claim_next_item()) is not None:
            run_item(item)
    finally:
        _planning.release()


def run_item(item: HealItem) -> None:
    """Plan a claimed item, and have it built unless its run is a rehearsal."""
    advisories = list(item.run.advisories.all())
    try:
        pair = _pair(item, advisories)
        if pair is None:
            move(item, HealState.CURRENT, reason="Its image is no longer affected.")
            return
        image = pair.image
        if pair.in_base and not from_dockerfile(image.base):
            HealItem.objects.filter(pk=item.pk).update(base=image.base)
        if not pair.own:
            raise Refused(IN_DOCKERFILE if from_dockerfile(image.base) else IN_BASE)
        plan = plan_for(item.version, image, unsettled(advisories, item.version))
        changes = version_changes(image, plan.locks)
        requirements = [[change.before, change.after] for change in plan.upgraded.changes]
        if item.run.dry_run:
            move(item, HealState.PLANNED, changes=changes, requirements=requirements)
        else:
            _request(item, plan, changes=changes, requirements=requirements)
    except StudioStopping:
        move(item, HealState.WAITING)
    except (Refused, CannotUpgrade) as error:
        move(item, HealState.REFUSED, reason=str(error))
    except (ImageError, ServiceError) as error:
        move(item, HealState.REFUSED, reason=f"{error.message} {error.help}".strip())
    except DecryptionError:
        move(item, HealState.REFUSED, reason=CONNECTIONS_UNREADABLE)
    except StateConflict:  # the queue of the workspace is full
        move(item, HealState.WAITING, attempt=0)
    except Exception:
        log.exception("Could not plan how to heal %s", item)
        move(item, HealState.FAILED, reason="The studio made an error; its log has the details.")


def _pair(item: HealItem, advisories: Collection[Advisory]) -> Affected | None:
    """Return an item's version with its image, if that is still the latest and affected."""
    environment = item.version.environment
    pairs = affected_versions(advisories, [environment.workspace], environment=environment.pk)
    return next((pair for pair in pairs if pair.version.pk == item.version_id), None)


def plan_for(version: Version, image: Image, advisories: Collection[Advisory]) -> Plan:
    """Return the smallest change of a version that fixes these advisories, solved but not built.

    Raises Refused, CannotUpgrade or ImageError.
    """
    given = input_of(version)
    if given.reading.definition is None:
        raise Refused("Its text can no longer be read: save a newer version of it first.")
    before = locks_of(image)
    upgrades = {upgrade: None for lock in before.values() for upgrade in upgrades_for(advisories, lock)}
    if not upgrades:
        raise Refused(IN_BASE)
    result = upgraded(_texts(given), given.reading, list(upgrades), lambda texts: _reread(given, texts))
    reporter = DeadlineReporter(settings.PREVIEW_SECONDS)
    changed = result.reading.definition
    if changed is None:  # `upgraded` returns only what can be read
        raise Refused("Its changed text cannot be read.")
    edited = Version(environment=version.environment, hash=changed.hash, data=stored(changed))
    previous = next(iter(before.values()))
    _, targets = steps.resolve_for_rebuild(edited, image, reporter, previous=previous)
    locks = {target.platform: target.lock for target in targets}
    affected = sorted({text for lock in locks.values() for text in still_affected(advisories, lock)})
    if affected:
        raise Refused(f"No version that fits fixes it: {', '.join(affected)} would still be affected.")
    return Plan(given, result, locks)


def _texts(given: DefinitionInput) -> dict[str, str]:
    return {**given.beside, given.filename: given.text}


def _reread(given: DefinitionInput, texts: Mapping[str, str]) -> Reading:
    return _changed(given, texts).reading


def _changed(given: DefinitionInput, texts: Mapping[str, str]) -> DefinitionInput:
    beside = {path: text for path, text in texts.items() if path != given.filename}
    return read_input(texts[given.filename], given.filename, beside=beside, selection=given.selection)


@transaction.atomic
def _request(item: HealItem, plan: Plan, **fields: object) -> None:
    """Save the edited definition without a name, and request its build."""
    check_allowed(item)
    run, version = item.run, item.version
    workspace = version.environment.workspace
    if workspace.curated:
        if run.workspace is None:
            raise Refused("Choose a workspace in which changes of curated environments are built.")
        workspace = run.workspace
    given = _changed(plan.given, plan.upgraded.texts)
    saved = save_anonymous(workspace, given, user=run.requested_by, based_on=version)
    request = request_build(saved.version, run.requested_by)
    build: Build | None = request.build
    if build is None and image_of(saved.version) is None:
        raise StateConflict("Its image is being removed.")
    move(item, HealState.BUILDING, candidate=saved.version, build=build, **fields)
