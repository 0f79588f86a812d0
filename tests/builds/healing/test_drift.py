"""Watched environments are checked for drift: a dry solve, a notice when something would change, a version of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from builds.healing.drift import claim_due, drift_of, make_version, record_check, watch, watch_curated
from builds.models.drift import Drift
from builds.queue.requests import image_of
from builds.worker import runner
from builds.worker.healing.drifting import NOT_BUILT, check_due_environments
from environments.errors import ConflictError
from environments.models import Role
from environments.models.notifications import Notice, NoticeKind
from tests.builds.healing.conftest import publish
from tests.builds.healing.examples import drifted
from tests.builds.imaging.serving import Index
from tests.builds.scenarios import person, queue_build, save_text

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.slow
def test_what_would_change_is_recorded_and_its_people_are_notified_once(index: Index) -> None:
    ann = person("ann", lab=Role.CONTRIBUTOR)
    version = save_text("shop\n", user=ann)
    runner.run_build(queue_build(version).pk, "a worker of a test")
    watch(version.environment, ann)
    check_due_environments()
    row = drift_of(version.environment)
    assert row is not None
    assert (row.changes, row.problem, row.drifted) == ([], "", False)

    publish(index, "mover", "1.1")
    for _ in range(2):
        Drift.objects.update(due_at=timezone.now())
        check_due_environments()

    row = drift_of(version.environment)
    assert row is not None
    assert row.changes == [{"name": "mover", "before": "1.0", "after": "1.1"}]
    notice = Notice.objects.get(kind=NoticeKind.DRIFT)
    assert (notice.user, notice.subject) == (ann, "Built today, 1 package would change in forecast:1")

    made = make_version(row, ann)
    for uploaded in index.folder.glob("*.whl"):
        index.uploaded[uploaded.name] = (timezone.now() - timedelta(days=1)).isoformat()
    build = made.environment.versions.get(pk=made.pk).builds.get()
    runner.run_build(build.pk, "a worker of a test")
    image = image_of(made)
    assert made.based_on == version
    assert "as_of" in made.source
    assert image is not None
    assert image.lock is not None
    assert {package["name"]: package["version"] for package in image.lock["packages"]}["mover"] == "1.1"


@pytest.mark.django_db(transaction=False)
class TestRows:
    """Without an index or an image that is built."""

    def test_an_environment_without_an_image_has_a_reason_instead_of_a_result(self) -> None:
        version = save_text("numpy==2.1.3\n")
        watch(version.environment, person("ann", lab=Role.CONTRIBUTOR))

        check_due_environments()

        row = drift_of(version.environment)
        assert row is not None
        assert (row.problem, row.drifted) == (NOT_BUILT, False)
        assert row.due_at > timezone.now() + timedelta(hours=23)

    def test_a_check_is_claimed_by_one_worker_and_its_result_counts_once(self) -> None:
        watch(save_text("numpy==2.1.3\n").environment, person("ann", lab=Role.CONTRIBUTOR))

        first, second = claim_due(), claim_due()

        assert first is not None
        assert second is None
        Drift.objects.update(claimed_at=timezone.now())  # another worker has it by now
        record_check(first, None, None, problem="late")
        assert Drift.objects.get().problem == ""

    def test_nothing_is_due_where_checks_are_off(self, settings: Settings) -> None:
        watch(save_text("numpy==2.1.3\n").environment, person("ann", lab=Role.CONTRIBUTOR))
        settings.DRIFT_DAYS = 0

        assert claim_due() is None

    def test_curated_environments_are_watched_once_they_are_built(self) -> None:
        built = save_text("numpy==2.1.3\n", name="AzureML-built", workspace="curated")
        save_text("numpy==2.1.4\n", name="AzureML-other", workspace="curated")
        row = drifted(built, person("ann"))
        row.delete()

        watch_curated()

        assert [row.environment.name for row in Drift.objects.all()] == ["AzureML-built"]

    def test_no_version_is_made_of_a_check_that_a_newer_version_has_outdated(self) -> None:
        ann = person("ann", lab=Role.CONTRIBUTOR)
        row = drifted(save_text("numpy==2.1.3\n"), ann)
        save_text("numpy==2.1.4\n")

        with pytest.raises(ConflictError, match="newer version"):
            make_version(row, ann)

    def test_a_requirements_file_becomes_a_definition_with_a_limit(self) -> None:
        ann = person("ann", lab=Role.CONTRIBUTOR)
        version = save_text("numpy==2.1.3\n")

        made = make_version(drifted(version, ann), ann)

        assert made.definition.cutoff.as_of
        assert made.definition.python == version.definition.python
