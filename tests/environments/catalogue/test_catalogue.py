"""The curated catalogue that comes with the studio."""

from __future__ import annotations

from pathlib import Path

import pytest

from builds.imaging.bases.model import Base
from builds.imaging.bases.probe import Probe
from builds.imaging.oci.store import BlobStore
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from environments.catalogue.loader import FOLDER, load_catalogue
from environments.definition import ImageReference, read_path
from environments.errors import ServiceError
from environments.models import Version

pytestmark = pytest.mark.django_db


def test_loading_it_twice_changes_nothing() -> None:
    first = load_catalogue()
    assert len(first) >= 10
    assert all(saved.created for saved in first)

    again = load_catalogue()

    assert again == []
    assert Version.objects.count() == len(first)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_each_file_is_read_without_a_warning_and_pins_what_it_names(file: Path) -> None:
    reading = read_path(file)

    assert reading.definition is not None, reading.findings
    assert [finding for finding in reading.findings if finding.severity != "note"] == []
    assert reading.definition.image
    assert not ImageReference.parse(reading.definition.image).floating
    packages = [line for line in reading.definition.python.pip if not line.startswith("-")]
    assert packages
    assert all("==" in package for package in packages)


def test_a_file_that_changed_under_its_version_is_named(tmp_path: Path) -> None:
    """Rule 30 holds for the catalogue as well."""
    text = (FOLDER / "sklearn-1.9.yaml").read_text()
    (tmp_path / "sklearn.yaml").write_text(text)
    load_catalogue(tmp_path)
    (tmp_path / "sklearn.yaml").write_text(text.replace("joblib==1.6.0", "joblib==1.5.0"))

    with pytest.raises(ServiceError, match=r"sklearn\.yaml"):
        load_catalogue(tmp_path)


def pip_lines(file: Path) -> tuple[str, ...]:
    """Return what a catalogue file asks of the package index."""
    definition = read_path(file).definition
    assert definition is not None
    return definition.python.pip


# Environments with their own index need it, and tests do not reach it.
FROM_PYPI = [
    file
    for file in sorted(FOLDER.glob("*.yaml"))
    if not any("index" in environment for environment in pip_lines(file))
]


@pytest.mark.parametrize("file", FROM_PYPI, ids=lambda file: file.stem)
def test_what_it_pins_exists_and_fits_together(file: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    probe = Probe(python="/usr/local/bin/python3.12", version="3.12.11", libc="glibc", libc_version="2.36")
    base = Base("docker.io/library/python:3.12", "sha256:" + "0" * 64, (), (), {"config": {}}, probe)
    shared = tmp_path_factory.getbasetemp() / "workshop"  # one download of each package's metadata

    lock = resolve(base, pip_lines(file), Workshop(BlobStore(shared / "store"), shared / "cache"), Quiet())

    pinned = {line.partition("==")[0].partition("[")[0]: line.partition("==")[2] for line in pip_lines(file)}
    assert {name: package.version for name in pinned if (package := lock.named(name))} == pinned
