"""The names of an image: in the studio or in its workspace's registry, readable where a version has it."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from builds.images.repositories import names_at, pull_names, pull_names_of, version_to_name
from builds.queue.registry_tags import claim, missing_tags, record_pushed
from environments.versions.service import archive_version
from tests.builds.scenarios import image_for, person, save_text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("either_database")]

HOST = "studio.example.com"
REGISTRY = "registry.example.com/ml"


def test_an_image_of_the_studio_is_named_after_its_version_its_hash_and_its_digest() -> None:
    version = save_text("numpy\n", name="Forecast", version="1.0+cpu")
    image = image_for(version)

    names = pull_names(image, HOST, version)

    by_hash = f"{HOST}/lab/azureml/azureml_{version.hash}"
    assert names.readable == f"{HOST}/lab/{version.environment.repository}:_1.0_.cpu"
    assert (names.by_hash, names.by_digest) == (f"{by_hash}:latest", f"{by_hash}@{image.digest}")
    assert names.pinned == f"{names.readable}@{image.digest}"
    assert names.other_commands == [f"docker pull {by_hash}:latest", f"docker pull {by_hash}@{image.digest}"]


def test_a_replaced_image_and_an_image_without_a_version_have_no_readable_name() -> None:
    version = save_text("numpy\n")
    image = image_for(version)
    assert pull_names(image, HOST, None).first.endswith(f"azureml_{version.hash}:latest")

    image.current = False
    assert pull_names(image, HOST, version).readable == ""


def test_in_a_registry_it_has_a_readable_name_once_that_is_pushed() -> None:
    version = save_text("numpy\n")
    image = image_for(version)
    image.pushed_to = f"{REGISTRY}/{image.repository}"
    image.save()
    workspace = version.environment.workspace
    workspace.registry = REGISTRY
    workspace.save()
    assert pull_names(image, HOST, version).first == f"{image.pushed_to}:latest"

    for tag in missing_tags():
        row = claim(tag)
        assert row is not None
        record_pushed(row, tag)

    assert pull_names(image, HOST, version).first == f"{REGISTRY}/forecast:1"
    assert names_at(image, version)(HOST).command == f"docker pull {REGISTRY}/forecast:1"


def test_many_images_are_named_in_one_query() -> None:
    rows = []
    for number in range(5):
        version = save_text(f"numpy=={number}\n", name=f"env-{number}")
        image = image_for(version)
        image.pushed_to = f"{REGISTRY}/{image.repository}"
        rows.append((image, version))

    with CaptureQueriesContext(connection) as captured:
        pull_names_of(rows, HOST)

    assert len(captured) == 1


def test_the_newest_version_of_the_images_workspace_names_it_archived_ones_last() -> None:
    first = save_text("numpy\n")
    twin = save_text("numpy\n", name="twin")
    elsewhere = save_text("numpy\n", workspace="shop")
    image = image_for(first)
    assert version_to_name([first, twin, elsewhere], image) == twin

    archive_version(twin, person("olga"))

    assert version_to_name([first, twin, elsewhere], image) == first
    assert version_to_name([elsewhere], image) is None


def test_the_catalogues_image_has_the_name_of_the_version_that_uses_it() -> None:
    image = image_for(save_text("numpy\n", workspace="curated", name="AzureML-numpy"))
    version = save_text("numpy\n")

    assert pull_names(image, HOST, version).first == f"{HOST}/lab/forecast:1"
