"""Labels of versions: set, moved and removed, and what follows from them for images and tags."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.db.models import RestrictedError

from builds.images.repositories import tags_of, version_tagged
from builds.images.retention import Rule, preview
from builds.models import Image
from builds.queue.registry_tags import claim, missing_tags, record_pushed
from environments.errors import ServiceError
from environments.models import Event, Role, Version, VersionLabel
from environments.versions.labels import MAX_LABELS, LabelMoved, remove_label, set_label
from environments.versions.service import archive_environment, archive_version
from tests.builds.scenarios import image_for, person, save_text, workspace_named

LABELS = "workspaces/lab/environments/forecast/labels/"
PAGE = "/w/lab/environments/forecast/versions/1/label/"


@pytest.fixture
def olga(db: None) -> User:
    cache.clear()
    return person("olga", lab=Role.CONTRIBUTOR)


@pytest.fixture
def both(olga: User) -> tuple[Version, Version]:
    return save_text("numpy==2.1.3"), save_text("numpy==2.2.0")


def on(name: str = "prod") -> str:
    """Return the version that a label is on."""
    return VersionLabel.objects.get(name=name).version.version


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(ServiceError) as problem:
        act()
    assert problem.value.message.endswith(".")
    return problem.value.code


# The service


def test_a_label_is_set_moved_back_and_removed_with_an_event_each(
    olga: User, both: tuple[Version, Version]
) -> None:
    first, second = both
    set_label(second, "prod", user=olga)
    assert not set_label(second, "prod", user=olga).changed
    set_label(first, "prod", user=olga, seen="2")
    remove_label(first.environment, "prod", user=olga, seen="1")

    events = Event.objects.filter(verb__startswith="label.").order_by("pk")
    assert [(event.verb, event.subject, event.before, event.after) for event in events] == [
        ("label.set", "forecast:2", None, {"version": "2"}),
        ("label.moved", "forecast:1", {"version": "2"}, {"version": "1"}),
        ("label.removed", "forecast:1", {"version": "1"}, None),
    ]
    assert {event.group for event in events} == {"environments"}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "latest",
        "3",
        "1.2",
        "-x",
        "Prod",
        "a b",
        "a/b",
        "prød",
        "x" * 65,
        "<b>",
        "a'b",
        "_1.0",
        "a+b",
        "a\n",
    ],
)
def test_names_that_mean_something_else_or_break_addresses_are_no_labels(
    both: tuple[Version, Version], name: str
) -> None:
    assert refused(lambda: set_label(both[0], name, user=None)) == "label-invalid"


def test_a_label_and_a_version_never_share_a_name(both: tuple[Version, Version]) -> None:
    first, _ = both
    named = save_text("six", version="rc1")
    assert refused(lambda: set_label(first, "rc1", user=None)) == "label-taken"
    set_label(named, "prod", user=None)
    assert refused(lambda: save_text("six==1.16", version="prod")) == "version-is-label"


def test_a_version_with_a_label_is_neither_archived_nor_deleted(
    olga: User, both: tuple[Version, Version]
) -> None:
    first, second = both
    set_label(first, "prod", user=olga)
    set_label(first, "staging", user=olga)
    with pytest.raises(ServiceError, match="forecast:1 has the labels “prod”, “staging”") as problem:
        archive_version(first, olga)
    assert problem.value.code == "labelled"
    with pytest.raises(RestrictedError):
        first.delete()
    archive_version(second, olga)
    assert refused(lambda: set_label(second, "prod", user=olga)) == "archived"
    archive_environment(first.environment, olga)  # all of it is hidden, and comes back with its labels
    assert first.environment.version_called("prod") == first


def test_an_environment_has_a_bounded_number_of_labels(both: tuple[Version, Version]) -> None:
    for number in range(MAX_LABELS):
        set_label(both[0], f"l{number}", user=None)
    assert refused(lambda: set_label(both[0], "another", user=None)) == "too-many-labels"
    set_label(both[1], "l1", user=None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("either_database")
def test_of_two_people_who_move_a_label_at_once_one_is_refused_with_the_others_name() -> None:
    people = [person("ann", lab=Role.CONTRIBUTOR), person("bob", lab=Role.CONTRIBUTOR)]
    versions = [save_text("numpy==2.1.3"), save_text("numpy==2.2.0"), save_text("numpy==2.3.0")]
    for _ in range(5):
        VersionLabel.objects.all().delete()
        set_label(versions[0], "prod", user=None)
        start = threading.Barrier(2)
        problems: list[str] = []

        def move(index: int, start: threading.Barrier = start, problems: list[str] = problems) -> None:
            start.wait(60)
            try:
                set_label(versions[index + 1], "prod", user=people[index], seen="1")
            except LabelMoved as problem:
                problems.append(problem.message)
            connection.close()

        threads = [threading.Thread(target=move, args=(index,)) for index in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        label = VersionLabel.objects.get()
        assert label.set_by is not None
        assert problems == [f"“prod” was moved to {label.version} by {label.set_by} in the meantime."]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("either_database")
def test_a_version_is_either_archived_or_labelled_when_both_happen_at_once() -> None:
    olga = person("olga", lab=Role.CONTRIBUTOR)
    save_text("six")
    for number in range(5):
        version = save_text(f"six==1.{number}")
        start = threading.Barrier(2)

        def act(change: Callable[[], object], start: threading.Barrier = start) -> None:
            start.wait(60)
            with suppress(ServiceError):
                change()
            connection.close()

        acts: list[Callable[[], object]] = [
            lambda version=version: archive_version(version, olga),  # type: ignore[misc]
            lambda version=version: set_label(Version.objects.get(pk=version.pk), "prod", user=olga),  # type: ignore[misc]
        ]
        threads = [threading.Thread(target=act, args=(change,)) for change in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        version.refresh_from_db()
        assert bool(version.archived_at) != version.labels.exists()
        VersionLabel.objects.all().delete()


# Images


def test_tags_follow_labels_and_a_labelled_image_is_kept(olga: User, both: tuple[Version, Version]) -> None:
    first, second = both
    set_label(first, "prod", user=olga)
    set_label(second, "next", user=olga)
    image_for(first)
    environment = first.environment
    assert sorted(tags_of(environment, catalogue=False)) == ["1", "prod"]  # version 2 has no image
    assert version_tagged(environment, "prod") == first
    assert version_tagged(environment, "Prod") is None
    Image.objects.update(used_at="2020-01-01T00:00:00Z")
    assert [outcome.fate for outcome in preview(workspace_named("lab"), Rule()).stays] == ["labelled"]
    remove_label(environment, "prod", user=olga)
    assert [outcome.fate for outcome in preview(workspace_named("lab"), Rule()).goes] == ["older"]


@pytest.mark.usefixtures("either_database")
def test_a_label_that_moves_during_its_push_is_pushed_again_to_where_it_moved(
    olga: User, both: tuple[Version, Version]
) -> None:
    lab = workspace_named("lab")
    lab.registry = "registry.example.com/ml"
    lab.save()
    first, second = both
    for version in both:
        image = image_for(version)
        Image.objects.filter(pk=image.pk).update(pushed_to=f"{lab.registry}/{image.repository}")
    set_label(first, "prod", user=olga)
    assert [tag.reference.rpartition(":")[2] for tag in missing_tags()] == ["1", "2", "prod", "latest"]
    for tag in missing_tags():
        row = claim(tag)
        assert row is not None
        if tag.label:
            set_label(second, "prod", user=olga)  # while the push is on its way
            assert claim(tag) is None
        record_pushed(row, tag)
    (again,) = missing_tags()
    assert (again.label, again.image.hash) == ("prod", second.hash)
    row = claim(again)
    assert row is not None
    record_pushed(row, again)
    assert missing_tags() == []
    remove_label(first.environment, "prod", user=olga)
    assert missing_tags() == []
