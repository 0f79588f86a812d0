"""The settings' tab of the policy: rules, rehearsal, exceptions, and the roles that may change them."""

from __future__ import annotations

import pytest
from django.test import Client

from builds.models import PolicyException, PolicyRule
from builds.policies import service
from builds.review.sharing import accept, share
from environments.catalogue.proposals import propose
from environments.errors import ConflictError
from environments.models import Event, Role
from tests.builds.policies.making import built, give, package
from tests.builds.scenarios import browser_of, image_for, main_of, person, save_text, workspace_named

pytestmark = pytest.mark.django_db
TAB = "/w/lab/settings/?tab=policy"
LICENCE = "/w/lab/settings/policy/licence"
AGPL = {"level": "block", "starts_on": "2026-12-24", "deny": "AGPL-3.0-only"}


@pytest.fixture
def owner() -> Client:
    return browser_of(person("ada", lab=Role.OWNER))


def test_an_owner_sets_a_rule_and_the_page_shows_it(owner: Client) -> None:
    assert owner.post(LICENCE, AGPL).status_code == 302

    row = PolicyRule.objects.get()
    assert (row.level, str(row.starts_on)) == ("block", "2026-12-24")
    assert row.options == {"allow": [], "deny": ["AGPL-3.0-only"], "unknown": "allow"}
    page = owner.get(TAB).content.decode()
    assert "AGPL-3.0-only</textarea>" in page
    assert 'value="2026-12-24"' in page


@pytest.mark.parametrize(
    "typed",
    [
        {"level": "block", "deny": "<script>alert(1)</script>"},
        {"level": "block", "deny": "x" * 1_000_000},
        {"level": "perhaps", "deny": "MIT"},
        {"level": "block", "deny": "MIT", "starts_on": "tomorrow"},
        {"level": "block"},
    ],
)
def test_what_makes_no_sense_stays_in_the_form_with_the_reason(owner: Client, typed: dict[str, str]) -> None:
    answer = owner.post(LICENCE, typed)

    assert answer.status_code == 422
    page = answer.content.decode()
    assert 'role="alert"' in page
    assert "<script>alert(1)" not in page
    assert not PolicyRule.objects.exists()


def test_contributors_read_the_policy_and_others_do_not() -> None:
    workspace_named("lab")
    member, reader, stranger = (
        browser_of(person(name, **roles))
        for name, roles in (("eve", {"lab": Role.CONTRIBUTOR}), ("bob", {"lab": Role.READER}), ("sam", {}))
    )
    page = member.get(TAB)
    assert page.status_code == 200
    assert "Save rule" not in page.content.decode()
    assert (member.post(LICENCE, AGPL).status_code, reader.get(TAB).status_code) == (403, 403)
    assert (stranger.get(TAB).status_code, stranger.post(LICENCE, AGPL).status_code) == (404, 404)


def test_only_admins_change_what_the_catalogue_takes() -> None:
    curator = browser_of(person("cur", curated=Role.OWNER))
    admin = person("root")
    admin.is_superuser = True
    admin.save()
    address = "/w/curated/settings/policy/licence"

    assert curator.post(address, AGPL).status_code == 403
    assert browser_of(admin).post(address, AGPL).status_code == 302


def test_a_rehearsal_is_shown_beside_the_rule_and_saves_nothing() -> None:
    ada = person("ada", lab=Role.OWNER)
    build = built(save_text("a==1\n", user=ada), package("ghost", licence="AGPL-3.0-only"))

    answer = browser_of(ada).post(f"{LICENCE}/rehearse", AGPL)

    page = main_of(answer.content.decode())
    assert answer.status_code == 200
    assert "This rule would have stopped 1 build of 1 in the past year." in page
    assert "With one package less, 1 of them would pass." in page
    assert f"/w/lab/builds/{build.pk}/" in page
    assert "ghost 1.0 has the licence AGPL-3.0-only" in page
    assert not PolicyRule.objects.exists()
    assert not Event.objects.filter(verb__startswith="policy").exists()


def test_exceptions_are_added_and_removed_and_those_of_others_are_out_of_reach(owner: Client) -> None:
    fields = {
        "kind": "package",
        "subject": "numpy",
        "rule": "licence",
        "reason": "Ours.",
        "until": "2999-01-01",
    }
    assert owner.post("/w/lab/settings/exceptions/", fields).status_code == 302
    assert "numpy" in main_of(owner.get(TAB).content.decode())
    wrong = owner.post("/w/lab/settings/exceptions/", fields | {"subject": "<b>", "reason": "kept"})
    assert (wrong.status_code, 'value="kept"' in wrong.content.decode()) == (422, True)

    other = PolicyException.objects.create(
        workspace=workspace_named("other"), kind="package", subject="a", reason="x"
    )
    for number in (other.pk, 2**70):
        assert owner.post(f"/w/lab/settings/exceptions/{number}/remove").status_code == 404
    row = PolicyException.objects.get(subject="numpy")
    assert owner.post(f"/w/lab/settings/exceptions/{row.pk}/remove").status_code == 302
    assert list(PolicyException.objects.values_list("pk", flat=True)) == [other.pk]


def test_the_page_of_an_image_and_the_api_show_what_breaks_the_rules(owner: Client) -> None:
    version = save_text("a==1\n")
    image = give(image_for(version), package("ghost", licence="AGPL-3.0-only"))
    address = f"/w/lab/images/{image.digest}/"
    assert "policy-head" not in owner.get(address).content.decode()
    service.set_rule(workspace_named("lab"), "licence", "warn", None, {"deny": ["AGPL-3.0-only"]}, None)

    assert "ghost 1.0 has the licence AGPL-3.0-only" in owner.get(address).content.decode()
    (hit,) = owner.get(f"/api/v1{address.replace('/w/', '/workspaces/')}").json()["policy"]
    assert (hit["rule"], hit["level"], hit["package"]) == ("licence", "warn", "ghost")


def test_the_catalogues_rules_are_evidence_and_stop_an_approval() -> None:
    author, curator = person("eve", lab=Role.CONTRIBUTOR), person("cur", curated=Role.CONTRIBUTOR)
    version = save_text("a==1\n", user=author)
    give(image_for(version), package("ghost", licence="AGPL-3.0-only"))
    proposal = propose(version, author, name="AzureML-ghost", as_new=True, comment="Please.")
    catalogue = workspace_named("curated")
    service.set_rule(catalogue, "licence", "block", None, {"deny": ["AGPL-3.0-only"]}, None)
    browser = browser_of(curator)
    api = f"/api/v1/workspaces/curated/proposals/{proposal.pk}/"

    page = main_of(browser.get(f"/w/curated/proposals/{proposal.pk}/").content.decode())
    assert "Policy of the catalogue" in page
    (hit,) = browser.get(api).json()["policy"]
    assert hit["level"] == "block"
    sent = {"confirm": ["host-base", "trial", "trial-failed"]}
    refused = browser.post(f"{api}approve/", sent, "application/json")
    assert (refused.status_code, "ghost" in refused.content.decode()) == (409, True)
    service.add_exception(catalogue, "environment", "AzureML-ghost", "", "Agreed.", None, curator)
    assert browser.post(f"{api}approve/", sent, "application/json").status_code == 200


def test_the_api_sets_rehearses_and_excepts(owner: Client) -> None:
    api = "/api/v1/workspaces/lab/policy/"
    rules = owner.get(api).json()
    assert [(row["rule"], row["level"]) for row in rules][:2] == [
        ("vulnerability", "off"),
        ("licence", "off"),
    ]
    changed = owner.put(
        f"{api}rules/base-age/", {"level": "warn", "options": {"days": 90}}, "application/json"
    )
    assert changed.json() == {"rule": "base-age", "level": "warn", "starts_on": None, "options": {"days": 90}}
    for wrong in ({"options": {"days": "many"}}, {"options": {"days": {"a": 1}}}, {"options": 3}):
        sent = {"level": "warn", **wrong}
        assert owner.put(f"{api}rules/base-age/", sent, "application/json").status_code == 400
    assert owner.put(f"{api}rules/nothing/", {"level": "warn"}, "application/json").status_code == 404
    outcome = owner.post(
        f"{api}rules/base-age/rehearse/", {"options": {"days": 1}}, "application/json"
    ).json()
    assert (outcome["builds"], outcome["would_stop"], outcome["stopped"]) == (0, 0, [])
    made = owner.post(
        f"{api}exceptions/", {"kind": "package", "subject": "a", "reason": "Ours."}, "application/json"
    )
    assert made.status_code == 201
    assert owner.get(f"{api}exceptions/").json()["results"][0]["subject"] == "a"
    assert owner.delete(f"{api}exceptions/{made.json()['id']}/").status_code == 204


def test_a_shared_version_whose_image_breaks_the_rules_is_not_accepted() -> None:
    sender, owner = person("sam", other=Role.OWNER), person("ada", lab=Role.OWNER)
    workspace_named("lab")
    version = save_text("a==1\n", workspace="other", user=sender)
    give(image_for(version), package("ghost", licence="AGPL-3.0-only"))
    row = share(version, "lab", sender)
    service.set_rule(workspace_named("lab"), "licence", "block", None, {"deny": ["AGPL-3.0-only"]}, owner)

    with pytest.raises(ConflictError, match="has the licence AGPL"):
        accept(row, owner)
    assert not workspace_named("lab").environments.exists()
    service.add_exception(workspace_named("lab"), "package", "ghost", "", "Agreed.", None, owner)
    assert accept(row, owner).environment.workspace == workspace_named("lab")
