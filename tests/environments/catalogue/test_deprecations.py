"""Deprecated, retired, kept: with a day, a reason and a successor; who is told, and what is refused then."""

from __future__ import annotations

import datetime

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from environments.catalogue_models import Deprecation
from environments.deprecations import (
    deprecate,
    deprecated_origin,
    deprecations_of,
    keep,
    origin_in_catalogue,
    retire,
)
from environments.models import Environment, Event, Role, Version
from environments.outbox import Notice
from environments.proposal_moves import Overtaken
from environments.services import Refused, archive_environment
from environments.uses import end_use, report_use
from tests.builds.played import person, saved, workspace_named

pytestmark = pytest.mark.django_db
SOON = datetime.timedelta(days=30)


@pytest.fixture
def cora() -> User:
    return person("cora", curated=Role.CONTRIBUTOR)


def curated(name: str = "AzureML-x", text: str = "numpy==2.0.0\n") -> Version:
    return saved(text, name=name, workspace="curated")


def leaving(what: Version, by: User, **more: object) -> Deprecation:
    told: dict[str, object] = {"on": timezone.localdate() + SOON, "reason": "Its Python ends."}
    return deprecate(what.environment, by, **told | more)  # type: ignore[arg-type]


def test_the_whole_environment_or_one_version_of_it(cora: User) -> None:
    first, second = curated(), curated(text="numpy==2.1.0\n")
    one = leaving(first, cora, version=first, reason="A hole.")
    assert deprecations_of([first, second]) == {first.pk: one}
    whole = leaving(first, cora)
    assert deprecations_of([first, second]) == {first.pk: one, second.pk: whole}


def test_said_again_it_replaces_what_was_said_and_the_event_has_both(cora: User) -> None:
    version, after = curated(), curated("AzureML-y", "numpy==2.1.0\n")
    leaving(version, cora)
    leaving(version, cora, reason="Sooner.", successor=after.environment)
    assert Deprecation.objects.get().reason == "Sooner."
    newest = Event.objects.filter(verb="catalogue.deprecated").first()
    assert newest is not None
    assert (newest.before or {})["reason"] == "Its Python ends."
    assert (newest.after or {})["successor"] == "AzureML-y"


def test_what_cannot_be_said(cora: User) -> None:
    version, going, gone = (
        curated(),
        curated("AzureML-going", "six==1.16.0\n"),
        curated("AzureML-gone", "a==1\n"),
    )
    leaving(going, cora)
    archive_environment(gone.environment, cora)
    gone.environment.refresh_from_db()
    mine = saved("numpy==2.1.3\n")
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
        with pytest.raises(Refused) as problem:
            leaving(environment, cora, **more)
        assert problem.value.code == code
    assert Deprecation.objects.get().environment == going.environment


def test_nothing_is_retired_before_its_day(cora: User) -> None:
    version = curated()
    row = leaving(version, cora)
    with pytest.raises(Refused, match="may be retired from") as problem:
        retire(row, cora)
    assert problem.value.code == "not-yet"
    assert Environment.objects.get().archived_at is None


def test_what_is_retired_is_hidden_and_nothing_new_starts_from_it(cora: User) -> None:
    version, after = curated(), curated("AzureML-y", "numpy==2.1.0\n")
    begun = saved("numpy==2.0.1\n", name="begun", based_on=version)
    row = leaving(version, cora, on=timezone.localdate(), successor=after.environment)
    retire(row, cora)

    version.environment.refresh_from_db()
    assert version.environment.archived_at is not None
    with pytest.raises(Refused, match="AzureML-x is retired: nothing new starts from it") as problem:
        saved("numpy==2.0.2\n", name="another", based_on=version)
    assert "AzureML-y" in problem.value.help
    assert not Environment.objects.filter(name="another").exists()
    # What has started before goes on, and may take it over once more.
    assert saved("numpy==2.0.3\n", name="begun", based_on=version).number == begun.number + 1
    # Restoring it is no way round.
    with pytest.raises(Refused) as problem:
        archive_environment(version.environment, cora, restore=True)
    assert problem.value.code == "retired"


def test_one_version_is_retired_alone(cora: User) -> None:
    first, second = curated(), curated(text="numpy==2.1.0\n")
    retire(leaving(first, cora, version=first, on=timezone.localdate()), cora)
    with pytest.raises(Refused):
        saved("numpy==2.0.2\n", name="another", based_on=first)
    assert saved("numpy==2.1.2\n", name="another", based_on=second)
    assert first.environment.latest() == second


def test_it_is_retired_or_kept_once(cora: User) -> None:
    row = leaving(curated(), cora, on=timezone.localdate())
    again = Deprecation.objects.get()
    retire(row, cora)
    with pytest.raises(Overtaken):
        retire(again, cora)
    keep(row, cora)
    assert Environment.objects.get().archived_at is None
    with pytest.raises(Overtaken):
        keep(Deprecation(pk=again.pk, environment=again.environment), cora)


def test_what_was_started_from_it_is_found_through_every_start_between(cora: User) -> None:
    version = curated()
    row = leaving(version, cora)
    mine = saved("numpy==2.0.1\n", name="mine", based_on=version)
    edited = saved("numpy==2.0.2\n", name="mine", based_on=mine)
    copied = saved("numpy==2.0.3\n", name="copy", workspace="shop", based_on=edited)
    for one in (mine, edited, copied):
        origin = deprecated_origin(one)
        assert origin is not None
        assert (origin.version, origin.deprecation) == (version, row)
        assert origin_in_catalogue(one) == version
    assert deprecated_origin(saved("six==1.16.0\n", name="own")) is None


def test_one_that_went_over_to_another_start_is_not_told_of_the_old_one(cora: User) -> None:
    old, new = curated(), curated("AzureML-y", "numpy==2.1.0\n")
    leaving(old, cora)
    first = saved("numpy==2.0.1\n", name="mine", based_on=old)
    second = saved("numpy==2.1.1\n", name="mine", based_on=new)
    assert deprecated_origin(first) is not None
    assert deprecated_origin(second) is None


def test_two_that_started_from_each_other_do_not_go_round_for_ever() -> None:
    a = saved("a==1\n", name="a")
    b = saved("a==2\n", name="b", based_on=a)
    assert deprecated_origin(saved("a==3\n", name="a", based_on=b)) is None


def test_whoever_made_what_started_from_it_is_told_at_each_step(cora: User) -> None:
    olga, paul = person("olga"), person("paul")
    version = curated()
    saved("numpy==2.0.1\n", name="mine", user=olga, based_on=version)
    saved("six==1.16.0\n", name="own", user=paul)
    row = leaving(version, cora, on=timezone.localdate())
    retire(row, cora)
    keep(row, cora)
    told = [(one.user.username, one.subject) for one in Notice.objects.order_by("pk")]
    assert [who for who, _ in told] == ["olga"] * 3
    assert [words.rpartition(" ")[0][:24] for _, words in told][1] == "AzureML-x is retired: no"


def test_whoever_reported_that_something_runs_on_it_is_told_and_it_is_not_retired_before_that_ends(
    cora: User,
) -> None:  # rule 34
    olga, version = person("olga", lab=Role.CONTRIBUTOR), curated()
    lab = workspace_named("lab")
    report_use(version, "run", "over", workspace=lab, user=person("rita"), active=False)
    use = report_use(version, "deployment", "shop", workspace=lab, user=olga).use
    row = leaving(version, cora, on=timezone.localdate())
    assert [notice.user for notice in Notice.objects.all()] == [olga]
    with pytest.raises(Refused, match="in use: 1 in workspaces that you cannot see"):
        retire(row, cora)
    row.refresh_from_db()
    assert row.retired_at is None
    end_use(use, olga)
    retire(row, cora)
