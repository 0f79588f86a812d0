"""Saving versions: names, numbers, the same content again, archives (rules 27-33)."""

from __future__ import annotations

import pytest

from environments.definition import read
from environments.errors import ServiceError
from environments.models import Event
from environments.versions.service import VersionTaken, archive_environment, archive_version, save_reading
from tests.builds.scenarios import person, save_text, workspace_named

pytestmark = pytest.mark.django_db


def test_the_next_version_is_taken_when_none_is_given() -> None:
    """Rule 30."""
    assert [save_text("a==1\n").version, save_text("a==2\n").version, save_text("a==3\n").version] == [
        "1",
        "2",
        "3",
    ]


def test_the_next_version_follows_the_highest_whole_number() -> None:
    save_text("a==1\n", version="7")
    save_text("a==2\n", version="2024.1")

    assert save_text("a==3\n").version == "8"


def test_the_same_content_again_makes_no_new_version_and_says_so() -> None:
    """Rule 30."""
    workspace = workspace_named("lab")
    first = save_reading(workspace, "forecast", read("numpy==2.1.3\n", "requirements.txt"), source="")
    again = save_reading(
        workspace, "forecast", read("# mine\n\nnumpy==2.1.3  # pinned\n", "requirements.txt"), source=""
    )

    assert (first.created, again.created) == (True, False)
    assert again.version == first.version


def test_other_content_under_a_taken_version_is_refused_with_the_difference() -> None:
    """Rule 30."""
    save_text("numpy==2.1.3\n", version="1")

    with pytest.raises(VersionTaken) as refused:
        save_text("numpy==2.2.0\n", version="1")

    change = refused.value.difference.packages[0]
    assert (change.name, change.change) == ("numpy", "upgraded")


@pytest.mark.parametrize(
    "name", ["AzureML-mine", "azureml", "MICROSOFT-x", "", "-dash", "a b", "é", "x" * 256]
)
def test_reserved_and_malformed_names_are_refused(name: str) -> None:
    """Rules 27 and 28."""
    with pytest.raises(ServiceError) as refused:
        save_text("a==1\n", name=name)

    assert refused.value.message
    assert refused.value.help


def test_a_curated_name_may_be_reserved() -> None:
    """Rule 27."""
    assert save_text("a==1\n", name="AzureML-x", workspace="curated").environment.shown_name == "x"


def test_a_new_environment_never_becomes_a_version_of_an_existing_environment() -> None:
    save_text("a==1\n", name="taken")

    with pytest.raises(ServiceError, match="already"):
        save_text("a==2\n", name="taken", only_new=True)

    assert workspace_named("lab").environments.get(name="taken").versions.count() == 1


def test_a_refused_definition_leaves_nothing_behind() -> None:
    reading = read("image: a\nbuild: {path: .}\n", "environment.yaml")

    with pytest.raises(ServiceError):
        save_reading(workspace_named("lab"), "broken", reading, source="")

    assert not workspace_named("lab").environments.exists()


def test_latest_is_the_newest_version_that_is_not_archived() -> None:
    """Rule 31."""
    user = person("ada")
    first, second = save_text("a==1\n"), save_text("a==2\n")
    assert first.environment.latest() == second

    archive_version(second, user)

    assert first.environment.latest() == first


def test_a_version_under_an_archived_environment_is_archived_and_not_restored_alone() -> None:
    """Rule 33."""
    user = person("ada")
    first = save_text("a==1\n")
    archive_environment(first.environment, user)
    second = save_text("a==2\n")
    assert second.archived_at

    with pytest.raises(ServiceError, match="archived"):
        archive_version(second, user, restore=True)

    archive_environment(first.environment, user, restore=True)
    second.refresh_from_db()
    assert second.archived_at is None


def test_who_saved_what_is_on_record() -> None:
    user = person("ada")
    version = save_text("a==1\n", user=user)

    event = Event.objects.get(verb="version.created")
    assert (event.actor, event.subject) == (user, "forecast:1")
    assert event.details["hash"] == version.hash
