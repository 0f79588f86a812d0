"""The list of images: which it shows, in what order, and the facts on bases and layers."""

from __future__ import annotations

import datetime
import re

import pytest
from django.test import Client
from django.utils import timezone

from builds.imaging.bases.model import Base
from builds.imaging.bases.probe import Probe
from builds.models import BaseImage, Image
from environments.models import Role
from tests.builds.scenarios import browser_of, image_for, person, save_text

pytestmark = pytest.mark.django_db

LIST = "/w/lab/images/"
DAY = datetime.timedelta(days=1)


@pytest.fixture
def reader() -> Client:
    return browser_of(person("rita", lab=Role.READER))


def built(name: str, text: str, **changes: object) -> Image:
    image = image_for(save_text(text, name=name))
    Image.objects.filter(pk=image.pk).update(**changes)
    image.refresh_from_db()
    return image


def page(client: Client, address: str = "") -> str:
    response = client.get(LIST + address)
    assert response.status_code == 200
    return str(response.content.decode())


def shown(client: Client, address: str) -> list[str]:
    """Return the environments whose images are listed, in the order of the list."""
    return re.findall(r'<a class="name clip-all" href="[^"]+">([^<:]+):1</a>', page(client, address))


def test_images_are_found_and_sorted(reader: Client) -> None:
    now = timezone.now()
    small = built(
        "small", "six==1\n", size=1, built_at=now - DAY, used_at=now, base="docker.io/library/ubuntu:22.04"
    )
    built("large", "six==2\n", size=9, built_at=now, used_at=now - 40 * DAY)
    assert shown(reader, "") == ["large", "small"]
    assert shown(reader, "?sort=size") == shown(reader, "?sort=-used") == ["small", "large"]
    assert (
        shown(reader, "?sort=-size")
        == shown(reader, "?sort=used")
        == shown(reader, "?sort=x")
        == ["large", "small"]
    )
    for query in ("SMA", small.hash[:8], small.digest, small.digest[7:20], "base:Ubuntu"):
        assert shown(reader, f"?q={query}") == ["small"], query
    assert shown(reader, "?only=unused") == ["large"]
    assert shown(reader, "?only=current&q=large") == ["large"]
    assert "No matching images" in page(reader, "?only=replaced")
    assert "No matching images" in page(reader, "?q=%00<script>")


def test_a_moved_base_is_shown_only_if_the_base_floats(reader: Client) -> None:
    for name, floating, digest in (("moved", True, "b"), ("same", True, "a"), ("fixed", False, "b")):
        built(
            name,
            f"six=={ord(name[0])}\n",
            base=f"docker.io/library/{name}:latest",
            base_digest="a",
            floating=floating,
        )
        BaseImage.objects.create(
            reference=f"docker.io/library/{name}:latest", digest=digest, checked_at=timezone.now()
        )
    own = built("dockerfile", "six==0\n", base="a Dockerfile", base_digest="a", floating=True)
    BaseImage.objects.create(reference=f"Dockerfile {own.hash}", digest="b", checked_at=timezone.now())
    assert page(reader).count("Base image updated</span>") == 2
    assert set(shown(reader, "?only=moved")) == {"moved", "dockerfile"}


def test_shared_layers_and_the_age_of_the_base_are_shown(reader: Client) -> None:
    built("old", "six==1\n", base_created_at=timezone.now() - 100 * DAY)
    assert "shared</span>" not in page(reader)
    built("new", "six==2\n")
    text = page(reader)
    assert text.count("1 shared") == 2
    assert "28 MB" in text
    assert "3\N{NO-BREAK SPACE}months old" in text


@pytest.mark.parametrize(
    ("created", "year"),
    [
        ("2024-05-01T10:11:12.123456789Z", 2024),
        ("1970-01-01T00:00:00Z", None),  # reproducible: without a clock
        ("0001-01-01T00:00:00Z", None),
        ("2024-05-01T10:11:12", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_a_base_says_when_it_was_made_or_nothing(created: str | None, year: int | None) -> None:
    config = {"created": created} if created else {}
    base = Base("ubuntu", "sha256:0", (), (), config, Probe())
    assert (base.created_at.year if base.created_at else None) == year
