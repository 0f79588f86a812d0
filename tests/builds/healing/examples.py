"""Runs that heal, as rows: nothing is solved or built for them."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.utils import timezone

from builds.healing.drift import watch
from builds.models import Advisory, AdvisoryName, Package, PackageAdvisory
from builds.models.drift import Drift
from builds.models.healing import HealItem, HealRun, HealState
from builds.queue.requests import image_of
from environments.models import Version, Workspace
from environments.versions.anonymous import save_anonymous
from environments.versions.input import read_input
from tests.builds.scenarios import image_for, save_text

KEY = "CVE-2026-1"


def affected_environment(workspace: str, name: str = "affected") -> Version:
    """Return a version whose image holds numpy 2.1.3, which the advisory CVE-2026-1 affects until 2.1.4."""
    version = save_text("numpy==2.1.3\n", name=name, workspace=workspace)
    if image_of(version) is None:
        image_for(version)
    advisory, _ = Advisory.objects.get_or_create(key=KEY, defaults={"summary": "numpy counts wrong"})
    AdvisoryName.objects.get_or_create(advisory=advisory, name=KEY)
    for package in Package.objects.filter(name="numpy"):
        PackageAdvisory.objects.get_or_create(
            advisory=advisory, package=package, defaults={"fixed_in": ["2.1.4"]}
        )
    return version


def drifted(version: Version, user: User) -> Drift:
    """Return the drift of an environment that this user watches: today its numpy would be newer."""
    if image_of(version) is None:
        image_for(version)
    row = watch(version.environment, user)
    Drift.objects.filter(pk=row.pk).update(
        version=version,
        image=image_of(version),
        checked_at=timezone.now(),
        changes=[{"name": "numpy", "before": "2.1.3", "after": "2.3.1"}],
    )
    row.refresh_from_db()
    return row


def heal_item(version: Version, state: HealState, home: Workspace | None = None) -> HealItem:
    """Return an item of a run of its own in this state; `ready` has a built candidate."""
    run = HealRun.objects.create(dry_run=False, workspace=home)
    run.advisories.set(Advisory.objects.filter(key=KEY))
    item = HealItem.objects.create(
        run=run,
        environment=version.environment,
        version=version,
        state=state,
        requirements=[["numpy==2.1.3", "numpy==2.1.4"]],
        changes=[{"name": "numpy", "before": "2.1.3", "after": "2.1.4"}],
    )
    if state == HealState.READY:
        owner = home or version.environment.workspace
        saved = save_anonymous(owner, read_input("numpy==2.1.4\n"), based_on=version)
        if image_of(saved.version) is None:
            image_for(saved.version)
        HealItem.objects.filter(pk=item.pk).update(
            candidate=saved.version, reason="It is built, but could not be tested: there is no engine."
        )
        item.refresh_from_db()
    return item
