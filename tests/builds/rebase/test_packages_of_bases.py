"""The packages of bases are read once: of older images from the base's layers alone, and again after a rebase."""

from __future__ import annotations

from pathlib import Path

import pytest

from builds.advisories.base_layers import read_older_bases
from builds.models import BaseContents, BasePackage, Image
from builds.rebase.single import rebase
from builds.worker.steps import make_workshop
from tests.builds.rebase.making import assemble_version, push_base, save_version
from tests.builds.scenarios import person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_store")]


def metadata(name: str, folder: str = "usr/local", version: str = "1.0") -> dict[str, str]:
    path = f"{folder}/lib/python3.11/site-packages/{name}-{version}.dist-info/METADATA"
    return {path: f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}


def held(image: Image) -> list[str]:
    """Return what an image has of its base, as name and version."""
    rows = BasePackage.objects.filter(base_digest=image.base_contents).select_related("package")
    return sorted(f"{row.package.name} {row.package.version}" for row in rows)


@pytest.mark.parametrize(
    ("env", "left"),
    [
        ([], ["inner 1.0", "jinja2 1.0"]),  # the image's own shop is above that of the base
        (["VIRTUAL_ENV=/opt/env"], ["jinja2 1.0"]),  # hidden, as in images of the studio
    ],
)
def test_older_bases_are_read_without_what_images_put_on_them(
    own_store: Path, team: str, wheel: Path, env: list[str], left: list[str]
) -> None:
    below = metadata("jinja2") | metadata("inner", "opt/env") | metadata("shop", "opt/env", "0.1")
    push_base(own_store, f"{team}/python:3.11", files=below, env=env)
    image = assemble_version(save_version(f"{team}/python:3.11"), wheel)
    assert held(image) == []  # as those that were built before bases were read

    tried: set[str] = set()
    assert (read_older_bases(make_workshop(), tried), read_older_bases(make_workshop(), tried)) == (1, 0)

    image.refresh_from_db()
    assert held(image) == left
    whole = BasePackage.objects.filter(base_digest=image.base_digest).values_list("package__name", flat=True)
    assert sorted(whole) == ["inner", "jinja2", "shop"]
    assert BaseContents.objects.get().hides is bool(env)

    push_base(own_store, f"{team}/python:3.11", note="second", files=below | metadata("newer"), env=env)
    moved = rebase(image, by=person("ann"))
    moved.refresh_from_db()
    assert held(moved) == sorted([*left, "newer 1.0"])
    assert moved.base_contents != image.base_contents
