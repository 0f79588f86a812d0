"""Images of several platforms: their rows, what differs between them, and bases that move."""

from __future__ import annotations

import pytest
from django.utils import timezone

from builds.images.copying import copy_image
from builds.images.listing import ImageFilter, find_images
from builds.images.packages import save_packages
from builds.images.platforms import deviations, save_platforms
from builds.imaging.lock import Lock
from builds.models import BaseImage, Image, ImagePackage
from builds.queue.requests import base_has_moved
from builds.worker.preview import version_changes
from environments.definition.model import Definition
from environments.models import Role, Version
from tests.builds.scenarios import browser_of, image_for, person, save_text, workspace_named
from tests.studio.environments.test_search_by_content import locked

pytestmark = pytest.mark.django_db

AMD64 = Lock(packages=(locked("numpy", "2.1.3"), locked("core", "2.0"), locked("intel", "1")))
ARM64 = Lock(packages=(locked("numpy", "2.1.3"), locked("core", "1.0")))


def part(platform: str, lock: Lock) -> dict[str, object]:
    return {
        "platform": platform,
        "digest": f"sha256:{platform[-5:].encode().hex():0<64}",
        "size": 1_000_000,
        "base_digest": "sha256:" + "b" * 64,
        "python": "3.11.7",
        "packages": len(lock.packages),
        "lock": lock.model_dump(mode="json"),
    }


@pytest.fixture
def version() -> Version:
    return save_text("numpy\n")


@pytest.fixture
def image(version: Version) -> Image:
    image = image_for(version)
    image.platforms, image.lock = "linux/amd64,linux/arm64", AMD64.model_dump(mode="json")
    image.base, image.base_digest, image.floating = "docker.io/python:latest", "sha256:" + "1" * 64, True
    image.save()
    save_platforms(image, [part("linux/amd64", AMD64), part("linux/arm64", ARM64)])
    save_packages(image)
    return image


def shown(image: Image) -> list[tuple[str, str, str, str]]:
    return [(each.platform, each.name, each.version, each.first) for each in deviations(image)]


def test_what_differs_between_platforms_is_listed(image: Image) -> None:
    assert shown(image) == [
        ("linux/arm64", "core", "1.0", "2.0"),
        ("linux/arm64", "intel", "", "1"),
    ]


def test_an_image_is_found_by_the_packages_of_each_platform(image: Image) -> None:
    rows = ImagePackage.objects.filter(image=image, package__name="core")
    assert set(rows.values_list("package__version", flat=True)) == {"1.0", "2.0"}


def test_the_catalogue_takes_over_all_platforms(image: Image) -> None:
    taken = copy_image(image, workspace_named("curated"))

    assert taken.platforms == image.platforms
    assert shown(taken) == shown(image)


def test_a_preview_names_the_platform_where_only_that_changes(image: Image) -> None:
    newer = Lock(packages=(locked("numpy", "2.2"), locked("core", "1.1")))
    after = {
        "linux/amd64": Lock(packages=(*AMD64.packages[1:], locked("numpy", "2.2"))),
        "linux/arm64": newer,
    }

    assert version_changes(image, after) == [
        {"name": "core (linux/arm64)", "before": "1.0", "after": "1.1"},
        {"name": "numpy", "before": "2.1.3", "after": "2.2"},
    ]


def test_a_reference_is_another_base_for_each_set_of_platforms() -> None:
    both = Definition(image="python:latest", other_platforms=("linux/arm64",))
    arm = Definition(image="python:latest", platform="linux/arm64")
    plain = Definition(image="python:latest")

    assert [BaseImage.reference_of(each) for each in (plain, arm, both)] == [
        "docker.io/library/python:latest",
        "docker.io/library/python:latest linux/arm64",
        "docker.io/library/python:latest linux/amd64,linux/arm64",
    ]


def test_a_base_that_moved_on_one_platform_alone_is_noticed(version: Version, image: Image) -> None:
    """The manifest of amd64 may stay while the index moves; an image of amd64 alone is not concerned."""

    def moved() -> bool:
        only = ImageFilter(only="moved")
        return find_images(Image.objects.all(), version.environment.workspace, only).exists()

    data = version.data | {"image": "docker.io/python:latest", "other_platforms": ["linux/arm64"]}
    version.data = data
    reference = BaseImage.reference_of(Definition.model_validate(data))
    Image.objects.update(base=reference.partition(" ")[0])
    image.refresh_from_db()
    known = BaseImage.objects.create(reference=reference, digest=image.base_digest, checked_at=timezone.now())
    BaseImage.objects.create(reference=image.base, digest="sha256:" + "9" * 64, checked_at=timezone.now())
    assert not moved()

    BaseImage.objects.filter(pk=known.pk).update(digest="sha256:" + "2" * 64)

    assert moved()
    assert base_has_moved(version, image)


def test_pages_name_the_platforms_and_their_differences(version: Version, image: Image) -> None:
    reader = browser_of(person("rita", lab=Role.READER))

    page = reader.get("/w/lab/environments/forecast/").content.decode()
    assert "linux/arm64: 1.0 MB" in page
    assert "core: 1.0 on linux/arm64, 2.0 on the first platform" in page
    assert "intel: not installed on linux/arm64, 1 on the first platform" in page
    packages = reader.get("/w/lab/environments/forecast/?tab=packages").content.decode()
    assert "Packages on linux/amd64" in packages
    assert "linux/amd64,linux/arm64" in reader.get("/w/lab/images/").content.decode()


def test_the_api_gives_each_platform(version: Version, image: Image) -> None:
    api = browser_of(person("rita", lab=Role.READER))
    there = "/api/v1/workspaces/lab"

    whole = api.get(f"{there}/images/{image.digest}/").json()
    assert whole["platforms"] == ["linux/amd64", "linux/arm64"]
    assert [manifest["platform"] for manifest in whole["manifests"]] == whole["platforms"]
    assert whole["deviations"][0] == {
        "platform": "linux/arm64",
        "name": "core",
        "version": "1.0",
        "first": "2.0",
    }
    packages = f"{there}/environments/forecast/versions/{version.version}/packages/"
    assert [package["name"] for package in api.get(packages).json()] == ["numpy", "core", "intel"]
    of_arm = api.get(packages, {"platform": "linux/arm64"}).json()
    assert [package["version"] for package in of_arm] == ["2.1.3", "1.0"]
    assert api.get(packages, {"platform": "linux/s390x"}).status_code == 404


def test_an_image_for_one_platform_has_no_differences(version: Version) -> None:
    assert deviations(image_for(version)) == []
