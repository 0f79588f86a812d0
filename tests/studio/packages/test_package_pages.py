"""The page of a package and the list of packages: who has it, latest and older, built and requested; nothing of others."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from pytest_django.fixtures import DjangoAssertNumQueries

from environments.models import Role
from studio.defining import completion
from studio.packages import about
from tests.builds.scenarios import browser_of, main_of, person, save_text
from tests.studio.environments.test_search_by_content import built, locked

PAGE = "/w/lab/packages/"
METADATA = b"""\
Metadata-Version: 2.1
Name: numpy
Version: 2.4.0
Summary: Arrays <b>for</b> Python
License-Expression: BSD-3-Clause
Project-URL: Homepage, https://numpy.example
Project-URL: Tracker, javascript:alert(1)

A long text.
"""


@pytest.fixture
def rita(db: None, settings: Settings) -> Client:
    settings.INDEX_URL = "http://127.0.0.1:9/simple"  # nothing listens there
    cache.clear()
    return browser_of(person("rita", lab=Role.READER))


@pytest.fixture
def index(settings: Settings) -> Iterator[Callable[[str, bytes], str]]:
    """An index to which answers are added by path; it returns its URL."""
    answers: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/simple"

    def add(path: str, body: bytes) -> str:
        answers[path] = body
        return url

    yield add
    server.shutdown()


def text_of(browser: Client, url: str) -> str:
    response = browser.get(url)
    assert response.status_code == 200
    return html.unescape(main_of(response.content.decode()))


def test_the_page_names_each_version_and_the_environments_that_have_it(rita: Client) -> None:
    built("churn", locked("numpy", "1.24.0", requested=True), locked("six", "1.16"), text="numpy==1.24.0\n")
    built("churn", locked("numpy", "2.1.3", requested=True), text="numpy==2.1.3\n")
    built(
        "nlp",
        locked("numpy", "1.24.0", size=18_000_000),
        locked("torch", "2.3.0", needed_by=()),
        text="torch\n",
    )
    save_text("numpy>=1.20,<2\n", name="waiting")
    built("theirs", locked("numpy", "0.9"), workspace="other")
    page = rita.get(f"{PAGE}numpy/")
    rows = {held.text: held for held, _ in page.context["built"]}
    assert list(rows) == ["2.1.3", "1.24.0"]  # the newest first
    assert {holder.environment for holder in rows["1.24.0"].holders.values()} == {"churn", "nlp"}
    assert [held.text for held in page.context["unbuilt"]] == ["<2,>=1.20"]
    text = text_of(rita, f"{PAGE}numpy/")
    assert "3 environments in Lab and the catalogue" in text
    assert 'href="/w/lab/environments/churn/versions/1/"' in text
    assert "18 MB" in text
    assert "theirs" not in text
    assert "0.9" not in text


def test_versions_are_narrowed_by_a_constraint_and_a_wrong_constraint_is_explained(rita: Client) -> None:
    built("old", locked("numpy", "1.24.0"))
    built("new", locked("numpy", "2.1.3"))
    save_text("numpy==1.20\n", name="waiting")

    def versions(query: str) -> list[str]:
        context = rita.get(f"{PAGE}numpy/", {"q": query}).context
        return [held.text for held, _ in context["built"]] + [held.text for held in context["unbuilt"]]

    assert versions("<2") == ["1.24.0", "==1.20"]
    assert versions(">=1.24, <2.2") == ["2.1.3", "1.24.0"]
    assert versions("2.1.3") == ["2.1.3"]
    assert "is no version" in text_of(rita, f"{PAGE}numpy/?q=<abc") or "isn't" in text_of(
        rita, f"{PAGE}numpy/?q=<abc"
    )
    assert rita.get(PAGE, {"q": "numpy<2"})["Location"] == f"{PAGE}numpy/?q=%3C2"


def test_dependants_and_dependencies_come_from_the_locks(rita: Client) -> None:
    built(
        "one",
        locked("pandas", "2"),
        locked("numpy", "1", needed_by=("pandas", "Scikit_Learn")),
        locked("scikit-learn", "1"),
    )
    numpy = rita.get(f"{PAGE}numpy/").context
    assert (numpy["dependants"], numpy["dependencies"]) == (["pandas", "scikit-learn"], [])
    assert rita.get(f"{PAGE}pandas/").context["dependencies"] == ["numpy"]


def test_conda_packages_and_the_interpreter_have_pages(rita: Client) -> None:
    built("conda", locked("openssl", "1.1.1w", ecosystem="conda", channel="conda-forge"))
    built("odd", locked("zlib", "1.3", ecosystem="conda", channel="https://evil.example/x"))
    assert "https://anaconda.org/conda-forge/openssl" in text_of(rita, f"{PAGE}openssl/")
    assert "evil.example" not in text_of(rita, f"{PAGE}zlib/")
    assert "Python interpreter" in text_of(rita, f"{PAGE}python/")


def test_names_are_normalised_and_the_page_of_an_absent_package_says_so(rita: Client) -> None:
    assert rita.get(f"{PAGE}Scikit_Learn/")["Location"] == f"{PAGE}scikit-learn/"
    assert "No built version has this package." in text_of(rita, f"{PAGE}nothing/")
    for name in ("<script>alert(1)<", '"', "%22%3E", "x" * 3_000, "__"):
        response = rita.get(f"{PAGE}{name}/", follow=True)
        assert response.status_code == 200
        assert "<script>alert" not in response.content.decode()


def test_strangers_see_no_package(rita: Client) -> None:
    stranger = browser_of(person("stan", other=Role.OWNER))
    assert stranger.get(PAGE).status_code == 404
    assert stranger.get(f"{PAGE}numpy/").status_code == 404
    assert browser_of(None).get(PAGE).status_code == 302


def test_the_list_counts_images_versions_and_requests(
    rita: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    built("one", locked("numpy", "1.24.0"), locked("six", "1.16"))
    built("two", locked("numpy", "2.1.3"))
    save_text("numpy\nshap==0.46\n", name="waiting")
    built("theirs", locked("secret", "1"), workspace="other")
    rows = {row.name: row for row in rita.get(PAGE).context["page"]}
    assert (rows["numpy"].images, rows["numpy"].versions, rows["numpy"].unbuilt) == (2, 2, 1)
    assert (rows["shap"].images, rows["shap"].unbuilt) == (0, 1)
    assert "secret" not in rows
    assert [row.name for row in rita.get(PAGE, {"q": "SHA"}).context["page"]] == ["shap"]
    assert "No version here has or requests" in text_of(rita, f"{PAGE}?q=<b>")
    with CaptureQueriesContext(connection) as few:
        rita.get(PAGE)
    for number in range(5):
        built(f"more-{number}", locked(f"package-{number}", "1"))
    with django_assert_num_queries(len(few)):
        rita.get(PAGE)


def test_summary_and_licence_come_from_the_indexs_metadata(
    rita: Client, index: Callable[[str, bytes], str], settings: Settings
) -> None:
    files = [
        {"filename": "numpy-1.24.0-py3-none-any.whl", "url": "old.whl", "core-metadata": True},
        {"filename": "numpy-2.4.0-py3-none-any.whl", "url": "numpy.whl", "core-metadata": {"sha256": "0"}},
        {"filename": "numpy-2.5.0.tar.gz", "url": "x.tar.gz"},
        {"filename": "nonsense", "url": "y", "core-metadata": True},
    ]
    index("/simple/numpy/numpy.whl.metadata", METADATA)
    url = index("/simple/numpy/", json.dumps({"files": files}).encode())
    details = about.fetch_details(url, "numpy")
    assert details == {
        "summary": "Arrays <b>for</b> Python",
        "licence": "BSD-3-Clause",
        "home": "https://numpy.example",
    }
    settings.INDEX_URL = url
    cache.set(about._cache_key("numpy"), details)
    cache.set(completion.cache_key("numpy"), completion.Listing(["2.4.0", "1.24.0"], completion.LISTED))
    built("old", locked("numpy", "1.24.0"))
    content = rita.get(f"{PAGE}numpy/").content.decode()
    assert "Arrays &lt;b&gt;for&lt;/b&gt; Python" in content
    assert "outdated" in content
    assert "2.4.0" in content


@pytest.mark.parametrize(
    "listing",
    [
        b"",
        b"[]",
        b"{}",
        b'{"files": [1]}',
        b'{"files": [{"filename": "a-1-py3-none-any.whl", "core-metadata": 1}]}',
        b"[" * 100_000,
    ],
)
def test_an_index_that_answers_nonsense_breaks_nothing(
    index: Callable[[str, bytes], str], listing: bytes
) -> None:
    url = index("/simple/numpy/", listing)
    with suppress(*about.UNREADABLE):  # what the background task expects
        assert about.fetch_details(url, "numpy") == {}


def test_long_metadata_is_cut_and_odd_addresses_are_left_out() -> None:
    text = (
        b"Summary: " + b"s" * 5_000 + b"\nLicense: " + b"L" * 5_000 + b"\nHome-page: javascript:alert(1)\n\n"
    )
    details = about.read_metadata(text)
    assert len(details["summary"]) == about.LONGEST
    assert (details["licence"], details["home"]) == ("", "")
    classified = about.read_metadata(b"Classifier: License :: OSI Approved :: MIT License\n\n")
    assert classified["licence"] == "MIT License"
