"""Advisories are imported whole, incrementally, and from hostile sources never by halves."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import models

from builds.advisories.fetching import import_url, import_when_due
from builds.advisories.importing import CannotImport, import_advisories
from builds.advisories.matches import match_packages
from builds.advisories.matching import match
from builds.models import (
    Advisory,
    AdvisoryName,
    AdvisoryRecord,
    AdvisorySource,
    AffectedPackage,
    Package,
    PackageAdvisory,
    PackageDistribution,
)
from tests.builds.advisories.records import record, write
from tests.builds.imaging.serving import Server

pytestmark = pytest.mark.django_db


@pytest.fixture
def lib() -> Package:
    return Package.objects.create(ecosystem="pypi", name="lib", version="1.0")


def matches() -> dict[str, list[str]]:
    rows = PackageAdvisory.objects.order_by("advisory__key").values_list("advisory__key", "fixed_in")
    return dict(rows)


def archive(path: Path, *records: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as written:
        for entry in records:
            written.writestr(f"{entry['id']}.json", json.dumps(entry))
    return path


def test_records_that_are_aliases_are_one_advisory_named_by_its_cve(tmp_path: Path, lib: Package) -> None:
    folder = write(
        tmp_path / "osv",
        record("PYSEC-2026-1", aliases=("CVE-2026-1111",)),
        record("GHSA-aaaa-bbbb-cccc", aliases=("CVE-2026-1111",), database_specific={"severity": "HIGH"}),
        record("PYSEC-2026-2", "other"),
    )
    imported = import_advisories(folder)
    assert (imported.records, imported.added, imported.advisories) == (3, 3, 2)
    advisory = Advisory.objects.get(key="CVE-2026-1111")
    assert advisory.severity == "high"
    assert set(advisory.names.values_list("name", flat=True)) == {
        "PYSEC-2026-1",
        "CVE-2026-1111",
        "GHSA-AAAA-BBBB-CCCC",
    }
    assert matches() == {"CVE-2026-1111": ["2.0"]}


def test_an_alias_that_comes_later_merges_advisories_and_one_that_goes_splits_them(
    tmp_path: Path, lib: Package
) -> None:
    folder = write(tmp_path / "osv", record("PYSEC-2026-1"), record("GHSA-aaaa-bbbb-cccc"))
    import_advisories(folder)
    assert set(matches()) == {"PYSEC-2026-1", "GHSA-aaaa-bbbb-cccc"}
    write(folder, record("PYSEC-2026-1", aliases=("GHSA-aaaa-bbbb-cccc", "CVE-2026-1111")))
    import_advisories(folder)
    assert set(matches()) == {"CVE-2026-1111"}
    assert Advisory.objects.count() == 1
    write(folder, record("PYSEC-2026-1", aliases=("CVE-2026-1111",)))
    import_advisories(folder)
    assert set(matches()) == {"CVE-2026-1111", "GHSA-aaaa-bbbb-cccc"}
    assert AdvisoryName.objects.count() == 3


def test_the_same_import_again_touches_no_row(
    tmp_path: Path, lib: Package, django_assert_max_num_queries: Any
) -> None:
    folder = write(tmp_path / "osv", *(record(f"PYSEC-2026-{n}") for n in range(30)))
    import_advisories(folder)
    before = list(AffectedPackage.objects.order_by("pk").values_list("pk", flat=True))
    with django_assert_max_num_queries(8):
        again = import_advisories(folder)
    assert (again.added, again.changed, again.removed) == (0, 0, 0)
    assert list(AffectedPackage.objects.order_by("pk").values_list("pk", flat=True)) == before


def test_a_changed_record_changes_its_matches(tmp_path: Path, lib: Package) -> None:
    folder = write(tmp_path / "osv", record("PYSEC-2026-1"))
    import_advisories(folder)
    write(folder, record("PYSEC-2026-1", events=[{"introduced": "0"}, {"fixed": "1.1"}]))
    assert import_advisories(folder).changed == 1
    assert matches() == {"PYSEC-2026-1": ["1.1"]}
    write(folder, record("PYSEC-2026-1", events=[{"introduced": "1.5"}, {"fixed": "1.6"}]))
    import_advisories(folder)
    assert matches() == {}


def test_a_withdrawn_record_disappears_with_all_that_it_matched(tmp_path: Path, lib: Package) -> None:
    folder = write(tmp_path / "osv", record("PYSEC-2026-1"), record("PYSEC-2026-2"))
    import_advisories(folder)
    write(folder, record("PYSEC-2026-1", withdrawn="2026-02-01T00:00:00Z"))
    assert import_advisories(folder).removed == 1
    assert set(matches()) == {"PYSEC-2026-2"}
    assert not Advisory.objects.filter(key="PYSEC-2026-1").exists()


def test_a_source_that_no_longer_has_a_record_loses_it_and_other_sources_keep_theirs(
    tmp_path: Path, lib: Package
) -> None:
    import_advisories(write(tmp_path / "own", record("OWN-2026-1")))
    both = archive(tmp_path / "all.zip", record("PYSEC-2026-1"), record("PYSEC-2026-2"))
    import_advisories(both, url="https://osv.example/all.zip")
    less = archive(tmp_path / "all.zip", record("PYSEC-2026-2"))
    assert import_advisories(less, url="https://osv.example/all.zip").removed == 1
    assert set(matches()) == {"OWN-2026-1", "PYSEC-2026-2"}


def test_a_source_that_lost_most_of_its_records_changes_nothing(tmp_path: Path) -> None:
    many = [record(f"PYSEC-2026-{n}") for n in range(600)]
    url = "https://osv.example/all.zip"
    import_advisories(archive(tmp_path / "all.zip", *many), url=url)
    with pytest.raises(CannotImport, match="Nothing was changed"):
        import_advisories(archive(tmp_path / "all.zip", many[0]), url=url)
    assert AdvisoryRecord.objects.count() == 600
    assert import_advisories(tmp_path / "all.zip", url=url, replace=True).removed == 599


def test_packages_that_are_new_are_matched_and_conda_packages_by_their_distributions(
    tmp_path: Path, lib: Package
) -> None:
    import_advisories(write(tmp_path / "osv", record("PYSEC-2026-1")))
    conda = Package.objects.create(ecosystem="conda", name="lib-with-another-name", version="7")
    PackageDistribution.objects.create(package=conda, name="lib", version="1.9")
    same_name = Package.objects.create(ecosystem="conda", name="lib", version="1.0")
    match_packages([conda.pk, same_name.pk])
    hit = set(PackageAdvisory.objects.values_list("package", flat=True))
    assert hit == {lib.pk, conda.pk}
    assert [(a.key, f) for a, f in match("conda", "x", "7", distributions=["Lib==1.9"])] == [
        ("PYSEC-2026-1", ["2.0"])
    ]
    assert match("pypi", "LIB", "2.0") == []
    assert match("pypi", "li'b\x00", "1.0") == []


def test_debian_packages_are_matched_within_their_release(tmp_path: Path) -> None:
    events = [{"introduced": "0"}, {"fixed": "3.0.15-1~deb12u1"}]
    unfixed = [{"introduced": "0"}]
    entry = record("DEBIAN-CVE-2026-1111", "openssl", events=events, ecosystem="Debian:12")
    entry["affected"] += record("X-1", "openssl", events=unfixed, ecosystem="Debian:11")["affected"]
    import_advisories(write(tmp_path / "osv", entry))
    assert match("debian", "openssl", "3.0.11-1~deb12u2", "debian:12")[0][1] == ["3.0.15-1~deb12u1"]
    assert match("debian", "openssl", "3.0.15-1~deb12u1", "debian:12") == []
    assert match("debian", "openssl", "3.0.15-1~deb12u1", "debian:11")[0][1] == []
    assert match("debian", "openssl", "1.0", "ubuntu:22.04") == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 no archive",
        b"[" * 100_000,
        b'{"id": "CVE-2026-1"}',
        b"[]",
        b"\xff\xfe\x00",
        b"1" * 10_000,
        b"{" + b'"id": "CVE-2026-1111", "modified": "", "affected": [' + b"{}," * 100_000 + b"{}]}",
    ],
)
def test_a_file_that_is_no_record_is_refused_and_nothing_is_written(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.json").write_bytes(content)
    with pytest.raises(CannotImport):
        import_advisories(tmp_path / "file.json")
    assert not AdvisoryRecord.objects.exists()


def test_an_archive_bomb_is_read_within_bounds_and_its_records_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as written:
        for number in range(3):
            written.writestr(f"{number}.json", b" " * 200_000_000)
        written.writestr("../../etc/PYSEC-2026-1.json", json.dumps(record("PYSEC-2026-1")))
    imported = import_advisories(path)
    assert (imported.records, imported.skipped) == (1, 3)


def test_a_damaged_archive_changes_nothing(tmp_path: Path) -> None:
    path = archive(tmp_path / "all.zip", *(record(f"PYSEC-2026-{n}") for n in range(50)))
    content = bytearray(path.read_bytes())
    content[len(content) // 4 : len(content) // 4 + 20] = b"\xff" * 20
    path.write_bytes(content)
    with pytest.raises(CannotImport):
        import_advisories(path)
    assert not Advisory.objects.exists()


def test_an_import_that_breaks_off_keeps_whole_advisories_and_the_next_continues(
    tmp_path: Path, lib: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path / "all.zip", *(record(f"PYSEC-2026-{n}") for n in range(700)))

    def full(*_: Any, **__: Any) -> None:
        raise models.ProtectedError("the disk is full", set())

    with monkeypatch.context() as patch:
        patch.setattr("builds.advisories.matches.PackageAdvisory.objects.bulk_create", full)
        with pytest.raises(models.ProtectedError):
            import_advisories(path)
    assert not Advisory.objects.exists()
    import_advisories(path)
    assert PackageAdvisory.objects.count() == 700


def test_the_command_imports_reports_and_says_what_it_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "osv", record("PYSEC-2026-1"), {"id": "nothing"}, "no record")
    call_command("advisories", "import", str(folder))
    out = capsys.readouterr().out
    assert "1 new" in out
    assert "Skipped 2 files" in out
    call_command("advisories", "status", "--json")
    assert json.loads(capsys.readouterr().out)["advisories"] == 1
    with pytest.raises(CommandError, match="no such file"):
        call_command("advisories", "import", str(tmp_path / "missing"))


def test_a_record_of_several_maintained_branches_names_the_fix_of_each(tmp_path: Path) -> None:
    # As the PyPA's and GitHub's databases have them: branches in one range, commits in another, every version listed.
    branches = ["0", "2.2.24", "3.0", "3.1.12", "3.2", "3.2.4"]
    events = [{"fixed" if at % 2 else "introduced": version} for at, version in enumerate(branches)]
    of_pypa = record("PYSEC-2021-98", "Django", aliases=("CVE-2021-33203", "GHSA-68w8"), events=events)
    commits = {
        "type": "GIT",
        "repo": "https://github.com/django/django",
        "events": [{"introduced": "0"}, {"fixed": "a" * 40}],
    }
    of_pypa["affected"][0]["ranges"].append(commits)
    of_pypa["affected"][0]["versions"] = ["2.2.23", "3.1", "3.1.11", "3.2", "3.2.3"]
    of_github = record("GHSA-68w8", "django", aliases=("CVE-2021-33203",), events=events[:2])
    of_github["database_specific"] = {"severity": "MODERATE", "cwe_ids": ["CWE-22"]}
    installed = {
        version: Package.objects.create(ecosystem="pypi", name="django", version=version)
        for version in ("2.2.0", "2.2.24", "3.1.0", "3.2.0", "3.2.4", "4.0")
    }
    imported = import_advisories(archive(tmp_path / "all.zip", of_pypa, of_github))
    assert (imported.records, imported.advisories) == (2, 1)
    fixes = {
        version: list(package.advisories.values_list("advisory__key", "fixed_in"))
        for version, package in installed.items()
    }
    assert {version: rows for version, rows in fixes.items() if rows} == {
        "2.2.0": [("CVE-2021-33203", ["2.2.24", "3.1.12", "3.2.4"])],
        "3.1.0": [("CVE-2021-33203", ["3.1.12", "3.2.4"])],
        "3.2.0": [("CVE-2021-33203", ["3.2.4"])],
    }


def test_a_url_is_imported_when_it_changed_and_within_the_egress_policy(
    tmp_path: Path, settings: Any, lib: Package
) -> None:
    path = archive(tmp_path / "all.zip", record("PYSEC-2026-1"))

    def answer(request: Any) -> tuple[int, dict[str, str], bytes]:
        if request.path == "/broken":
            return 500, {}, b""
        if request.path == "/elsewhere":
            return 302, {"Location": "http://169.254.169.254/all.zip"}, b""
        mark = f'"{len(path.read_bytes())}"'
        if request.headers.get("If-None-Match") == mark:
            return 304, {}, b""
        return 200, {"ETag": mark}, path.read_bytes()

    with Server(answer).running() as server:
        url = f"{server.url}/all.zip"
        imported = import_url(url)
        assert imported is not None
        assert imported.added == 1
        assert import_url(url) is None
        archive(tmp_path / "all.zip", record("PYSEC-2026-2"), record("PYSEC-2026-3"))
        settings.ADVISORIES, settings.ADVISORIES_SECONDS = [url], 3600.0
        assert import_when_due() == []  # not yet
        AdvisorySource.objects.update(checked_at=None)
        ((_, scheduled),) = import_when_due()
        assert (scheduled.added, scheduled.removed) == (2, 1)
        for wrong in ("/broken", "/elsewhere"):
            with pytest.raises(CannotImport):
                import_url(f"{server.url}{wrong}")
        assert AdvisorySource.objects.get(url=f"{server.url}/broken").problem.endswith("answered 500.")
    with pytest.raises(CannotImport, match="reach"):
        import_url(url)
    assert set(matches()) == {"PYSEC-2026-2", "PYSEC-2026-3"}
