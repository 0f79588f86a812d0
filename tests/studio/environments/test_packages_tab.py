"""The packages of an image: why each is there, filter, sort, a map of sizes, and what can be downloaded."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client
from hypothesis import example, given
from hypothesis import strategies as st

from builds.images.dependency_paths import reasons, sizes_by_root
from builds.imaging.lock import Lock, LockedPackage
from builds.models import Image
from environments.models import Role
from studio.packages.treemap import treemap
from tests.builds.scenarios import browser_of, person, queue_build, save_text, succeed_build
from tests.studio.environments.test_search_by_content import locked
from tests.studio.html import collapsed

TAB = "/w/lab/environments/forecast/?tab=packages"
PACKAGES = (
    locked("pandas", "2.2.3", requested=True, size=13_000_000),
    locked("python-dateutil", "2.9.0", needed_by=("pandas", "matplotlib"), size=229_000),
    locked("six", "1.16.0", needed_by=("python-dateutil",), size=11_000),
    locked("matplotlib", "3.9", requested=True, size=8_000_000),
    locked("ring-a", "1", needed_by=("ring-b",)),
    locked("ring-b", "1", needed_by=("ring-a",)),
)


@pytest.fixture
def reader(db: None) -> Client:
    image = succeed_build(queue_build(save_text("pandas\nmatplotlib\n")))
    hold(image, PACKAGES)
    return browser_of(person("rita", lab=Role.READER))


def hold(image: Image, packages: tuple[LockedPackage, ...]) -> None:
    Image.objects.filter(pk=image.pk).update(lock=Lock(packages=packages).model_dump(mode="json"))


def names(client: Client, more: str = "") -> list[str]:
    return [package.name for package, _ in client.get(f"{TAB}{more}").context["rows"]]


def test_the_dependency_path_is_shown_and_a_cycle_ends_it() -> None:
    lock = Lock(packages=PACKAGES)
    ways = reasons(lock)
    assert ways["six"] == ("matplotlib", "python-dateutil", "six")
    assert ways["pandas"] == ("pandas",)
    assert "ring-a" not in ways
    assert sizes_by_root(lock, ways) == {"pandas": 13_000_000, "matplotlib": 8_240_000}


def test_the_page_tells_why_and_how_much(reader: Client) -> None:
    page = reader.get(TAB).content.decode()
    assert "<title>pandas: 13 MB</title>" in page
    assert "<strong>pandas</strong> brings in 13 MB, including dependencies." in collapsed(page)
    assert page.count('class="treemap ') == 2
    assert page.index('id="package-name"') < page.index('class="treemap ') < page.index("<table")
    assert ' style="' not in page.partition("<main")[2]


def test_a_chain_ends_with_the_dependant_and_not_with_the_package_itself(reader: Client) -> None:
    page = collapsed(reader.get(f"{TAB}&q=six").content.decode())
    row = page.split(">six</a>")[1].split("</tr>")[0]
    assert re.findall(r"<span>([a-z-]+)</span>", row)[:3] == ["pypi", "matplotlib", "python-dateutil"]
    assert "<span>six</span>" not in row
    assert 'href="/w/lab/packages/six/"' in page
    assert "2 dependants" in reader.get(f"{TAB}&q=dateutil").content.decode()


def test_the_map_filters_the_table_and_two_packages_have_none(reader: Client) -> None:
    page = html.unescape(reader.get(TAB).content.decode())
    assert 'href="?tab=packages&q=pandas"' in page
    hold(Image.objects.get(), PACKAGES[:2])
    assert "treemap-wide" not in reader.get(TAB).content.decode()


def test_packages_are_filtered_and_sorted_by_the_address(reader: Client) -> None:
    assert names(reader)[:2] == ["matplotlib", "pandas"]
    assert names(reader, "&sort=-size")[0] == "pandas"
    assert names(reader, "&sort=size")[0] == "six"
    assert names(reader, "&q=DATE") == ["python-dateutil"]
    assert names(reader, "&sort=nonsense&q=nothing") == []
    assert "No package has" in reader.get(f"{TAB}&q=<b>").content.decode()


def test_what_is_exact_can_be_installed_elsewhere(reader: Client) -> None:
    address = "/w/lab/environments/forecast/versions/1/lock/requirements"
    response = reader.get(address)
    assert response.content.decode().splitlines()[:2] == ["matplotlib==3.9", "pandas==2.2.3"]
    hold(Image.objects.get(), (locked("zlib", "1.3", ecosystem="conda"),))
    assert reader.get(address).status_code == 404
    assert "lock/requirements" not in reader.get(TAB).content.decode()


def test_a_name_that_is_markup_is_text(reader: Client) -> None:
    hold(Image.objects.get(), (*PACKAGES, locked("<script>alert(1)</script>", "1", size=90_000_000)))
    assert "<script>alert" not in reader.get(TAB).content.decode()


@given(st.lists(st.integers(0, 10**9), max_size=70))
@example([10**18, 1])
@example([10**12, *[1] * 69])
def test_areas_of_the_map_are_as_big_as_their_sizes_and_inside(sizes: list[int]) -> None:
    areas = treemap([(str(number), size, "") for number, size in enumerate(sizes)], 1000, 400)
    assert sorted(area.size for area in areas) == sorted(size for size in sizes if size)
    for area in areas:
        assert -0.2 <= area.x <= area.x + area.width <= 1000.3
        assert -0.2 <= area.y <= area.y + area.height <= 400.3
    total = sum(sizes)
    biggest = max(areas, key=lambda area: area.size, default=None)
    if biggest is not None:
        assert biggest.width * biggest.height == pytest.approx(biggest.size / total * 400_000, rel=0.05)
