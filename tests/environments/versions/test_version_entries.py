"""The rows that searches read of each version: the migration fills them as saving does, and every change keeps them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps

from environments.models import RequestedPackage, Role, VersionEntry
from environments.versions.listing import update_listing
from environments.versions.service import archive_environment, archive_version, describe
from tests.builds.scenarios import person, save_text

pytestmark = pytest.mark.django_db
(MIGRATION,) = (path.stem for path in Path("environments/migrations").glob("*_version_entries.py"))


def entries() -> list[dict[str, Any]]:
    return [dict(row) for row in VersionEntry.objects.order_by("pk").values()]


def requested() -> list[tuple[Any, ...]]:
    rows = RequestedPackage.objects.order_by("version", "name", "constraint")
    return list(rows.values_list("version", "ecosystem", "name", "exact", "constraint"))


def test_the_migration_fills_what_saving_writes() -> None:
    ann = person("ann", lab=Role.CONTRIBUTOR)
    save_text("numpy==2.1.3\nPandas>=2,<3\n", user=ann, tags={"Team": "NLP", "odd\nname": "x", "alone": ""})
    archive_version(save_text("torch==2.3.0\n", user=ann), ann)
    archive_environment(save_text("six\n", name="gone").environment, ann)
    save_text(
        "# Ünïcode\nscikit_learn[extra]~=1.5 ; python_version > '3'\n", name="Other", description="İstanbul"
    )
    hidden = save_text("numpy\n", name="anonymous").environment
    hidden.anonymous = True
    hidden.save()
    update_listing(hidden)
    saved, packages = entries(), requested()
    assert {row["environment_id"] for row in saved}.isdisjoint({hidden.pk})
    VersionEntry.objects.all().delete()
    RequestedPackage.objects.all().delete()
    import_module(f"environments.migrations.{MIGRATION}").fill(apps, None)
    assert entries() == saved
    assert requested() == packages


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
