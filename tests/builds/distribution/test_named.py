"""Images by the names of environments and versions: tags, digests, blobs and access."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from builds.images.layers import save_layers
from builds.imaging.oci.store import BlobStore
from builds.models import Image
from environments.errors import ConflictError
from environments.models import Environment, Member, Role, Version, Workspace
from environments.versions.service import archive_environment, archive_version
from tests.builds.distribution import ask, basic, layer_of, store_image
from tests.builds.scenarios import person, save_text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("either_database")]

PASSWORD = "a long enough password"


def image_of(version: Version, store: BlobStore, content: str = "", *, current: bool = True) -> Image:
    """Say that a version's workspace has an image of it, with this content in its only layer."""
    manifest = store_image(store, (content or f"{version.hash}").encode())
    image = Image.objects.create(
        workspace=version.environment.workspace,
        hash=version.hash,
        repository=f"azureml/azureml_{version.hash}",
        digest=manifest.digest,
        size=1,
        layers=[{"digest": layer_of(store, manifest), "size": 1}],
        base="host",
        base_digest=f"sha256:{'0' * 64}",
        current=current,
    )
    save_layers(image)
    return image


def digest_at(path: str, **headers: str) -> str:
    answer = ask(f"/v2/{path}", **headers)
    assert answer.status == 200, answer.body
    return answer.headers["Docker-Content-Digest"]


@contextmanager
def at_most(queries: int) -> Iterator[None]:
    with CaptureQueriesContext(connection) as captured:
        yield
    texts = [query["sql"] for query in captured.captured_queries]
    assert len(texts) <= queries, "\n".join(texts)
    assert not [text for text in texts if re.search(r'"lock"|"layers"|"data"|"source"', text)]


@pytest.fixture
def versions(store: BlobStore, square: Workspace) -> list[Version]:
    """Two versions of square/forecast with an image, and a third without."""
    made = [save_text(f"numpy==2.{number}\n", workspace="square") for number in range(3)]
    for version in made[:2]:
        image_of(version, store)
    return made


# Tags


def test_a_version_is_a_tag_and_latest_is_the_latest_version(
    store: BlobStore, versions: list[Version]
) -> None:
    first, second, third = versions

    assert digest_at("square/forecast/manifests/1") == Image.objects.get(hash=first.hash).digest
    assert digest_at("square/forecast/manifests/2") == Image.objects.get(hash=second.hash).digest
    assert ask("/v2/square/forecast/manifests/3").code == "MANIFEST_UNKNOWN"
    assert ask("/v2/square/forecast/manifests/latest").code == "MANIFEST_UNKNOWN"

    third_image = image_of(third, store)

    assert digest_at("square/forecast/manifests/latest") == third_image.digest
    by_tag = ask("/v2/square/forecast/manifests/3", "HEAD")
    assert (by_tag.status, by_tag.body, by_tag.headers["Docker-Content-Digest"]) == (
        200,
        b"",
        third_image.digest,
    )


def test_a_rebuilt_version_moves_and_its_earlier_image_stays_addressable_with_its_blobs(
    store: BlobStore, versions: list[Version]
) -> None:
    version = versions[0]
    old = Image.objects.get(hash=version.hash)
    Image.objects.filter(pk=old.pk).update(current=False)
    new = image_of(version, store, "after the rebuild")

    assert digest_at("square/forecast/manifests/1") == new.digest
    assert digest_at(f"square/forecast/manifests/{old.digest}") == old.digest
    assert ask(f"/v2/square/forecast/blobs/{old.layers[0]['digest']}").status == 200
    config = ask(f"/v2/square/forecast/manifests/{old.digest}").json["config"]["digest"]
    assert ask(f"/v2/square/forecast/blobs/{config}").status == 200


def test_tags_are_listed_in_the_lexical_order_of_the_specification_a_page_at_a_time(
    store: BlobStore, square: Workspace
) -> None:
    for name in ("10", "2", "1", "B", "a"):
        image_of(save_text(f"numpy==2.{len(name)}.{ord(name[0])}\n", workspace="square", version=name), store)
    save_text("six\n", workspace="square", version="without-image")

    assert ask("/v2/square/forecast/tags/list").json == {
        "name": "square/forecast",
        "tags": ["1", "10", "2", "a", "B"],
    }
    pages, path = [], "/v2/square/forecast/tags/list?n=2"
    while path:
        answer = ask(path)
        pages.append(answer.json["tags"])
        path = answer.headers.get("Link", "").partition("<")[2].partition(">")[0]
    assert pages == [["1", "10"], ["2", "a"], ["B"]]


def test_latest_is_listed_once_the_latest_version_has_an_image(
    store: BlobStore, versions: list[Version]
) -> None:
    assert ask("/v2/square/forecast/tags/list").json["tags"] == ["1", "2"]
    image_of(versions[2], store)
    assert ask("/v2/square/forecast/tags/list").json["tags"] == ["1", "2", "3", "latest"]


def test_what_is_archived_is_pulled_by_its_number_only(versions: list[Version]) -> None:
    user, version = person("olga"), versions[1]
    archive_version(versions[2], user)
    assert digest_at("square/forecast/manifests/latest") == Image.objects.get(hash=version.hash).digest

    archive_version(version, user)
    assert digest_at("square/forecast/manifests/2") == Image.objects.get(hash=version.hash).digest
    assert digest_at("square/forecast/manifests/latest") == Image.objects.get(hash=versions[0].hash).digest

    archive_environment(version.environment, user)
    assert digest_at("square/forecast/manifests/2") == Image.objects.get(hash=version.hash).digest
    assert ask("/v2/square/forecast/manifests/latest").code == "MANIFEST_UNKNOWN"


def test_a_version_with_a_plus_has_a_tag_that_engines_accept(store: BlobStore, square: Workspace) -> None:
    image = image_of(save_text("numpy\n", workspace="square", version="1.0+cu126_a"), store)
    other = image_of(save_text("six\n", workspace="square", version="1.0_.cu126"), store)

    assert digest_at("square/forecast/manifests/_1.0_.cu126__a") == image.digest
    assert digest_at("square/forecast/manifests/1.0_.cu126") == other.digest
    assert ask("/v2/square/forecast/tags/list").json["tags"] == ["1.0_.cu126", "_1.0_.cu126__a", "latest"]
    assert ask("/v2/square/forecast/manifests/1.0+cu126_a").status == 404


def test_both_names_are_of_the_same_image(versions: list[Version]) -> None:
    by_hash = f"square/azureml/azureml_{versions[0].hash}/manifests/latest"

    assert digest_at(by_hash) == digest_at("square/forecast/manifests/1")


def test_a_pull_by_name_counts_as_a_use(versions: list[Version]) -> None:
    images = Image.objects.filter(hash=versions[0].hash)
    long_ago = timezone.now() - timedelta(days=9)
    images.update(used_at=long_ago)

    digest_at("square/forecast/manifests/1")

    assert images.get().used_at > long_ago


# Names that no repository can have


def test_names_that_differ_in_capitals_are_two_repositories(store: BlobStore, square: Workspace) -> None:
    lower = image_of(save_text("numpy\n", workspace="square", name="forecast"), store)
    capital = image_of(save_text("six\n", workspace="square", name="Forecast"), store)
    repository = Environment.objects.get(name="Forecast").repository

    assert re.fullmatch(r"forecast--[0-9a-f]{12}", repository)
    assert digest_at("square/forecast/manifests/1") == lower.digest
    assert digest_at(f"square/{repository}/manifests/1") == capital.digest


def test_a_pull_by_the_plain_spelling_is_answered_with_the_name(store: BlobStore, square: Workspace) -> None:
    image_of(save_text("numpy\n", workspace="square", name="Forecast"), store)
    repository = Environment.objects.get().repository

    answer = ask("/v2/square/forecast/manifests/1")

    assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")
    assert f"Forecast is square/{repository} here." in answer.json["errors"][0]["message"]


def test_an_environment_named_like_anothers_repository_gets_its_own(square: Workspace) -> None:
    save_text("numpy\n", workspace="square", name="Forecast")
    taken = Environment.objects.get().repository

    save_text("numpy\n", workspace="square", name=taken)

    assert Environment.objects.get(name=taken).repository.startswith(f"{taken}--")


def test_a_name_that_would_be_pulled_like_anothers_is_refused(square: Workspace) -> None:
    version = save_text("numpy\n", workspace="square", name="taken")
    Environment.objects.filter(pk=version.environment_id).update(repository="free")

    with pytest.raises(ConflictError, match="free and taken would both be free"):
        save_text("numpy\n", workspace="square", name="free")


def test_the_catalogues_names_are_in_lower_case(store: BlobStore) -> None:
    version = save_text("numpy\n", workspace="curated", name="AzureML-sklearn-1.9")
    image = image_of(version, store)
    ada = basic(person("ada").username, PASSWORD)

    assert digest_at("curated/azureml-sklearn-1.9/manifests/1", Authorization=ada) == image.digest


@pytest.mark.parametrize(
    "path",
    [
        "square/forecast/manifests/" + "x" * 5000,
        "square/forecast/manifests/%00",
        "square/forecast/manifests/1%0a",
        "square/forecast/manifests/..",
        "square/forecast/manifests/_",
        "square/forecast/manifests/+1",
        "square/forecast/manifests/LATEST",
        "square/forecast/manifests/-1",
        "square/" + "a" * 5000 + "/manifests/1",
        "square/FORECAST/manifests/1",
        "square/forecast/extra/manifests/1",
        "square//manifests/1",
        "square/forecast%2f..%2fforecast/manifests/1",
        "square/' OR 1=1/manifests/1",
        "square/forecast/blobs/sha256:" + "0" * 64,
    ],
)
def test_hostile_names_and_references_are_unknown(versions: list[Version], path: str) -> None:
    answer = ask(f"/v2/{path}")

    assert answer.status == 404
    assert answer.code in {"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "BLOB_UNKNOWN", "UNSUPPORTED"}
    assert len(answer.body) < 1000


@pytest.mark.parametrize("kind", ["manifests", "blobs"])
@pytest.mark.parametrize("digest", ["sha256:short", "md5:" + "0" * 64, "sha256:" + "G" * 64])
def test_what_is_no_digest_is_refused(versions: list[Version], kind: str, digest: str) -> None:
    answer = ask(f"/v2/square/forecast/{kind}/{digest}")

    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


# Access


def test_strangers_cannot_tell_an_environment_from_none(store: BlobStore, shop: Workspace) -> None:
    image_of(save_text("numpy\n", workspace="shop"), store)
    stranger = basic(person("stranger").username, PASSWORD)

    for part in ("manifests/1", "manifests/9", "tags/list", f"blobs/sha256:{'0' * 64}"):
        assert ask(f"/v2/shop/forecast/{part}").code == ask(f"/v2/shop/nothing/{part}").code == "UNAUTHORIZED"
        there = ask(f"/v2/shop/forecast/{part}", Authorization=stranger)
        nothing = ask(f"/v2/shop/nothing/{part}", Authorization=stranger)
        assert (there.status, there.code) == (404, "NAME_UNKNOWN")
        assert there.body.replace(b"forecast", b"nothing") == nothing.body


def test_a_digest_of_another_environment_or_workspace_is_not_there(
    store: BlobStore, shop: Workspace, versions: list[Version]
) -> None:
    secret = image_of(save_text("secret\n", workspace="shop"), store)
    other = image_of(save_text("other\n", workspace="square", name="other"), store)

    for image in (secret, other):
        assert ask(f"/v2/square/forecast/manifests/{image.digest}").code == "MANIFEST_UNKNOWN"
        assert ask(f"/v2/square/forecast/blobs/{image.layers[0]['digest']}").code == "BLOB_UNKNOWN"


def test_the_catalogues_image_of_the_same_content_is_pulled_by_those_who_may_pull_it(
    store: BlobStore, square: Workspace
) -> None:
    image = image_of(save_text("numpy\n", workspace="curated", name="AzureML-numpy"), store)
    save_text("numpy\n", workspace="square")
    Workspace.objects.filter(curated=True).update(anonymous_pull=False)
    ada = basic(person("ada").username, PASSWORD)

    assert digest_at("square/forecast/manifests/1", Authorization=ada) == image.digest
    assert ask(f"/v2/square/forecast/blobs/{image.layers[0]['digest']}", Authorization=ada).status == 200
    assert ask("/v2/square/forecast/manifests/1").code == "MANIFEST_UNKNOWN"
    assert ask(f"/v2/square/forecast/blobs/{image.layers[0]['digest']}").code == "BLOB_UNKNOWN"

    Workspace.objects.filter(curated=True).update(anonymous_pull=True)
    assert digest_at("square/forecast/manifests/1") == image.digest


# Queries


def test_a_blob_of_many_images_costs_few_queries_and_rows(
    store: BlobStore, shop: Workspace, versions: list[Version]
) -> None:
    ada = User.objects.create_user("ada", password=PASSWORD)
    Member.objects.create(workspace=shop, user=ada, role=Role.READER)
    image = Image.objects.get(hash=versions[0].hash)
    bearer = f"Bearer {ask('/v2/token', Authorization=basic('ada', PASSWORD)).json['token']}"
    Member.objects.create(workspace=versions[0].environment.workspace, user=ada, role=Role.READER)
    layer = image.layers[0]["digest"]

    with at_most(5):  # workspace, environment, catalogue, images
        assert ask(f"/v2/square/forecast/blobs/{layer}", "HEAD").status == 200
    with at_most(4):  # user, workspace, environment, images
        assert ask(f"/v2/square/forecast/blobs/{layer}", "HEAD", Authorization=bearer).status == 200
    with at_most(6):
        assert ask("/v2/square/forecast/manifests/1", "HEAD", Authorization=bearer).status == 200
