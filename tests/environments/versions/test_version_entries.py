"""The rows that searches read of each version: every change keeps them."""

from __future__ import annotations

import pytest

from environments.models import Role, VersionEntry
from environments.versions.service import archive_environment, archive_version, describe
from tests.builds.scenarios import person, save_text

pytestmark = pytest.mark.django_db


def test_the_latest_flag_and_the_archive_follow_each_change() -> None:
    ann = person("ann", lab=Role.CONTRIBUTOR)
    first, second = save_text("numpy==1\n"), save_text("numpy==2\n")

    def flags() -> dict[str, tuple[bool, bool]]:
        rows = VersionEntry.objects.values_list("version__version", "latest", "archived")
        return {version: (latest, archived) for version, latest, archived in rows}

    assert flags() == {"1": (False, False), "2": (True, False)}
    archive_version(second, ann)
    assert flags() == {"1": (True, False), "2": (False, True)}
    archive_version(second, ann, restore=True)
    assert flags() == {"1": (False, False), "2": (True, False)}
    archive_environment(first.environment, ann)
    assert {archived for _, archived in flags().values()} == {True}
    archive_environment(first.environment, ann, restore=True)
    assert flags() == {"1": (False, False), "2": (True, False)}


def test_an_older_version_that_is_described_is_searched_by_its_new_text() -> None:
    ann = person("ann", lab=Role.CONTRIBUTOR)
    first = save_text("numpy==1\n")
    save_text("numpy==2\n")
    describe(first, description="A new text", tags={"Stage": "Test"}, user=ann)
    entry = VersionEntry.objects.get(version=first)
    assert "a new text" in entry.search_text
    assert entry.tags == "\nstage=test\n"
    assert not entry.latest
