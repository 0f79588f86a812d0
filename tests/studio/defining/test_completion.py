"""Names and versions that complete while somebody types: from what they may see, and from a real index."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from builds.models import Image, ImagePackage, Package
from environments.definition import read
from environments.models import Role
from environments.versions.service import save_reading
from studio.defining import completion
from tests.builds.imaging.serving import Answer, Server
from tests.builds.scenarios import browser_of, person, queue_build, save_text, succeed_build, workspace_named

pytestmark = pytest.mark.django_db

SOON = 10


@pytest.fixture(autouse=True)
def _nothing_heard_before() -> None:
    cache.clear()


@pytest.fixture
def reader() -> Client:
    return browser_of(person("rita", lab=Role.READER))


def answer_to(client: Client, **query: str) -> Any:
    response = client.get("/w/lab/complete", query)
    assert response.status_code == 200
    return response.json()


def image_with(workspace: str, *packages: tuple[str, str, str]) -> Image:
    """Build an image that holds these (ecosystem, name, version)."""
    name = f"holds-{'-'.join(package[1] for package in packages)}"
    image = succeed_build(queue_build(save_text(f"{packages[0][1]}==1\n", name=name, workspace=workspace)))
    for ecosystem, package, version in packages:
        row, _ = Package.objects.get_or_create(ecosystem=ecosystem, name=package, version=version)
        ImagePackage.objects.create(image=image, package=row)
    return image


class Listing:
    """An index that lists one project; it answers when it is let."""

    def __init__(self) -> None:
        self.server = Server(self._answer)
        self.begin()

    def begin(self) -> None:
        """Be as new, for the next test."""
        self.given = as_json(versions=["1.9.0", "1.10.0", "2.0rc1", "not-a-version"])
        self.go = threading.Event()
        self.requested = threading.Event()
        self.server.requests.clear()

    def _answer(self, request: BaseHTTPRequestHandler) -> Answer:
        self.requested.set()
        self.go.wait(SOON)
        status, headers, body = self.given
        return status, dict(headers), body


def as_json(**body: object) -> Answer:
    return 200, {"Content-Type": completion.JSON_LISTING}, json.dumps(body).encode()


@pytest.fixture(scope="module")
def one_index() -> Iterator[Listing]:
    listing = Listing()
    with listing.server.running():
        yield listing


@pytest.fixture
def index(one_index: Listing, settings: Settings) -> Iterator[Listing]:
    one_index.begin()
    settings.INDEX_URL = f"{one_index.server.url}/simple"
    yield one_index
    one_index.go.set()


def heard(name: str) -> None:
    """Wait until the background has heard of a package."""
    # The executor runs what it is given in order: what comes after both its threads' work comes after ours.
    done = threading.Barrier(3)
    for _ in range(2):
        completion.index._threads.submit(done.wait, SOON)
    done.wait(SOON)


def test_nobody_waits_for_the_index_and_its_answer_is_there_next_time(reader: Client, index: Listing) -> None:
    image_with("lab", ("pypi", "special", "1.5"))
    assert answer_to(reader, kind="pypi", name="special") == {"options": ["1.5"], "more": True}
    assert index.requested.wait(SOON)
    assert answer_to(reader, kind="pypi", name="Special")["more"]  # still, and it is not asked twice
    index.go.set()
    heard("special")
    expected = ["1.10.0", "1.9.0", "1.5", "2.0rc1", "not-a-version"]
    assert answer_to(reader, kind="pypi", name="special") == {"options": expected, "more": False}
    assert [path for path, _ in index.server.requests] == ["/simple/special/"]


def test_an_index_that_fails_says_nothing_and_is_left_alone_for_a_while(
    reader: Client, index: Listing
) -> None:
    index.given = (500, {}, b"")
    index.go.set()
    assert answer_to(reader, kind="pypi", name="special")["more"]
    heard("special")
    for _ in range(3):
        assert answer_to(reader, kind="pypi", name="special") == {"options": [], "more": False}
    assert len(index.server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "versions"),
    [
        (as_json(files=[{"filename": "special-1.0-py3-none-any.whl"}, {"filename": "special-1.1.tar.gz"}]), ["1.1", "1.0"]),
        ((200, {"Content-Type": "text/html"}, b'<a href="x">special-1.0-py3-none-any.whl</a> <a>special.exe</a>'), ["1.0"]),
        ((200, {"Content-Type": "text/html"}, b"""<A data-requires-python=">=3.8,!=3.9" data-x='>' href=x>\n"""
          b"special-1!1.0-py3-none-any.whl </a\n><a>special-2&#46;0.tar.gz</a>"), ["1!1.0", "2.0"]),
        ((404, {}, b""), []),
        ((200, {"Content-Type": completion.JSON_LISTING}, b"[]"), []),
        ((200, {"Content-Type": completion.JSON_LISTING}, b'{"files": [1]}'), []),
        ((200, {"Content-Type": completion.JSON_LISTING}, b'{"files": 1}'), []),
        ((200, {"Content-Type": completion.JSON_LISTING}, b'{"versions": ' + b"[" * 200_000), []),
        ((200, {"Content-Type": completion.JSON_LISTING}, b'{"versions": ['), []),
        ((200, {"Content-Type": "text/html"}, b"\xff\xfe<a"), []),
    ],
)  # fmt: skip
def test_an_index_may_answer_in_any_way_that_indexes_do(
    reader: Client, index: Listing, answer: Answer, versions: list[str]
) -> None:
    index.given = answer
    index.go.set()
    answer_to(reader, kind="pypi", name="special")
    heard("special")
    assert answer_to(reader, kind="pypi", name="special") == {"options": versions, "more": False}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", ["<a ", '<a "', "<a x='", "<a>", "<a>b"])
def test_a_hostile_page_is_read_in_linear_time(reader: Client, index: Listing, text: str) -> None:
    """A pattern that looks for the end of each tag takes minutes for this, and no other thread runs meanwhile."""
    index.given = 200, {"Content-Type": "text/html"}, text.encode() * 400_000
    index.go.set()
    answer_to(reader, kind="pypi", name="special")
    heard("special")
    assert answer_to(reader, kind="pypi", name="special") == {"options": [], "more": False}


def test_an_index_that_goes_on_too_long_says_nothing(
    reader: Client, index: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "DEADLINE_SECONDS", -1)
    index.go.set()
    answer_to(reader, kind="pypi", name="special")
    heard("special")
    assert answer_to(reader, kind="pypi", name="special") == {"options": [], "more": False}


def test_names_are_those_of_images_one_may_see_and_well_known_ones(reader: Client) -> None:
    image_with("lab", ("pypi", "numpy-of-ours", "1"), ("conda", "numpy-of-conda", "1"))
    image_with("curated", ("pypi", "numpy-of-all", "1"))
    image_with("other", ("pypi", "numpy-secret", "1"))
    options = answer_to(reader, kind="pypi", q="NumPy")["options"]
    assert options[:2] == ["numpy", "numpy-of-all"]
    assert "numpy-of-ours" in options
    assert "numpy-of-conda" not in options
    assert "numpy-secret" not in options
    assert "numpy-of-conda" in answer_to(reader, kind="conda", q="numpy")["options"]
    assert "scikit-learn" in answer_to(reader, kind="pypi", q="scikit_l")["options"]  # as PyPI spells it


def test_versions_of_invisible_images_are_not_offered(reader: Client) -> None:
    image_with("other", ("conda", "secret", "6.6.6"))
    assert answer_to(reader, kind="conda", name="secret") == {"options": [], "more": False}


def test_bases_are_the_ready_ones_and_those_in_use_here(reader: Client) -> None:
    for workspace, base in (("lab", "registry.example/slim-ours:7"), ("other", "registry.example/slim:1")):
        text = f"image: {base}\n"
        save_reading(workspace_named(workspace), "on-a-base", read(text), source=text)
    options = answer_to(reader, kind="base", q="SLIM")["options"]
    assert options[0].startswith("docker.io/library/python:3.12")
    assert options[-1] == "registry.example/slim-ours:7"
    assert "registry.example/slim:1" not in options
    assert answer_to(reader, kind="base", q="nothing-has-this") == {"options": [], "more": False}


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"kind": "pypi"},
        {"kind": "npm", "q": "left"},
        {"kind": "pypi", "name": "../../simple"},
        {"kind": "pypi", "name": "a\0b c"},
        {"kind": "pypi", "name": "x" * 5000},
        {"kind": "pypi", "q": "%_"},
    ],
)
def test_what_is_no_package_has_no_completion_and_asks_nobody(
    reader: Client, index: Listing, query: dict[str, str]
) -> None:
    assert answer_to(reader, **query) == {"options": [], "more": False}
    assert not index.server.requests
