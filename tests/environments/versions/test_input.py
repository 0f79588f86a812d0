"""Reading files for the commands, and the texts that a version keeps of them."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from pytest_django import DjangoAssertNumQueries

from environments.definition.model import Selection
from environments.models import Version
from environments.versions.input import input_of, read_at, version_findings
from tests.builds.scenarios import workspace_named
from tests.environments.definition import toy_project
from tests.environments.definition.toy_project import LOCK, MANIFEST

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    toy_project.install(monkeypatch)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "project.toy").write_text(MANIFEST)
    (folder / "toy.lock").write_text(LOCK)
    return folder


def saved(path: Path, selection: Selection | None = None) -> Version:
    return read_at(path, selection or Selection()).save(workspace_named("lab"), "forecast").version


def test_a_folder_and_its_archive_are_read_again_as_they_were(project: Path) -> None:
    packed = project.parent / "project.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(project, ".")
    selection = Selection(environment="gpu", extras=("viz",))
    for path in (project, packed):
        version = saved(path, selection)
        again = input_of(version)
        assert again.reading.definition == version.definition
        assert (again.filename, again.text, again.beside) == ("project.toy", MANIFEST, {"toy.lock": LOCK})
    assert Version.objects.count() == 1
    assert "selection-unknown" not in {finding.code for finding in version_findings(Version.objects.get())}


def test_the_findings_of_a_version_are_read_once(
    project: Path, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    saved(project)
    version = Version.objects.get()
    findings = version_findings(version)
    assert findings
    with django_assert_num_queries(0):
        assert version_findings(Version(pk=version.pk, created_at=version.created_at, source="x")) == findings


def test_a_single_file_keeps_its_text_and_name(project: Path) -> None:
    version = saved(project / "project.toy")
    assert (version.source, version.source_path) == (MANIFEST, "project.toy")
    assert not version.source_files.exists()


@pytest.mark.parametrize("content", [b"a\0b", b"six==1.17.0\n" * 400_000])
def test_no_text_is_kept_of_what_cannot_be_edited(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "requirements.txt"
    file.write_bytes(content)
    assert read_at(file, Selection()).text == ""


def test_a_folder_of_more_than_what_is_kept_starts_its_next_version_from_a_written_text(
    tmp_path: Path,
) -> None:
    comment = b"# " + b"x" * 1_000_000 + b"\n"
    lines = b"".join(b"-r part-%d.txt\n" % number for number in range(5))
    (tmp_path / "requirements.txt").write_bytes(lines)
    for number in range(5):
        (tmp_path / f"part-{number}.txt").write_bytes(comment + b"six-%d==1.0\n" % number)
    version = saved(tmp_path)
    assert (version.source, version.source_files.count()) == ("", 0)
    again = input_of(version).reading.definition
    assert again is not None
    assert again.hash == version.hash
