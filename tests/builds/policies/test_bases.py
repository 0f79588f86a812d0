"""The rule about vulnerabilities sees what a base brings: in builds, on images, and in the rehearsal."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from builds.advisories.bases import save_contents
from builds.exposure.triage import Scope, decide
from builds.imaging.bases.distributions import Installed
from builds.imaging.bases.probing import Distribution
from builds.imaging.lock import Lock
from builds.imaging.reporting import ImageError
from builds.models import Image, TriageState
from builds.policies import service
from builds.policies.gate import gate
from builds.policies.rehearsal import Rehearsal, rehearse
from builds.policies.subjects import hits_of_image
from environments.models import Role, Workspace
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base
from tests.builds.policies.making import advisory, built, package
from tests.builds.scenarios import person, queue_build, save_text, workspace_named

pytestmark = pytest.mark.django_db
ENVIRONMENT = "/opt/env/lib/python3.11/site-packages"
RULE = {"severity": "high", "days": 30, "fixed": True}


def brought(
    digest: str, name: str = "jinja2", version: str = "3.0", folder: str = "/usr/lib", **more: Any
) -> None:
    """Give a base a Python package, beside one of Debian's."""
    held = Distribution("debian:12", (("bash", "5.2-2"),), (Installed("pypi", name, version, folder),))
    save_contents(digest, [held], **more)


def image_on(name: str = "forecast", days_ago: int = 0) -> Image:
    """Return an image built some days ago with a package of its own."""
    build = built(save_text(f"{name}==1\n", name=name), package("flask", "2.0"), days_ago=days_ago)
    assert build.image is not None
    return build.image


def tried(**options: Any) -> Rehearsal:
    space = Workspace.objects.get(name="lab")
    return rehearse(space, service.candidate(space, "vulnerability", "block", None, {**RULE, **options}))


def test_a_build_on_a_vulnerable_base_is_stopped_and_learns_what_to_do() -> None:
    build = queue_build(save_text("numpy==1\n"))
    service.set_rule(build.workspace, "vulnerability", "block", None, RULE, None)
    advisory("CVE-2026-1")
    brought(empty_base().digest)
    locks = [Lock(packages=(package("flask"),))]
    with pytest.raises(ImageError) as stopped:
        gate(build, empty_base(), locks, Recorder(), run=lambda work: work())
    assert "jinja2 3.0 in the base image" in stopped.value.message
    assert "has CVE-2026-1 (high), known for 60 days." in stopped.value.message
    assert stopped.value.help.startswith("Rebase the image, choose another base image")
    service.add_exception(
        build.workspace, "package", "jinja2", "", "Not used.", None, person("ada", lab=Role.OWNER)
    )
    gate(build, empty_base(), locks, Recorder(), run=lambda work: work())


def test_the_index_of_several_bases_counts_and_what_the_environment_replaces_does_not() -> None:
    build = queue_build(save_text("numpy==1\n"))
    service.set_rule(build.workspace, "vulnerability", "block", None, RULE, None)
    advisory("CVE-2026-1")
    brought("sha256:index", folder=ENVIRONMENT)
    replaced = Lock(python="3.11.9", packages=(package("jinja2", "3.1.3"),))
    gate(build, empty_base(), [replaced], Recorder(), run=lambda work: work(), base_digest="sha256:index")
    other = Lock(python="3.12.1", packages=(package("jinja2", "3.1.3"),))
    with pytest.raises(ImageError):
        gate(build, empty_base(), [other], Recorder(), run=lambda work: work(), base_digest="sha256:index")


@pytest.mark.parametrize(
    ("options", "many"),
    [({}, 1), ({"severity": "critical"}, 0), ({"days": 61}, 0), ({"fixed": False}, 1)],
)
def test_the_options_of_the_rule_hold_for_bases(options: dict[str, Any], many: int) -> None:
    image = image_on()
    advisory("CVE-2026-1")
    brought(image.base_digest)
    service.set_rule(image.workspace, "vulnerability", "warn", None, {**RULE, **options}, None)
    assert len(hits_of_image(image.workspace, image, [])) == many
    assert len(tried(**options).stopped) == many


def test_the_rehearsal_counts_bases_and_exceptions_and_decisions(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    ada = person("ada", lab=Role.OWNER)
    image, _, early = image_on(), image_on(name="second"), image_on(name="early", days_ago=40)
    first, _ = advisory("CVE-2026-1"), advisory("CVE-2026-2", days=45)
    brought(image.base_digest)
    with django_assert_max_num_queries(15):
        outcome = tried()
    assert [each.case.environment for each in outcome.stopped] == ["second", "forecast"]
    assert outcome.one_less == []  # nobody can leave a package of the base out
    assert outcome.stopped[0].hits[0].message.startswith(f"jinja2 3.0 in the base image {early.base} has")

    environment = workspace_named("lab").environments.get(name="second")
    decide(first, Scope(environment=environment), TriageState.ACCEPTED, "Not used.", ada)
    assert len(tried(days=50).stopped) == 1  # the other was not known for long enough
    assert len(tried().stopped) == 2
    service.add_exception(workspace_named("lab"), "advisory", "CVE-2026-1", "", "Ours.", None, ada)
    assert len(tried(days=50).stopped) == 0
    assert len(tried().stopped) == 2
    service.add_exception(
        workspace_named("lab"), "package", "jinja2==3.0", "vulnerability", "Ours.", None, ada
    )
    assert len(tried(days=0).stopped) == 0


def test_many_vulnerabilities_of_a_base_leave_the_log_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builds.policies.gate.LOGGED", 3)
    build = queue_build(save_text("numpy==1\n"))
    service.set_rule(build.workspace, "vulnerability", "warn", None, RULE, None)
    for number in range(9):
        advisory(f"CVE-2026-{number}")
    brought(empty_base().digest)
    reporter = Recorder()
    gate(build, empty_base(), [Lock()], reporter, run=lambda work: work())
    assert reporter.log.count("rule “vulnerability” warns") == 3
    assert "Policy: and 6 more." in reporter.log
