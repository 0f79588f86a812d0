"""Exposure: pages, API and commands answer, and only about what the user may see."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from builds.advisories.bases import save_contents
from builds.exposure.promise import late_images, promise
from builds.exposure.rows import spans_of
from builds.exposure.search import search
from builds.exposure.subjects import subject_of
from builds.images.retention import Rule, clean_up
from builds.imaging.bases.probing import Distribution
from builds.models import Image, PastImage
from environments.models import Role, Version, VersionEntry
from environments.versions.labels import set_label
from environments.versions.uses import report_use
from tests.builds.advisories.records import record
from tests.builds.scenarios import browser_of, main_of, person, workspace_named
from tests.studio.exposure.making import JINJA, built, known, package
from tests.studio.queries import repeated_on

pytestmark = pytest.mark.django_db

FLASK = package("flask", "2.0")
OLD = package("jinja2", "3.0", "flask")
NEW = package("jinja2", "3.1", "flask")
EXPOSED = "/w/lab/exposed/CVE-2026-1111/"


def at(day: int) -> datetime:
    return datetime(2026, 3, day, tzinfo=UTC)


def answered(text: str = "CVE-2026-1111", **more: Any) -> Any:
    result = search(text, scope=None, **more)
    assert result is not None
    return result


def test_the_page_says_which_versions_why_and_what_fixes_it(tmp_path: Path) -> None:
    known(tmp_path)
    version, _ = built(FLASK, OLD)
    ann = person("ann", lab=Role.OWNER)
    set_label(version, "prod", user=ann)
    report_use(version, "deployment", "churn <b>api</b>", workspace=workspace_named("lab"), user=ann)
    main = main_of(browser_of(ann).get(EXPOSED).content.decode())
    for part in (
        "forecast:1",
        "prod",
        "flask → jinja2",
        "fixed in 3.1",
        "churn &lt;b&gt;api",
        "Critical",
        "since",
    ):
        assert part in main, part


@pytest.mark.parametrize("shown", ["used", "current", "past"])
def test_an_answer_looks_nothing_up_twice(tmp_path: Path, shown: str) -> None:
    known(tmp_path)
    built(FLASK, OLD)
    assert repeated_on(browser_of(person("ann", lab=Role.OWNER)), f"{EXPOSED}?show={shown}") == []


@pytest.mark.parametrize("name", ["ghsa-AAAA-bbbb-cccc", "cve-2026-1111", "jinja2", "jinja2<3.1", "JINJA2"])
def test_any_name_of_an_advisory_or_package_leads_to_its_images(tmp_path: Path, name: str) -> None:
    known(tmp_path)
    built(FLASK, OLD)
    assert len(answered(name).images) == 1


def test_a_fixed_version_is_not_exposed_and_its_environment_was_until_then(tmp_path: Path) -> None:
    known(tmp_path)
    first, image = built(FLASK, OLD)
    Image.objects.filter(pk=image.pk).update(made_at=at(1))
    _, fixed = built(FLASK, NEW)
    Image.objects.filter(pk=fixed.pk).update(made_at=at(10))
    assert answered().images == []
    (row,) = answered(shown="current").images
    assert (row.versions[0].since, row.versions[0].until) == (at(1), at(10))
    report_use(first, "run", "nightly", workspace=workspace_named("lab"), user=None)
    (row,) = answered().images
    assert row.versions[0].until is None  # a run still uses the old version


def test_what_retention_deleted_is_remembered(tmp_path: Path) -> None:
    known(tmp_path)
    version, image = built(FLASK, OLD)
    Image.objects.filter(pk=image.pk).update(
        made_at=at(1), used_at=timezone.now() - timedelta(days=400), current=False
    )
    image_again = Image.objects.get(pk=image.pk)
    image_again.pk, image_again.digest, image_again.current = None, "sha256:" + "7" * 64, True
    image_again.save()
    assert clean_up(workspace_named("lab"), Rule(), person("ann")).images == 1
    (past,) = PastImage.objects.all()
    assert past.built_at == at(1)
    result = answered(shown="past")
    assert (result.past, result.since) == ([past], at(1))
    subject = subject_of("CVE-2026-1111")
    assert subject is not None
    span = spans_of([version.environment_id], subject)[version.environment_id]
    assert span == (at(1), past.until)


def test_packages_of_the_base_count_for_every_image_on_it(tmp_path: Path) -> None:
    events = [{"introduced": "0"}, {"fixed": "3.0.15-1~deb12u1"}]
    known(tmp_path, record("DEBIAN-CVE-2026-2222", "openssl", events=events, ecosystem="Debian:12"))
    _, image = built(FLASK)
    base = Distribution("debian:12", (("openssl", "3.0.11-1~deb12u2"), ("bash", "5.2-2")))
    save_contents(image.base_digest, [base])
    save_contents(image.base_digest, [base])
    (row,) = answered("CVE-2026-2222").images
    (hit,) = row.packages
    assert (hit.name, hit.of_base, hit.advisories[0][1]) == ("openssl", True, ["3.0.15-1~deb12u1"])


def test_conda_packages_are_matched_by_the_distributions_in_their_files(tmp_path: Path) -> None:
    known(tmp_path)
    conda = package("py-jinja", "99", ecosystem="conda", kind="conda", distributions=("Jinja2==3.0.3",))
    built(conda)
    (row,) = answered().images
    assert row.packages[0].ecosystem == "conda"
    assert len(answered("jinja2").images) == 1


def test_members_learn_nothing_of_other_workspaces(tmp_path: Path) -> None:
    known(tmp_path, JINJA, record("CVE-2026-3333", "secret-lib"))
    built(FLASK, OLD)
    built(FLASK, OLD, package("secret-lib", "1.0"), name="concealed", workspace="other")
    own = Version.objects.get(environment__name="forecast")
    report_use(own, "run", "concealed run", workspace=workspace_named("other"), user=None)
    ann, admin = browser_of(person("ann", lab=Role.READER)), person("root")
    admin.is_superuser = True
    admin.save()
    for url in (EXPOSED, f"{EXPOSED}?in=all", f"{EXPOSED}?in=all&show=current", "/w/lab/exposed/?in=all"):
        page = ann.get(url).content.decode()
        assert "concealed" not in page
        assert "secret" not in page
    assert ann.get("/w/lab/exposed/secret-lib/").status_code == 404
    assert ann.get("/w/other/exposed/").status_code == 404
    assert ann.get("/api/v1/exposed/CVE-2026-1111/?workspace=other").status_code == 404
    assert "concealed" not in ann.get("/api/v1/exposed/CVE-2026-1111/").content.decode()
    assert ann.get("/api/v1/exposed/secret-lib/").status_code == 404
    assert ann.get("/patch-status/").status_code == 403
    everything = browser_of(admin).get(f"{EXPOSED}?in=all").content.decode()
    assert "concealed:1" in everything
    assert "concealed run" in everything


@pytest.mark.parametrize(
    "name",
    ["nothing", "CVE-2026-9999", "%00", "'; drop table", "<script>", "a" * 3000, "lib<", "é", "lib<<2"],
)
def test_a_name_that_means_nothing_is_not_found(name: str) -> None:
    ann = browser_of(person("ann", lab=Role.OWNER))
    assert ann.get(f"/w/lab/exposed/{name}/").status_code in (400, 404)
    assert ann.get(f"/api/v1/exposed/{name}/").status_code in (400, 404)
    with pytest.raises(CommandError):
        call_command("exposed", name)


def test_the_list_shows_the_worst_first_in_few_queries(
    tmp_path: Path, django_assert_max_num_queries: Any
) -> None:
    low = record(
        "CVE-2026-4444", "flask", events=[{"introduced": "0"}], database_specific={"severity": "LOW"}
    )
    known(tmp_path, JINJA, low)
    for number in range(3):
        built(FLASK, OLD, name=f"env-{number}")
    ann = browser_of(person("ann", lab=Role.READER))
    with django_assert_max_num_queries(25):
        main = main_of(ann.get("/w/lab/exposed/").content.decode())
    assert main.index("CVE-2026-1111") < main.index("CVE-2026-4444")
    assert "CVE-2026-4444" not in main_of(ann.get("/w/lab/exposed/?severity=critical").content.decode())
    assert "CVE-2026-1111" in main_of(ann.get("/w/lab/exposed/?q=jinja&page=x&severity='").content.decode())
    assert "No matches" in main_of(ann.get("/w/lab/exposed/?q=zqxj").content.decode())


def test_a_page_of_many_images_takes_as_many_queries_as_one(
    tmp_path: Path, django_assert_max_num_queries: Any
) -> None:
    known(tmp_path)
    for number in range(4):
        built(FLASK, OLD, name=f"env-{number}")
    ann = browser_of(person("ann", lab=Role.READER))
    with django_assert_max_num_queries(38):
        assert ann.get(EXPOSED).status_code == 200


def test_lists_cards_and_searches_show_vulnerabilities(tmp_path: Path) -> None:
    known(tmp_path)
    built(FLASK, OLD)
    built(FLASK, NEW, name="healthy")
    ann = browser_of(person("ann", lab=Role.OWNER))
    page = main_of(ann.get("/w/lab/environments/?column=vulnerabilities").content.decode())
    assert "Critical: 1" in page
    assert "None known" in page
    assert "CVE-2026-1111" in main_of(ann.get("/w/lab/environments/forecast/").content.decode())
    for query, expected in [
        ("vulnerability:high", {"forecast"}),
        ("vulnerability:any", {"forecast"}),
        ("vulnerability:none", {"healthy"}),
        ("vulnerability:ghsa-aaaa-bbbb-cccc", {"forecast"}),
        ("vulnerability:CVE-2026-9999", set()),
        ('vulnerability:"\'"', set()),
    ]:
        response = ann.get("/w/lab/environments/", {"q": query})
        assert {version.environment.name for version, *_ in response.context["rows"]} == expected, query


def test_images_of_the_catalogue_are_those_of_the_versions_that_share_them(tmp_path: Path) -> None:
    known(tmp_path)
    version, _ = built(FLASK, OLD, name="AzureML-x", workspace="curated")
    own = Version.objects.get(pk=version.pk)
    assert VersionEntry.objects.filter(hash=own.hash).count() == 1
    gallery = (
        browser_of(person("ann", lab=Role.READER)).get("/w/lab/environments/?tab=curated").content.decode()
    )
    assert "Critical" in main_of(gallery)


def test_the_command_and_the_api_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known(tmp_path)
    built(FLASK, OLD)
    call_command("exposed", "CVE-2026-1111", "--json")
    printed = json.loads(capsys.readouterr().out)
    response = browser_of(person("ann", lab=Role.OWNER)).get("/api/v1/exposed/CVE-2026-1111/").json()
    assert printed == {name: value for name, value in response.items() if name not in ("page", "more")}
    assert printed["images"][0]["packages"][0]["path"] == ["flask", "jinja2"]
    call_command("exposed", "jinja2")
    assert "flask → jinja2" in capsys.readouterr().out
    call_command("exposed")
    assert "CVE-2026-1111" in capsys.readouterr().out


def test_the_promise_counts_images_in_use_with_what_has_been_known_for_30_days(tmp_path: Path) -> None:
    old = JINJA | {"published": "2026-01-01T00:00:00Z"}
    new = record("CVE-2099-1", "flask", published=timezone.now().isoformat(), events=[{"introduced": "0"}])
    known(tmp_path, old, new)
    version, _ = built(FLASK, OLD)
    built(FLASK, name="recent")
    figures = promise()
    assert (figures.used, figures.vulnerable, figures.by_workspace) == (2, 1, {"lab": 1})
    assert [row.version for row in late_images()] == ["forecast:1"]
    built(FLASK, NEW)
    assert promise().vulnerable == 0  # the old version is nobody's
    ann = person("ann", lab=Role.OWNER)
    set_label(version, "prod", user=ann)
    assert promise().vulnerable == 1
    ann.is_superuser = True
    ann.save()
    assert "forecast:1" in main_of(browser_of(ann).get("/patch-status/").content.decode())
    assert browser_of(ann).get("/api/v1/patch-status/").json()["images_vulnerable"] == 1
