"""The rows that lists and searches read: right after every change, and cheap however many there are."""

from __future__ import annotations

import pytest
from django.db.models import ProtectedError
from pytest_django.fixtures import DjangoAssertNumQueries

from builds.search.conditions import find
from environments import paging
from environments.models import Environment, ListEntry, Version
from environments.paging import KeysetPaginator, bounded_count
from environments.versions.listing import latest_versions, listings_of
from environments.versions.service import archive_environment, archive_version, describe
from tests.builds.scenarios import person, save_text

pytestmark = pytest.mark.django_db


def shown(version: Version, *, archived: bool = False) -> list[str]:
    """Return what the list shows, by name."""
    workspace = version.environment.workspace
    rows = listings_of(workspace, archived=archived).order_by("name").select_related("version__environment")
    names = [str(row.version) for row in rows]
    versions = latest_versions(workspace, archived=archived).order_by("environment__name")
    assert [str(row) for row in versions] == names
    return names


def search_names(version: Version, query: str) -> list[str]:
    workspace = version.environment.workspace
    rows = find(listings_of(workspace), query, workspace).select_related("version__environment")
    return [str(row.version) for row in rows.order_by("name")]


def test_an_environment_is_listed_at_its_latest_version() -> None:  # rule 31
    save_text("a==1\n", name="beta")
    save_text("a==1\n", name="alpha")
    assert shown(save_text("a==2\n", name="beta")) == ["alpha:1", "beta:2"]


def test_with_the_latest_version_archived_the_previous_is_listed() -> None:  # rules 31, 33
    owner = person("olga")
    first, second = save_text("a==1\n"), save_text("a==2\n")

    archive_version(second, owner)
    assert shown(second) == shown(second, archived=True) == ["forecast:1"]
    archive_version(first, owner)
    assert shown(first) == []
    assert shown(first, archived=True) == ["forecast:2"]
    archive_version(first, owner, restore=True)
    assert shown(first) == ["forecast:1"]


def test_an_archived_environment_is_listed_among_archived_ones_only() -> None:  # rule 33
    owner, version = person("olga"), save_text("a==1\n")

    archive_environment(version.environment, owner)
    version = save_text("a==2\n")
    assert shown(version) == []
    assert shown(version, archived=True) == ["forecast:2"]
    archive_environment(Environment.objects.get(), owner, restore=True)
    assert shown(version) == ["forecast:2"]


def test_the_search_reads_name_tags_description_base_text_and_hash_in_any_case() -> None:
    version = save_text("numpy==2.1.3\n", name="Forecast-Nord")
    save_text("six==1.16.0\n", name="other")
    describe(version, description="Für das Team Wetter", tags={"team": "Küste"}, user=person("olga"))

    for query in (
        "nord",
        "FORECAST",
        "für",
        "WETTER",
        "küste",
        "team wetter numpy",
        "umpy",
        version.hash[:9],
    ):
        assert search_names(version, query) == ["Forecast-Nord:1"], query
    assert search_names(version, "nord six") == []


@pytest.mark.parametrize("query", ["%", "_", "\\", "100%", "a_b", "'", '"; DROP TABLE x'])
def test_signs_that_mean_something_to_databases_are_just_signs(query: str) -> None:
    version = save_text("numpy==2.1.3\n")
    assert search_names(version, query) == []
    describe(version, description=f"it has {query} in it", tags={}, user=person("olga"))
    assert search_names(version, query) == ["forecast:1"]


def test_nobody_counts_further_than_people_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MAX_COUNTED", 4)
    for number in range(6):
        version = save_text("a==1\n", name=f"env-{number}")
    rows = listings_of(version.environment.workspace)
    assert str(bounded_count(rows)) == "4+"
    assert str(bounded_count(rows.filter(name__lt="env-4"))) == "4"
    pages = KeysetPaginator(rows.order_by("name"), 2)
    assert (pages.count, pages.total.more, pages.num_pages) == (4, True, 2)


def test_pages_show_each_row_once_in_order() -> None:
    for number in range(7):
        version = save_text("a==1\n", name=f"env-{number}")
    rows = listings_of(version.environment.workspace).order_by("-name")
    pages = KeysetPaginator(rows, 3)
    names = [[row.name for row in pages.get_page(number)] for number in (1, 2, 3)]
    assert names == [["env-6", "env-5", "env-4"], ["env-3", "env-2", "env-1"], ["env-0"]]
    assert [row.name for row in pages.get_page(99)] == ["env-0"]
    assert [row.name for row in pages.get_page("x")] == names[0]
    assert list(KeysetPaginator(rows.none(), 3).get_page(1)) == []


def test_what_fits_on_one_page_is_looked_for_once(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    version = save_text("a==1\n")
    workspace = version.environment.workspace
    rows = find(listings_of(workspace), "forecast", workspace).order_by("name")
    with django_assert_num_queries(2):  # its keys, its rows
        page = KeysetPaginator(rows, 3).get_page(1)
        assert (page.paginator.count, len(page)) == (1, 1)


def test_an_environment_with_a_history_is_not_deleted() -> None:
    with pytest.raises(ProtectedError):
        save_text("a==1\n").environment.delete()
    assert ListEntry.objects.exists()
