"""Obstacles of a build are reported while the definition is written, and nothing waits for them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from environments.definition import Finding, read
from environments.definition.findings.misnamed import IMPORT_NAMES
from environments.models import Role, Workspace
from studio.defining import completion
from studio.defining.early import early_findings, early_findings_within
from studio.defining.early.background import MOST_PENDING, Background
from studio.defining.early.channels import channel_names
from studio.defining.early.packages import likely
from tests.builds.imaging.serving import Answer, Server
from tests.builds.scenarios import browser_of, person, workspace_named
from tests.studio.defining.definitions import BUILDING, FAILING, PACKAGES, PREDICTING

pytestmark = pytest.mark.django_db

LONG = 20.0
CONDA_PACKAGES = ("python", "numpy", "pandas", "pip", "r-base", "yaml", "scikit-learn")
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": "sha256:" + "0" * 64,
            "size": 2,
        },
        "layers": [],
    }
).encode()


def index_answer(request: BaseHTTPRequestHandler) -> Answer:
    name = request.path.strip("/").rpartition("/")[2]
    if name not in PACKAGES:
        return 404, {}, b"not found"
    return 200, {"Content-Type": completion.JSON_LISTING}, json.dumps({"versions": PACKAGES[name]}).encode()


def registry_answer(request: BaseHTTPRequestHandler) -> Answer:
    if request.path in ("/v2/team/base/manifests/1", "/v2/library/python/manifests/3.12-slim"):
        return 200, {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}, MANIFEST
    if request.path.startswith("/v2/private/"):
        return 401, {"WWW-Authenticate": 'Basic realm="x"'}, b""
    return 404, {}, b"{}"


def channel_answer(request: BaseHTTPRequestHandler) -> Answer:
    if not request.path.endswith("/linux-64/repodata.json") and not request.path.endswith(
        "/noarch/repodata.json"
    ):
        return 404, {}, b""
    records = {f"{name}-1.0-0.conda": {"name": name, "version": "1.0"} for name in CONDA_PACKAGES}
    return 200, {}, json.dumps({"packages.conda": records}).encode()


@pytest.fixture(scope="module")
def index() -> Iterator[Server]:
    with Server(index_answer).running() as server:
        yield server


@pytest.fixture(scope="module")
def registry() -> Iterator[Server]:
    with Server(registry_answer).running() as server:
        yield server


@pytest.fixture(scope="module")
def channel() -> Iterator[Server]:
    with Server(channel_answer).running() as server:
        yield server


@pytest.fixture(autouse=True)
def studio(settings: Settings, index: Server, channel: Server, registry: Server) -> None:
    cache.clear()
    channel_names.forget()
    settings.EARLY_CHECKS = True
    settings.CHANNEL_MIRRORS = {"conda-forge": channel.url}
    settings.REGISTRY_MIRRORS = {"docker.io": registry.address}
    settings.INDEX_URL = f"{index.url}/simple"
    settings.DOCKER_HOST = "tcp://127.0.0.1:1"  # where nothing listens


@pytest.fixture
def lab() -> Workspace:
    return workspace_named("lab")


def early(text: str, name: str, lab: Workspace) -> list[Finding]:
    known = early_findings_within(LONG, read(text, name), lab)
    assert not known.pending
    return list(known.reading.findings)


def filled(text: str, registry: Server) -> str:
    return text.replace("{registry}", registry.address).replace("{nowhere}", "127.0.0.1:1")


def is_warned(findings: list[Finding]) -> bool:
    return any(finding.severity == "error" or finding.code in PREDICTING for finding in findings)


def test_of_definitions_that_surely_fail_nearly_all_are_warned_about(
    lab: Workspace, registry: Server
) -> None:
    assert len(FAILING) == 30
    silent = [
        case
        for case, (name, text) in FAILING.items()
        if not is_warned(early(filled(text, registry), name, lab))
    ]
    assert silent == ["a conflict"]


@pytest.mark.parametrize("case", BUILDING)
def test_a_definition_that_builds_has_no_such_warning(case: str, lab: Workspace, registry: Server) -> None:
    name, text = BUILDING[case]
    findings = early(filled(text, registry), name, lab)
    assert [finding for finding in findings if is_warned([finding])] == []


def test_nothing_is_waited_for(lab: Workspace) -> None:
    start = time.monotonic()
    first = early_findings(read("pandsa\n", "requirements.txt"), lab)
    assert time.monotonic() - start < 1
    assert first.pending
    assert [finding.code for finding in first.reading.findings] == ["base-assumed", "unpinned-package"]


def test_a_misspelt_package_has_what_is_meant(lab: Workspace) -> None:
    (finding,) = [
        each for each in early("pandsa==1.0\n", "requirements.txt", lab) if each.code == "package-unknown"
    ]
    assert (finding.line, finding.message) == (1, "Package “pandsa” was not found. Did you mean “pandas”?")
    assert [likely(name) for name in ("sklearn", "cv2", "yaml", "jwt", "reqests", "zzzz")] == [
        "scikit-learn",
        "opencv-python",
        "pyyaml",
        "pyjwt",
        "requests",
        "",
    ]
    assert set(IMPORT_NAMES) == {"pip", "conda"}


def test_a_version_that_is_not_there_has_the_newest_that_is(lab: Workspace) -> None:
    (finding,) = [
        each for each in early("numpy==2.1.9\n", "requirements.txt", lab) if each.code == "version-unknown"
    ]
    assert finding.message == "numpy has no version 2.1.9. The newest is 2.1.3."


def test_an_index_that_does_not_answer_says_nothing(lab: Workspace, settings: Settings) -> None:
    settings.INDEX_URL = "http://127.0.0.1:1/simple"
    assert {finding.code for finding in early("pandsa==1.0\n", "requirements.txt", lab)} == {"base-assumed"}


def test_the_bases_of_a_dockerfile_are_looked_up(lab: Workspace, registry: Server) -> None:
    text = (
        "ARG TAG=2\nFROM python:3.12-slim AS build\nFROM {registry}/team/base:$TAG\n"
        "COPY --from=build /a /b\nFROM build\nFROM {registry}/team/base:$UNKNOWN\nFROM scratch\n"
    ).replace("{registry}", registry.address)
    findings = early(text, "Dockerfile", lab)
    assert [(each.line, each.value("image")) for each in findings if each.code == "base-unknown"] == [
        (3, f"{registry.address}/team/base:2")
    ]
    assert not [each for each in findings if each.code in ("base-unreachable", "base-refused")]


def test_an_unknown_package_of_conda_has_what_is_meant(lab: Workspace) -> None:
    text = "channels: [conda-forge]\ndependencies:\n  - numpy\n  - pandsa=2\n  - conda-forge::zzzz\n"
    unknown = [each for each in early(text, "environment.yml", lab) if each.code == "package-unknown"]
    assert [(each.line, each.message) for each in unknown] == [
        (4, "Package “pandsa” was not found. Did you mean “pandas”?"),
        (5, "Package “zzzz” was not found."),
    ]
    assert unknown[0].help == "Correct the name, or add the channel that has it."


@pytest.mark.parametrize("other", ["http://127.0.0.1:1/none", "file:///srv/channel", "https://user:word@x/c"])
def test_a_package_that_an_unreadable_channel_may_have_is_not_reported(other: str, lab: Workspace) -> None:
    text = f"channels: [conda-forge, '{other}']\ndependencies: [pandsa]\n"
    assert "package-unknown" not in [each.code for each in early(text, "environment.yml", lab)]


def test_a_private_image_is_requested_with_no_other_workspaces_password(
    lab: Workspace, registry: Server
) -> None:
    findings = early(f"image: {registry.address}/private/base:1\n", "environment.yaml", lab)
    (finding,) = [each for each in findings if each.code == "base-refused"]
    assert registry.address in finding.message
    assert all("authorization" not in headers for _, headers in registry.requests)


def test_a_reader_starts_no_lookup(registry: Server, index: Server) -> None:
    index.requests.clear()
    registry.requests.clear()
    reader = browser_of(person("rita", lab=Role.READER))
    for text in ("pandsa==1.0\n", f"image: {registry.address}/team/nothing:1\n"):
        assert reader.post("/w/lab/check", {"text": text}).status_code == 200
    time.sleep(0.3)
    assert index.requests == registry.requests == []


def test_hostile_definitions_start_a_bounded_number_of_lookups(lab: Workspace, index: Server) -> None:
    index.requests.clear()
    text = "".join(f"package-{n}==1\n" for n in range(5000))
    early_findings_within(LONG, read(text, "requirements.txt"), lab)
    assert len(index.requests) <= 60


def test_no_more_lookups_wait_than_are_answered_soon() -> None:
    background = Background("test", threads=1)

    def slow() -> tuple[Any, float]:
        time.sleep(0.05)
        return 1, 1.0

    begun = [background.answer(f"key-{n}", slow)[1] for n in range(MOST_PENDING + 50)]
    assert begun.count(True) <= MOST_PENDING + 5
    background._threads.shutdown(cancel_futures=True)


def test_the_page_shows_them_and_looks_again(lab: Workspace) -> None:
    ann = browser_of(person("ann", lab=Role.CONTRIBUTOR))
    page = ann.post("/w/lab/check", {"text": "pandsa==1.0\n"}).content.decode()
    assert 'id="looking-up"' in page
    early("pandsa==1.0\n", "requirements.txt", lab)
    page = ann.post("/w/lab/check", {"text": "pandsa==1.0\n"}).content.decode()
    assert 'id="looking-up"' not in page
    assert "Did you mean “pandas”?" in page
    assert 'value="package-unknown:1:1"' in page
    for tries in ("9", "-1", "99999999", "x", "²"):
        assert ann.post("/w/lab/check", {"text": "other-name==1\n", "tries": tries}).status_code == 200


def test_the_api_looks_up_for_contributors_of_the_workspace(client: Client, lab: Workspace) -> None:
    ann, rita = browser_of(person("ann", lab=Role.CONTRIBUTOR)), browser_of(person("rita", lab=Role.READER))

    def check(who: Client, **sent: Any) -> Any:
        return who.post("/api/v1/findings/", json.dumps(sent), content_type="application/json")

    early("pandsa==1.0\n", "requirements.txt", lab)
    answer = check(ann, text="pandsa==1.0\n", workspace="lab").json()
    (finding,) = [each for each in answer["findings"] if each["code"] == "package-unknown"]
    assert finding["fix"]["edits"] == [
        {"line": 1, "column": 1, "end_line": 1, "end_column": 7, "text": "pandas"}
    ]
    assert answer["pending"] is False
    assert check(rita, text="pandsa==1.0\n", workspace="lab").status_code == 403
    assert check(ann, text="pandsa==1.0\n", workspace="elsewhere").status_code == 404
    without = check(rita, text="numpy=1.0\n", filename="requirements.txt").json()
    assert without["fixed"] == "numpy==1.0\n"
