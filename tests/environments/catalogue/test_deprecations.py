"""Deprecating, retiring and cancelling: with a day, a reason and a successor; notices, and refusals."""

from __future__ import annotations

import datetime

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from environments.catalogue.deprecations import (
    cancel_deprecation,
    curated_ancestor,
    deprecate,
    deprecated_ancestor,
    deprecations_of,
    retire,
)
from environments.catalogue.transitions import StaleReview
from environments.errors import ServiceError
from environments.models import Environment, Event, Role, Version
from environments.models.catalogue import Deprecation
from environments.models.notifications import Notice
from environments.versions.service import archive_environment
from environments.versions.uses import end_use, report_use
from tests.builds.scenarios import person, save_text, workspace_named

pytestmark = pytest.mark.django_db
SOON = datetime.timedelta(days=30)


@pytest.fixture
def cora() -> User:
    return person("cora", curated=Role.CONTRIBUTOR)


def curated(name: str = "AzureML-x", text: str = "numpy==2.0.0\n") -> Version:
    return save_text(text, name=name, workspace="curated")


def leaving(what: Version, by: User, **more: object) -> Deprecation:
    fields: dict[str, object] = {"on": timezone.localdate() + SOON, "reason": "Its Python ends."}
    return deprecate(what.environment, by, **fields | more)  # type: ignore[arg-type]


def test_the_whole_environment_or_one_version_of_it(cora: User) -> None:
    first, second = curated(), curated(text="numpy==2.1.0\n")
    own = leaving(first, cora, version=first, reason="A hole.")
    assert deprecations_of([first, second]) == {first.pk: own}
    whole = leaving(first, cora)
    assert deprecations_of([first, second]) == {first.pk: own, second.pk: whole}


def test_a_second_deprecation_replaces_the_first_and_the_event_has_both(cora: User) -> None:
    version, after = curated(), curated("AzureML-y", "numpy==2.1.0\n")
    leaving(version, cora)
    leaving(version, cora, reason="Sooner.", successor=after.environment)
    assert Deprecation.objects.get().reason == "Sooner."
    newest = Event.objects.filter(verb="catalogue.deprecated").first()
    assert newest is not None
    assert (newest.before or {})["reason"] == "Its Python ends."
    assert (newest.after or {})["successor"] == "AzureML-y"


def test_invalid_deprecations_are_refused(cora: User) -> None:
    version, going, gone = (
        curated(),
        curated("AzureML-going", "six==1.16.0\n"),
        curated("AzureML-gone", "a==1\n"),
    )
    leaving(going, cora)
    archive_environment(gone.environment, cora)
    gone.environment.refresh_from_db()
    mine = save_text("numpy==2.1.3\n")
    yesterday = timezone.localdate() - datetime.timedelta(days=1)
    for code, environment, more in (
        ("not-curated", mine, {}),
        ("reason-missing", version, {"reason": "  "}),
        ("reason-too-long", version, {"reason": "x" * 5001}),
        ("date-past", version, {"on": yesterday}),
        ("no-such-version", version, {"version": going}),
        ("successor-itself", version, {"successor": version.environment}),
        ("successor-not-curated", version, {"successor": mine.environment}),
        ("successor-deprecated", version, {"successor": going.environment}),
        ("successor-deprecated", version, {"successor": gone.environment}),
    ):
        with pytest.raises(ServiceError) as problem:
            leaving(environment, cora, **more)
        assert problem.value.code == code
    assert Deprecation.objects.get().environment == going.environment


def test_nothing_is_retired_before_its_day(cora: User) -> None:
    version = curated()
    row = leaving(version, cora)
    with pytest.raises(ServiceError, match="may be retired on") as problem:
        retire(row, cora)
    assert problem.value.code == "not-yet"
    assert Environment.objects.get().archived_at is None


def test_what_is_retired_is_hidden_and_nothing_new_starts_from_it(cora: User) -> None:
    version, after = curated(), curated("AzureML-y", "numpy==2.1.0\n")
    begun = save_text("numpy==2.0.1\n", name="begun", based_on=version)
    row = leaving(version, cora, on=timezone.localdate(), successor=after.environment)
    retire(row, cora)

    version.environment.refresh_from_db()
    assert version.environment.archived_at is not None
    with pytest.raises(ServiceError, match="AzureML-x is retired: nothing new starts from it") as problem:
        save_text("numpy==2.0.2\n", name="another", based_on=version)
    assert "AzureML-y" in problem.value.help
    assert not Environment.objects.filter(name="another").exists()
    # Existing descendants are unaffected, and may take it over again.
    assert save_text("numpy==2.0.3\n", name="begun", based_on=version).number == begun.number + 1
    # Restoring it is no way round.
    with pytest.raises(ServiceError) as problem:
        archive_environment(version.environment, cora, restore=True)
    assert problem.value.code == "retired"


def test_one_version_is_retired_alone(cora: User) -> None:
    first, second = curated(), curated(text="numpy==2.1.0\n")
    retire(leaving(first, cora, version=first, on=timezone.localdate()), cora)
    with pytest.raises(ServiceError):
        save_text("numpy==2.0.2\n", name="another", based_on=first)
    assert save_text("numpy==2.1.2\n", name="another", based_on=second)
    assert first.environment.latest() == second


def test_it_is_retired_or_kept_once(cora: User) -> None:
    row = leaving(curated(), cora, on=timezone.localdate())
    again = Deprecation.objects.get()
    retire(row, cora)
    with pytest.raises(StaleReview):
        retire(again, cora)
    cancel_deprecation(row, cora)
    assert Environment.objects.get().archived_at is None
    with pytest.raises(StaleReview):
        cancel_deprecation(Deprecation(pk=again.pk, environment=again.environment), cora)


def test_what_was_started_from_it_is_found_through_every_start_between(cora: User) -> None:
    version = curated()
    row = leaving(version, cora)
    mine = save_text("numpy==2.0.1\n", name="mine", based_on=version)
    edited = save_text("numpy==2.0.2\n", name="mine", based_on=mine)
    copied = save_text("numpy==2.0.3\n", name="copy", workspace="shop", based_on=edited)
    for descendant in (mine, edited, copied):
        origin = deprecated_ancestor(descendant)
        assert origin is not None
        assert (origin.version, origin.deprecation) == (version, row)
        assert curated_ancestor(descendant) == version
    assert deprecated_ancestor(save_text("six==1.16.0\n", name="own")) is None


def test_an_environment_with_a_new_origin_gets_no_notice_of_the_old(cora: User) -> None:
    old, new = curated(), curated("AzureML-y", "numpy==2.1.0\n")
    leaving(old, cora)
    first = save_text("numpy==2.0.1\n", name="mine", based_on=old)
    second = save_text("numpy==2.1.1\n", name="mine", based_on=new)
    assert deprecated_ancestor(first) is not None
    assert deprecated_ancestor(second) is None


def test_two_that_started_from_each_other_do_not_go_round_for_ever() -> None:
    a = save_text("a==1\n", name="a")
    b = save_text("a==2\n", name="b", based_on=a)
    assert deprecated_ancestor(save_text("a==3\n", name="a", based_on=b)) is None


def test_makers_of_descendants_get_a_notice_at_each_step(cora: User) -> None:
    olga, paul = person("olga"), person("paul")
    version = curated()
    save_text("numpy==2.0.1\n", name="mine", user=olga, based_on=version)
    save_text("six==1.16.0\n", name="own", user=paul)
    row = leaving(version, cora, on=timezone.localdate())
    retire(row, cora)
    cancel_deprecation(row, cora)
    notices = [(notice.user.username, notice.subject) for notice in Notice.objects.order_by("pk")]
    assert [user for user, _ in notices] == ["olga"] * 3
    assert [subject.rpartition(" ")[0][:24] for _, subject in notices][1] == "AzureML-x is retired: no"


def test_reporters_of_uses_get_a_notice_and_active_uses_prevent_retirement(
    cora: User,
) -> None:  # rule 34
    olga, version = person("olga", lab=Role.CONTRIBUTOR), curated()
    lab = workspace_named("lab")
    report_use(version, "run", "over", workspace=lab, user=person("rita"), active=False)
    use = report_use(version, "deployment", "shop", workspace=lab, user=olga).use
    row = leaving(version, cora, on=timezone.localdate())
    assert [notice.user for notice in Notice.objects.all()] == [olga]
    with pytest.raises(ServiceError, match="in use: 1 in workspaces that you can't see"):
        retire(row, cora)
    row.refresh_from_db()
    assert row.retired_at is None
    end_use(use, olga)
    retire(row, cora)
