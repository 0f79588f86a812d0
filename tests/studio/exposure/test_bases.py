"""The packages that a base brings are exposed as such, once, and lead to the rebase: on pages, in the API, in commands."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from builds.advisories.base_parts import set_contents
from builds.advisories.bases import missing_contents, save_contents
from builds.exposure.base_fixes import anchor_of, rebase_command
from builds.exposure.of_image import vulnerabilities_of
from builds.exposure.overview import advisories_in
from builds.exposure.promise import promise_and_late
from builds.exposure.search import search
from builds.images.copying import copy_image
from builds.imaging.bases.distributions import Installed
from builds.imaging.bases.probing import Distribution
from builds.models import BaseContents, BasePackage, Image, Package
from environments.models import Role
from tests.builds.advisories.records import record
from tests.builds.scenarios import browser_of, main_of, person, workspace_named
from tests.studio.exposure.making import JINJA, built, known, package

pytestmark = pytest.mark.django_db

SITE = "/usr/local/lib/python3.11/site-packages"
INNER = "/opt/env/lib/python3.11/site-packages"
BASE = "docker.io/library/python:3.11 <b>"
FLASK = package("flask", "2.0")


def installed(
    name: str = "jinja2", version: str = "3.0", folder: str = SITE, ecosystem: str = "pypi"
) -> Installed:
    return Installed(ecosystem, name, version, folder)


def brings(image: Image, *packages: Installed, **more: Any) -> None:
    """Have the base of an image bring these, beside a package of Debian."""
    save_contents(image.base_digest, [Distribution("debian:12", (("bash", "5.2-2"),), packages)], **more)


def exposed(name: str = "CVE-2026-1111", **more: Any) -> Any:
    result = search(name, scope=None, **more)
    assert result is not None
    return result


def test_every_answer_counts_the_python_packages_of_bases_and_says_so(tmp_path: Path) -> None:
    known(tmp_path)
    _, image = built(FLASK, base=BASE)
    brings(image, installed())
    ann = person("ann", lab=Role.OWNER)
    page = main_of(browser_of(ann).get("/w/lab/exposed/CVE-2026-1111/").content.decode())
    assert "in the base image" in page
    assert f'/w/lab/bases/#{anchor_of(BASE)}"' in page
    assert "python:3.11 &lt;b&gt;" in page
    answer = browser_of(ann).get("/api/v1/exposed/CVE-2026-1111/").json()
    (row,) = answer["images"][0]["packages"]
    assert (row["name"], row["ecosystem"], row["of_base"], row["direct"]) == ("jinja2", "pypi", True, False)
    assert row["rebase"] == f"python manage.py rebase '{BASE}' --workspace lab --dry-run"
    out = io.StringIO()
    call_command("exposed", "CVE-2026-1111", stdout=out)
    assert "jinja2 3.0 (in the base), fixed in 3.1" in out.getvalue()
    assert f"To rebase it: {row['rebase']}" in out.getvalue()
    (listed,) = advisories_in(None)[0]
    assert (listed.images, listed.packages) == (1, ["jinja2"])
    assert vulnerabilities_of(Image.objects.get()).exposure.counts == {"critical": 1}
    assert len(promise_and_late()[1]) == 1
    for address in ("/w/lab/environments/?q=vulnerability:critical", "/w/lab/environments/forecast/"):
        assert "forecast" in main_of(browser_of(ann).get(address).content.decode())
    assert f'id="{anchor_of(BASE)}"' in browser_of(ann).get("/w/lab/bases/").content.decode()


def test_what_a_dockerfile_made_has_no_rebase(tmp_path: Path) -> None:
    known(tmp_path)
    _, image = built(FLASK, base="Dockerfile (FROM debian)")
    brings(image, installed())
    main = main_of(
        browser_of(person("ann", lab=Role.OWNER)).get("/w/lab/exposed/CVE-2026-1111/").content.decode()
    )
    assert "in the base image" in main
    assert "/w/lab/bases/#" not in main
    assert rebase_command("Dockerfile (FROM debian)", "lab") == ""


def test_an_image_with_a_package_beside_that_of_its_base_counts_once(tmp_path: Path) -> None:
    known(tmp_path)
    _, image = built(package("jinja2", "2.0"))
    built(package("jinja2", "2.0"), name="other", base_digest="sha256:other")
    brings(image, installed())
    (row,) = advisories_in(None)[0]
    assert row.images == 2
    (hit,) = [row for row in exposed().images if row.image == image]
    assert [(p.version, p.of_base) for p in hit.packages] == [("2.0", False), ("3.0", True)]


@pytest.mark.parametrize(
    ("own", "more", "left"),
    [
        ((FLASK,), {}, ["3.0"]),  # in the folder, and nothing replaces it
        ((package("jinja2", "3.1"),), {}, []),
        ((package("jinja2", "2.9"),), {}, ["2.9"]),
        ((package("jinja2", "3.1"),), {"python": "3.12.1"}, ["3.0"]),  # another folder
        ((FLASK,), {"hides": True}, []),
        ((), {"hides": True}, ["3.0"]),  # nothing was put on the base
        (
            (package("py-jinja", "9", ecosystem="conda", kind="conda", distributions=("Jinja2==3.1",)),),
            {},
            [],
        ),
    ],
)
@pytest.mark.parametrize("known_first", [True, False])
def test_what_an_environment_hides_or_replaces_does_not_count(
    tmp_path: Path, own: tuple[Any, ...], more: dict[str, Any], left: list[str], known_first: bool
) -> None:
    known(tmp_path)
    hides, python = more.get("hides", False), more.get("python", "3.11.2")
    held = [installed(folder=INNER), installed("wheel", "0.1")]
    if known_first:
        save_contents("sha256:studio", [Distribution("", (), tuple(held))], hides=hides)
    _, image = built(*own, python=python, base_digest="sha256:studio")
    if not known_first:
        save_contents("sha256:studio", [Distribution("", (), tuple(held))], hides=hides)
    image.refresh_from_db()
    shown = [package.version for row in exposed().images for package in row.packages] if left else []
    assert shown == left
    stays = BasePackage.objects.filter(base_digest=image.base_contents, package__name="wheel")
    assert stays.exists()  # it is elsewhere
    if not left:
        assert exposed().images == []
        assert vulnerabilities_of(image).exposure.counts == {}
        assert promise_and_late()[1] == []
        assert copy_image(image, workspace_named("other")).base_contents == image.base_contents


def test_images_that_replace_the_same_share_the_rows(tmp_path: Path) -> None:
    known(tmp_path)
    save_contents("sha256:studio", [Distribution("", (), (installed(folder=INNER), installed("wheel", "1")))])
    for number in range(3):
        built(package("jinja2", "3.1"), name=f"e{number}", python="3.11.1", base_digest="sha256:studio")
    assert Image.objects.values("base_contents").distinct().count() == 1
    assert BasePackage.objects.count() == 3
    image = Image.objects.all()[0]
    image.lock = None
    set_contents([image])
    assert image.base_contents == "sha256:studio"


def test_a_base_that_was_read_for_its_distribution_alone_is_read_again(tmp_path: Path) -> None:
    known(tmp_path)
    _, image = built(FLASK)
    brings(image)
    BaseContents.objects.update(format=1)
    assert missing_contents([image.base_digest]) == {image.base_digest}
    brings(image, installed(), installed("certifi", "1.0", "/opt/conda/conda-meta", "conda"))
    assert missing_contents([image.base_digest]) == set()
    assert len(exposed().images) == 1
    assert set(Package.objects.filter(base_rows__isnull=False).values_list("ecosystem", flat=True)) == {
        "conda",
        "debian",
        "pypi",
    }


def test_a_package_that_is_known_already_is_matched_as_what_it_is(tmp_path: Path) -> None:
    known(
        tmp_path, JINJA, record("CVE-2026-2", "jinja2", ecosystem="Debian:12", events=[{"introduced": "0"}])
    )
    built(package("jinja2", "3.0"), name="own")
    _, image = built(FLASK, name="based", base_digest="sha256:b")
    brings(image, installed())
    assert Package.objects.filter(name="jinja2").count() == 1
    assert {row.image.digest for row in exposed().images} == set(
        Image.objects.values_list("digest", flat=True)
    )
    assert exposed("CVE-2026-2").images == []


def test_members_learn_nothing_of_the_bases_of_other_workspaces(tmp_path: Path) -> None:
    known(tmp_path, record("CVE-2026-3333", "secret-lib"))
    built(FLASK)
    _, image = built(FLASK, name="concealed", workspace="other", base_digest="sha256:other")
    brings(image, installed("secret-lib", "1.0"))
    ann = browser_of(person("ann", lab=Role.READER))
    assert "secret" not in ann.get("/w/lab/exposed/?in=all").content.decode()
    assert ann.get("/w/lab/exposed/secret-lib/").status_code == 404
    assert ann.get("/api/v1/exposed/secret-lib/").status_code == 404
    assert "concealed" not in ann.get("/w/lab/exposed/CVE-2026-3333/").content.decode()


def test_many_bases_take_as_many_queries_as_one(tmp_path: Path, django_assert_max_num_queries: Any) -> None:
    known(tmp_path)
    for number in range(5):
        _, image = built(FLASK, package("jinja2", "2.0"), name=f"e{number}", base_digest=f"sha256:{number}")
        brings(image, installed(), installed("wheel", "0.1"))
    ann = browser_of(person("ann", lab=Role.READER))
    with django_assert_max_num_queries(38):
        assert ann.get("/w/lab/exposed/CVE-2026-1111/").status_code == 200
    with django_assert_max_num_queries(26):
        assert ann.get("/w/lab/exposed/").status_code == 200
    assert json.dumps(ann.get("/api/v1/exposed/CVE-2026-1111/").json()).count('"of_base": true') == 5
