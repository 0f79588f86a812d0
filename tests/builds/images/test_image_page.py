"""The page of an image: its layers and what shares them; and the totals above the list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client, override_settings
from pytest_django.fixtures import DjangoAssertNumQueries

from builds.images.contents import contents_of
from builds.images.layers import totals_of
from builds.imaging.oci.manifest import OCI_MANIFEST
from builds.imaging.oci.store import BlobStore
from builds.models import Image
from environments.models import Role
from tests.builds.scenarios import browser_of, image_for, person, save_text, workspace_named

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader() -> Client:
    return browser_of(person("rita", lab=Role.READER))


def page_of(client: Client, image: Image) -> str:
    response = client.get(f"/w/lab/images/{image.digest}/")
    assert response.status_code == 200
    return str(response.content.decode())


def test_the_page_of_an_image_shows_its_layers_and_what_shares_them(
    reader: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    image = image_for(save_text("six==1\n", name="first"))
    image_for(save_text("six==2\n", name="second"))
    with django_assert_max_num_queries(21):
        page = page_of(reader, image)
    assert "<h1>first:1</h1>" in page
    assert "1 other image" in page
    assert "2 layers, 1 shared, 28 MB unique" in page
    assert "60 MB" in page
    assert "not recorded" in page  # its manifest is not in this store
    assert page.count(image.digest) > 1


def test_other_images_are_not_found(reader: Client) -> None:
    image = image_for(save_text("six==9\n", name="private", workspace="other"))
    image_for(save_text("six==1\n"))
    for digest in (image.digest, "sha256:0", "x" * 300, "sha256:" + "A" * 64, "%00", "..%2f"):
        assert reader.get(f"/w/lab/images/{digest}/").status_code == 404, digest
    assert browser_of(None).get(f"/w/other/images/{image.digest}/").status_code == 302
    assert reader.get(f"/w/other/images/{image.digest}/").status_code == 404


def test_totals_count_shared_layers_once(reader: Client) -> None:
    assert "disk" not in reader.get("/w/lab/images/").content.decode()
    for number in (1, 2):
        image_for(save_text(f"six=={number}\n"))
    image_for(save_text("six==3\n", workspace="other"))

    totals = totals_of(workspace_named("lab"))

    assert (totals.images, totals.size, totals.on_disk) == (2, 2 * 88_400_000, 60_000_000 + 2 * 28_400_000)
    page = " ".join(reader.get("/w/lab/images/").content.decode().split())
    shown = page.partition('id="totals"')[2].partition("</p>")[0]
    assert "<strong>2 images</strong>, 176 MB, 116 MB on disk (shared layers counted once)" in shown


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BlobStore]:
    """The studio's store, empty."""
    with override_settings(STORE=tmp_path):
        yield BlobStore(tmp_path)


def stored(store: BlobStore, image: Image, config: object) -> None:
    """Put a manifest for an image's layers in the store, with this config."""
    put = store.put(json.dumps(config).encode(), "application/json")
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"digest": put.digest, "size": put.size, "mediaType": "application/json"},
        "layers": [{**layer, "mediaType": "application/x"} for layer in image.layers],
    }
    image.digest = store.put(json.dumps(manifest).encode(), OCI_MANIFEST).digest
    image.save()


def test_what_is_in_layers_comes_from_the_history(reader: Client, store: BlobStore) -> None:
    image = image_for(save_text("six==1\n"))
    hostile = "<script>alert(1)</script>\0" + "y" * 10_000
    history = [
        {"created_by": f"/bin/sh -c {hostile}"},
        {"created_by": "CMD", "empty_layer": True},
        {"created_by": "environment-studio", "comment": "numpy 2.1.3"},
    ]
    stored(store, image, {"history": history})

    page = page_of(reader, image)

    assert "numpy 2.1.3" in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    assert len(page) < 60_000


@pytest.mark.parametrize(
    "config", [[], "x", None, {"history": 5}, {"history": ["a", "b"]}, {"history": [{}]}, {"history": None}]
)
def test_a_history_of_another_form_is_left_out(config: object, store: BlobStore) -> None:
    image = image_for(save_text("six==1\n"))
    stored(store, image, config)
    assert contents_of(image) == {}
