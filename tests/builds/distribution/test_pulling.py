"""Pulling images from /v2/ as the OCI distribution specification has it."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone

from builds.distribution import body
from builds.imaging.oci.index import manifests_of
from builds.imaging.oci.manifest import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Descriptor
from builds.imaging.oci.store import BlobStore
from builds.models import Image
from environments.models import Workspace
from tests.builds.distribution import NAME, Answer, add_image, ask, layer_of, store_image, store_index

pytestmark = pytest.mark.django_db


def test_the_current_image_is_latest_and_an_older_one_stays_addressable(
    store: BlobStore, square: Workspace, manifest: Descriptor
) -> None:
    old = store_image(store, b"before the rebuild")
    add_image(square, old, current=False)
    add_image(square, manifest)

    assert ask(f"/v2/square/{NAME}/manifests/latest").headers["Docker-Content-Digest"] == manifest.digest
    answer = ask(f"/v2/square/{NAME}/manifests/{old.digest}")
    assert answer.headers["Docker-Content-Digest"] == old.digest
    assert hashlib.sha256(answer.body).hexdigest() == old.digest.removeprefix("sha256:")
    assert ask(f"/v2/square/{NAME}/blobs/{layer_of(store, old)}").status == 200


def test_a_manifest_says_what_it_is(square: Workspace, manifest: Descriptor) -> None:
    add_image(square, manifest)

    whole = ask(f"/v2/square/{NAME}/manifests/latest")
    head = ask(f"/v2/square/{NAME}/manifests/latest", "HEAD")

    assert whole.headers["Content-Type"] == OCI_MANIFEST
    assert whole.headers["ETag"] == f'"{manifest.digest}"'
    assert whole.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert len(whole.body) == manifest.size
    assert head.body == b""
    names = ("Content-Type", "Content-Length", "Docker-Content-Digest", "ETag")
    assert [head.headers[name] for name in names] == [whole.headers[name] for name in names]


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200),
        ("application/json", 200),
        (f"{DOCKER_MANIFEST}, {OCI_MANIFEST};q=0.5", 200),
        (DOCKER_MANIFEST, 404),
        ("text/html", 404),
    ],
)
def test_a_manifest_is_sent_to_those_who_read_its_type(
    square: Workspace, manifest: Descriptor, accept: str, status: int
) -> None:
    add_image(square, manifest)

    assert ask(f"/v2/square/{NAME}/manifests/latest", Accept=accept).status == status


def test_an_index_is_sent_to_those_who_read_it_and_to_others_its_first_manifest_for_amd64(
    store: BlobStore, square: Workspace
) -> None:
    image = store_index(store, b"arm", b"first", b"second", architectures=("arm64", "amd64", "amd64"))
    add_image(square, image)
    _, first, _ = manifests_of(store, image)

    new = ask(f"/v2/square/{NAME}/manifests/latest", Accept=f"{OCI_INDEX}, {OCI_MANIFEST}")
    old = ask(f"/v2/square/{NAME}/manifests/latest", Accept=OCI_MANIFEST)

    for answer, expected in ((new, image), (old, first)):
        assert answer.headers["Docker-Content-Digest"] == expected.digest
        assert answer.headers["Content-Type"] == expected.media_type
        assert answer.headers["Vary"] == "Accept"
        assert answer.body == store.read(expected.digest)


def test_every_manifest_of_an_index_is_pulled_by_its_digest_with_its_blobs(
    store: BlobStore, square: Workspace
) -> None:
    image = store_index(store, b"arm", b"amd", architectures=("arm64", "amd64"))
    row = add_image(square, image)
    row.used_at -= timedelta(hours=1)
    row.save()

    for manifest in manifests_of(store, image):
        answer = ask(f"/v2/square/{NAME}/manifests/{manifest.digest}", Accept=OCI_MANIFEST)
        assert (answer.status, answer.body) == (200, store.read(manifest.digest))
        assert "immutable" in answer.headers["Cache-Control"]
        layer = layer_of(store, manifest)
        assert ask(f"/v2/square/{NAME}/blobs/{layer}").body == store.read(layer)
        by_digest = ask(f"/v2/square/{NAME}/manifests/{layer}")
        assert (by_digest.status, by_digest.code) == (404, "MANIFEST_UNKNOWN")
    assert Image.objects.get().used_at > row.used_at


def test_an_index_by_its_digest_is_itself_or_nothing(store: BlobStore, square: Workspace) -> None:
    image = store_index(store, b"amd", b"arm", architectures=("amd64", "arm64"))
    add_image(square, image)

    answer = ask(f"/v2/square/{NAME}/manifests/{image.digest}", Accept=OCI_MANIFEST)

    assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")


def test_an_index_for_other_platforms_gives_its_first_manifest(store: BlobStore, square: Workspace) -> None:
    image = store_index(store, b"first", b"second", architectures=("arm64", "arm64"))
    add_image(square, image)

    answer = ask(f"/v2/square/{NAME}/manifests/latest", Accept=OCI_MANIFEST)

    assert answer.headers["Docker-Content-Digest"] == manifests_of(store, image)[0].digest


def test_what_the_client_has_is_not_sent_again(
    store: BlobStore, square: Workspace, manifest: Descriptor
) -> None:
    add_image(square, manifest)
    layer = layer_of(store, manifest)

    for path, digest in ((f"manifests/{manifest.digest}", manifest.digest), (f"blobs/{layer}", layer)):
        answer = ask(f"/v2/square/{NAME}/{path}", If_None_Match=f'"{digest}"')
        assert (answer.status, answer.body) == (304, b"")


def test_a_blob_comes_whole_and_a_head_says_how_long_it_is(
    store: BlobStore, square: Workspace, manifest: Descriptor
) -> None:
    add_image(square, manifest)
    layer = layer_of(store, manifest)

    whole = ask(f"/v2/square/{NAME}/blobs/{layer}")
    head = ask(f"/v2/square/{NAME}/blobs/{layer}", "HEAD")

    assert whole.body == store.read(layer)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == whole.headers["Content-Length"] == str(store.size(layer))
    assert head.headers["Accept-Ranges"] == "bytes"
    assert head.headers["Docker-Content-Digest"] == layer


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=2-", (2, 8)),
        ("bytes=-3", (7, 3)),
        ("bytes=-99", (0, 10)),
        ("bytes=8-99", (8, 2)),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=1-2,4-5", None),
        ("lines=1-2", None),
        ("bytes=\u0661-2", None),
        ("", None),
    ],
)
def test_a_range_means_these_bytes(header: str, expected: tuple[int, int] | None) -> None:
    assert body.part(header, 10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(header: str) -> None:
    with pytest.raises(body.Unsatisfiable):
        body.part(header, 10)


def test_a_pull_that_broke_off_goes_on_where_it_was(
    store: BlobStore, square: Workspace, manifest: Descriptor
) -> None:
    add_image(square, manifest)
    layer = layer_of(store, manifest)
    size, path = store.size(layer), f"/v2/square/{NAME}/blobs/{layer}"

    rest = ask(path, Range="bytes=1000-")
    behind = ask(path, Range=f"bytes={size}-")
    of_another = ask(path, Range="bytes=1000-", If_Range='"sha256:other"')

    assert (rest.status, rest.body) == (206, store.read(layer)[1000:])
    assert rest.headers["Content-Range"] == f"bytes 1000-{size - 1}/{size}"
    assert rest.headers["Content-Length"] == str(size - 1000)
    assert (behind.status, behind.headers["Content-Range"]) == (416, f"bytes */{size}")
    assert (of_another.status, len(of_another.body)) == (200, size)


def test_a_blob_longer_than_a_chunk_is_sent_in_chunks(
    store: BlobStore, square: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "CHUNK", 1000)
    manifest = store_image(store, hashlib.shake_256(b"noise").digest(10_500))
    add_image(square, manifest)
    layer = layer_of(store, manifest)

    assert ask(f"/v2/square/{NAME}/blobs/{layer}").body == store.read(layer)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"square/{NAME}/manifests/3", 404, "MANIFEST_UNKNOWN"),
        (f"square/{NAME}/manifests/sha256:{'0' * 64}", 404, "MANIFEST_UNKNOWN"),
        (f"square/{NAME}/manifests/sha256:123", 400, "DIGEST_INVALID"),
        (f"square/{NAME}/blobs/sha256:{'0' * 64}", 404, "BLOB_UNKNOWN"),
        (f"square/{NAME}/blobs/latest", 400, "DIGEST_INVALID"),
        (f"square/{NAME}/blobs/sha256:..%2F..%2Foci-layout", 404, "UNSUPPORTED"),
        ("square/azureml/other/manifests/latest", 404, "NAME_UNKNOWN"),
        ("square/manifests/latest", 404, "NAME_UNKNOWN"),
        (f"square/{NAME}/tags/list?n=many", 400, "PAGINATION_NUMBER_INVALID"),
        (f"square/{NAME}/tags/list?n=-1", 400, "PAGINATION_NUMBER_INVALID"),
        ("_catalog", 404, "UNSUPPORTED"),
    ],
)
def test_errors_have_the_codes_of_the_specification(
    square: Workspace, manifest: Descriptor, path: str, status: int, code: str
) -> None:
    add_image(square, manifest)

    answer = ask(f"/v2/{path}")

    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"square/{NAME}/blobs/uploads/"),
        ("PUT", f"square/{NAME}/manifests/latest"),
        ("DELETE", f"square/{NAME}/manifests/latest"),
    ],
)
def test_pushes_are_refused(square: Workspace, manifest: Descriptor, method: str, path: str) -> None:
    add_image(square, manifest)

    answer = ask(f"/v2/{path}", method)

    assert (answer.status, answer.code) == (405, "UNSUPPORTED")
    assert answer.headers["Allow"] == "GET, HEAD"


def test_an_image_whose_blobs_are_gone_is_unknown_and_not_an_error(
    store: BlobStore, square: Workspace, manifest: Descriptor
) -> None:
    add_image(square, manifest)
    layer = layer_of(store, manifest)
    store.blob_path(layer).unlink()
    missing = ask(f"/v2/square/{NAME}/blobs/{layer}")
    store.blob_path(manifest.digest).unlink()

    assert missing.code == "BLOB_UNKNOWN"
    assert ask(f"/v2/square/{NAME}/manifests/latest").code == "MANIFEST_UNKNOWN"


def test_tags_come_in_pages(square: Workspace, manifest: Descriptor) -> None:
    add_image(square, manifest)

    def tags(query: str = "") -> Answer:
        return ask(f"/v2/square/{NAME}/tags/list{query}")

    assert tags().json == {"name": f"square/{NAME}", "tags": ["latest"]}
    assert tags("?n=1").json["tags"] == ["latest"]
    assert "Link" not in tags("?n=1").headers
    assert tags("?n=0").json["tags"] == []
    assert tags("?n=1&last=latest").json["tags"] == []


def test_a_pull_is_noted_at_most_once_a_minute(square: Workspace, manifest: Descriptor) -> None:
    """When an image was last used."""
    image = add_image(square, manifest)
    recent, old = timezone.now() - timedelta(seconds=30), timezone.now() - timedelta(hours=1)

    for before, moved in ((recent, False), (old, True)):
        Image.objects.update(used_at=before)
        ask(f"/v2/square/{NAME}/manifests/latest")
        image.refresh_from_db()
        assert (image.used_at != before) is moved
