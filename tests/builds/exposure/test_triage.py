"""Decisions about advisories: which holds, until when, and the roles that may take them."""

from __future__ import annotations

import datetime as dt
from itertools import product

import pytest
from django.utils import timezone

from builds.exposure.of_image import vulnerabilities_of
from builds.exposure.promise import late_images
from builds.exposure.search import search
from builds.exposure.triage import (
    SETTLED,
    Decisions,
    Scope,
    TriageRefused,
    decide,
    decisions_about,
    rows_seen_by,
    withdraw,
)
from builds.models import Triage, TriageState
from environments.errors import ForbiddenError
from environments.models import Event, Role
from tests.builds.policies.making import advisory, built, package
from tests.builds.scenarios import person, save_text

STATES = [None, *TriageState.values]


@pytest.mark.parametrize(("studio", "environment", "version"), list(product(STATES, repeat=3)))
def test_the_narrowest_decision_holds(
    studio: str | None, environment: str | None, version: str | None
) -> None:
    rows: dict[tuple[int, int | None, int | None], Triage] = {}
    for state, key in ((studio, (1, None, None)), (environment, (1, 2, None)), (version, (1, 2, 3))):
        if state:
            rows[key] = Triage(state=state)
    decisions = Decisions(rows)

    expected = version or environment or studio
    held = decisions.of(1, 2, 3)
    assert (held.state if held else None) == expected
    assert decisions.settled(1, 2, 3) is (expected in SETTLED)
    assert decisions.settled(9, 2, 3) is False, "another advisory"
    assert decisions.settled(1, 8, 9) is (studio in SETTLED), "another environment"


@pytest.mark.django_db
def test_a_decision_ends_with_its_last_day_and_the_wider_holds_again() -> None:
    ada = person("ada", lab=Role.OWNER)
    version = save_text("jinja2==3.1.2\n")
    known = advisory()
    pair = (known.pk, version.environment_id, version.pk)
    today = timezone.now().date()
    decide(known, Scope(environment=version.environment), "not_affected", "No templates.", ada)
    decide(known, Scope(version=version), "pending", "Looking.", ada, until=today)

    assert not decisions_about([known.pk]).settled(*pair)
    assert decisions_about([known.pk], today + dt.timedelta(days=1)).settled(*pair)


@pytest.mark.django_db
def test_contributors_record_what_is_pending_and_owners_what_does_not_count() -> None:
    owner, member, reader = (
        person("ada", lab=Role.OWNER),
        person("eve", lab=Role.CONTRIBUTOR),
        person("bob", lab=Role.READER),
    )
    stranger, admin = person("sam", other=Role.OWNER), person("root")
    admin.is_superuser = True
    admin.save()
    version = save_text("jinja2==3.1.2\n")
    known = advisory()
    own = Scope(environment=version.environment)

    decide(known, own, "pending", "Looking.", member)
    for person_, scope, state in (
        (member, own, "accepted"),
        (member, own, "not_affected"),
        (reader, own, "pending"),
        (stranger, own, "pending"),
        (stranger, Scope(version=version), "accepted"),
        (owner, Scope(), "accepted"),
        (owner, Scope(), "pending"),
    ):
        with pytest.raises(ForbiddenError):
            decide(known, scope, state, "Please.", person_)
    row = decide(known, own, "accepted", "Low.", owner)
    with pytest.raises(ForbiddenError):
        decide(known, own, "pending", "In the place of the owner's.", member)
    with pytest.raises(ForbiddenError):
        withdraw(row, member)
    decide(known, Scope(), "accepted", "Everywhere.", admin)
    withdraw(row, owner)
    assert [event.verb for event in Event.objects.filter(verb__startswith="triage").order_by("pk")] == [
        "triage.decided", "triage.decided", "triage.decided", "triage.withdrawn",
    ]  # fmt: skip
    assert [row.scope for row in rows_seen_by(stranger, [])] == ["studio"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("state", "reason", "justification", "days"),
    [
        ("maybe", "x", "", None),
        ("accepted", "", "", None),
        ("accepted", " \0 ", "", None),
        ("accepted", "x" * 1_000_000, "", None),
        ("not_affected", "x", "because", None),
        ("accepted", "x", "", -1),
    ],
)
def test_a_decision_that_makes_no_sense_is_refused(
    state: str, reason: str, justification: str, days: int | None
) -> None:
    ada = person("ada", lab=Role.OWNER)
    scope = Scope(environment=save_text("jinja2==3.1.2\n").environment)
    until = None if days is None else timezone.now().date() + dt.timedelta(days=days)
    with pytest.raises(TriageRefused):
        decide(advisory(), scope, state, reason, ada, until=until, justification=justification)
    assert not Triage.objects.exists()


@pytest.mark.django_db
def test_what_is_settled_does_not_count_as_exposed_and_is_shown() -> None:
    ada = person("ada", lab=Role.OWNER)
    version = save_text("jinja2==3.1.2\n", user=ada)
    image = built(version, package("jinja2", "3.1.2"), days_ago=1).image
    assert image is not None
    known = advisory()
    scope = [version.environment.workspace_id]

    def counted() -> tuple[int, int, int]:
        answer = search(known.key, scope=scope)
        assert answer is not None
        assert len(answer.images) == 1, "it is listed in any case"
        assert answer.images[0].settled is bool(answer.settled)
        return answer.count, vulnerabilities_of(image).exposure.total, len(late_images(scope))

    assert counted() == (1, 1, 1)
    decide(known, Scope(environment=version.environment), "pending", "Looking.", ada)
    assert counted() == (1, 1, 1)
    decide(known, Scope(environment=version.environment), "not_affected", "No templates.", ada)
    assert counted() == (0, 0, 0)
    (hit,) = vulnerabilities_of(image).worst
    assert hit.settled
    save_text("jinja2==3.1.2\n", name="other", user=ada)
    assert counted() == (1, 1, 1), "another environment shares the image, and nothing was decided for it"


@pytest.mark.django_db
def test_a_decision_of_another_workspace_settles_nothing_here() -> None:
    eve = person("eve", other=Role.OWNER)
    version = save_text("jinja2==3.1.2\n")
    image = built(version, package("jinja2", "3.1.2")).image
    assert image is not None
    theirs = save_text("jinja2==3.1.2\n", workspace="other").environment
    known = advisory()

    decide(known, Scope(environment=theirs), "accepted", "Ours.", eve)

    assert vulnerabilities_of(image).exposure.total == 1
