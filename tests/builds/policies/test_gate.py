"""The gate of a build: what it logs, what it stops, and what it lets pass."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from builds.exposure.triage import Scope, decide
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.reporting import ImageError
from builds.models import Build, TriageState, Trial
from builds.policies import service
from builds.policies.gate import gate
from builds.policies.options import PolicyRefused
from builds.policies.subjects import hits_of_image
from environments.errors import ConflictError
from environments.models import Event, Role
from environments.workspaces.uploads import set_upload_policy
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base
from tests.builds.policies.making import advisory, built, package
from tests.builds.scenarios import person, queue_build, save_text, workspace_named

pytestmark = pytest.mark.django_db
AGPL = {"deny": ["AGPL-3.0-only"]}


def check(build: Build, *packages: LockedPackage, **more: str) -> str:
    """Return the log of the gate."""
    reporter = Recorder()
    gate(build, empty_base(), [Lock(packages=packages)], reporter, run=lambda work: work(), **more)
    return reporter.log


def test_without_rules_a_build_passes_in_silence() -> None:
    assert check(queue_build(save_text("numpy==1\n")), package("numpy", licence="AGPL-3.0-only")) == ""


def test_a_rule_that_blocks_stops_the_build_and_names_rule_package_and_way_out() -> None:
    build = queue_build(save_text("numpy==1\n"))
    service.set_rule(build.workspace, "licence", "block", None, AGPL, None)

    with pytest.raises(ImageError) as stopped:
        check(build, package("numpy", licence="MIT"), package("ghost", licence="AGPL-3.0-only"))

    assert stopped.value.code == "policy"
    assert "“licence”" in stopped.value.message
    assert "ghost 1.0 has the licence AGPL-3.0-only" in stopped.value.message
    assert "ask an owner for an exception" in stopped.value.help
    assert stopped.value.fault == "author"


def test_a_rule_that_warns_or_begins_later_adds_a_line_to_the_log() -> None:
    build = queue_build(save_text("numpy==1\n"))
    tomorrow = timezone.now().date() + dt.timedelta(days=1)
    service.set_rule(build.workspace, "source", "warn", None, {}, None)
    service.set_rule(build.workspace, "licence", "block", tomorrow, AGPL, None)

    log = check(build, package("ghost", licence="AGPL-3.0-only", kind="sdist"))

    assert "Policy, rule “source” warns: ghost 1.0 was built from source." in log
    assert f"rule “licence” warns, blocks from {tomorrow}" in log


def test_a_known_vulnerability_stops_a_build_before_its_packages_have_rows_unless_triage_settles_it() -> None:
    owner = person("ada", lab=Role.OWNER)
    build = queue_build(save_text("jinja2==3.1.2\n"))
    known = advisory()
    service.set_rule(build.workspace, "vulnerability", "block", None, {}, None)
    exposed = package("jinja2", "3.1.2")

    with pytest.raises(ImageError, match=r"jinja2 3\.1\.2 has CVE-2024-1 \(high\), known for 60 days"):
        check(build, exposed)
    check(build, package("jinja2", "3.1.3"))

    scope = Scope(environment=build.version.environment)
    decide(known, scope, TriageState.PENDING, "Looking at it.", owner)
    with pytest.raises(ImageError):
        check(build, exposed)
    decide(known, scope, TriageState.ACCEPTED, "No templates of strangers.", owner)
    assert check(build, exposed) == ""


def test_exceptions_let_a_build_pass_until_their_last_day() -> None:
    owner = person("ada", lab=Role.OWNER)
    build = queue_build(save_text("ghost==1\n"))
    service.set_rule(build.workspace, "licence", "block", None, AGPL, owner)
    today = timezone.now().date()
    row = service.add_exception(build.workspace, "package", "ghost", "licence", "Until May.", today, owner)

    assert check(build, package("ghost", licence="AGPL-3.0-only")) == ""
    row.until = today - dt.timedelta(days=1)
    row.save()
    with pytest.raises(ImageError):
        check(build, package("ghost", licence="AGPL-3.0-only"))


def test_the_cool_down_rule_refers_to_the_policy_for_uploads() -> None:
    build = queue_build(save_text("numpy==1\n"))
    with pytest.raises(PolicyRefused, match="No minimum package age is set"):
        service.set_rule(build.workspace, "cool-down", "block", None, {}, None)
    set_upload_policy(build.workspace, "14 days", {}, None)
    service.set_rule(build.workspace, "cool-down", "block", None, {}, None)

    with pytest.raises(ImageError, match="minimum package age"):
        check(build, package("numpy"))


def test_an_import_test_that_is_required_must_have_passed() -> None:
    build = queue_build(save_text("numpy==1\n"))
    service.set_rule(build.workspace, "import-test", "block", None, {}, None)

    Trial.objects.create(digest="sha256:1", state="passed")
    Trial.objects.create(digest="sha256:2", state="failed")
    assert check(build, package("numpy"), digest="sha256:1") == ""
    with pytest.raises(ImageError, match="import test hasn't passed"):
        check(build, package("numpy"), digest="sha256:2")


def test_the_rules_of_another_workspace_change_nothing() -> None:
    service.set_rule(workspace_named("other"), "licence", "block", None, AGPL, None)
    assert check(queue_build(save_text("a==1\n")), package("ghost", licence="AGPL-3.0-only")) == ""


def test_an_image_with_rows_is_judged_like_one_that_is_being_built() -> None:
    version = save_text("jinja2==3.1.2\n")
    build = built(version, package("jinja2", "3.1.2", "AGPL-3.0-only"))
    advisory()
    for rule, options in (("licence", AGPL), ("vulnerability", {}), ("origin", {"origins": ["conda-forge"]})):
        service.set_rule(build.workspace, rule, "warn", None, options, None)
    assert build.image is not None

    rules = [hit.rule for hit in hits_of_image(build.workspace, build.image, [version])]
    log = check(build, package("jinja2", "3.1.2", "AGPL-3.0-only"))

    assert rules == ["licence", "origin", "vulnerability"]
    assert all(f"rule “{rule}”" in log for rule in rules)


def test_changes_are_recorded_with_what_changed_alone() -> None:
    owner = person("ada", lab=Role.OWNER)
    space = workspace_named("lab")
    assert service.set_rule(space, "licence", "warn", None, AGPL, owner)
    assert not service.set_rule(space, "licence", "warn", None, AGPL, owner)
    assert service.set_rule(space, "licence", "block", None, AGPL, owner)

    event = Event.objects.filter(verb="policy.rule").latest("pk")
    assert (event.before, event.after) == ({"level": "warn"}, {"level": "block"})
    row = service.add_exception(space, "advisory", "cve-2024-1", "", "Fine.", None, owner)
    assert row.subject == "CVE-2024-1"
    with pytest.raises(ConflictError):
        service.add_exception(space, "advisory", "CVE-2024-1", "", "Again.", None, owner)


@pytest.mark.parametrize(
    ("kind", "subject", "reason"),
    [
        ("package", "", "x"),
        ("package", "a b", "x"),
        ("package", "<script>", "x"),
        ("package", "numpy>1", "x"),
        ("advisory", "'; --", "x"),
        ("environment", "a/b", "x"),
        ("nothing", "a", "x"),
        ("package", "numpy", ""),
        ("package", "numpy", "x" * 1_000_000),
        ("package", "n" * 1_000_000, "x"),
    ],
)
def test_an_exception_that_makes_no_sense_is_refused(kind: str, subject: str, reason: str) -> None:
    owner = person("ada", lab=Role.OWNER)
    with pytest.raises(PolicyRefused):
        service.add_exception(workspace_named("lab"), kind, subject, "", reason, None, owner)
