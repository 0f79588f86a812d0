"""The character NUL, which PostgreSQL holds in no text, is refused in each text and name that the SDKs send."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache

from environments.models import Role, UploadedBlob, Version
from tests.builds.scenarios import person, save_text
from tests.studio.azure.blobs.test_views import UPLOAD, Sender
from tests.studio.azure.v1.bodies import body
from tests.studio.azure.v1.calling import LAB, PREFIX, SdkCaller

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("either_database")]
LAB_V2 = f"{PREFIX}/lab/environments"
V2 = {
    "image": "python:3.12",
    "condaFile": "dependencies: [python=3.12]",
    "build": {"contextUri": "https://example.com/x", "dockerfilePath": "Dockerfile"},
    "osType": "Linux",
    "inferenceConfig": {"scoringRoute": {"port": 1, "path": "/"}},
    "description": "text",
    "tags": {"team": "nlp"},
    "properties": {"a": "b"},
}


def with_nul(value: Any) -> Iterator[Any]:
    """Yield a value with a NUL in each of its texts and names in turn."""
    if isinstance(value, str):
        yield f"{value}\0"
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            for changed in with_nul(inner):
                yield [*value[:number], changed, *value[number + 1 :]]
    elif isinstance(value, dict):
        for name, inner in value.items():
            rest = {key: item for key, item in value.items() if key != name}
            yield {**copy.deepcopy(rest), f"{name}\0": inner}
            for changed in with_nul(inner):
                yield {**copy.deepcopy(value), name: changed}


@pytest.mark.parametrize(
    ("method", "url", "sent"),
    [
        ("PUT", f"{LAB}/forecast", body()),
        ("PUT", f"{LAB}/forecast/versions/1/metadata", {"Labels": ["prod"]}),
        ("POST", f"{LAB}/forecast/recipe", {"platform": "Linux"}),
        ("PUT", f"{LAB_V2}/forecast/versions/2", {"properties": V2}),
        ("PUT", f"{LAB_V2}/forecast", {"properties": {"description": "x"}}),
        ("POST", f"{PREFIX}/lab/datastores/workspaceblobstore/listSecrets", {"x": "y"}),
    ],
)
def test_nul_anywhere_is_refused_with_the_reason(method: str, url: str, sent: dict[str, Any]) -> None:
    cache.clear()
    olga = SdkCaller(person("olga", lab=Role.OWNER))
    save_text("numpy==2.1.3")
    before = Version.objects.count()
    for changed in with_nul(sent):
        status, answer = olga(method, url, changed)
        assert status == 400, changed
        assert "the character NUL" in answer["error"]["message"], changed
    assert Version.objects.count() == before


def test_a_text_of_backslashes_is_no_nul() -> None:
    olga = SdkCaller(person("olga", lab=Role.OWNER))
    sent = {"properties": {"image": "python:3.12", "description": "\\u0000 is written so"}}
    assert olga("PUT", f"{LAB_V2}/forecast/versions/1", sent)[0] == 201
    assert olga("GET", f"{LAB_V2}/forecast/versions/1")[1]["properties"]["description"].startswith("\\u0000")


def test_nul_in_a_query_a_path_or_a_file_name_is_no_error_of_the_studio() -> None:
    ann = Sender()
    caller = SdkCaller(ann.user)
    save_text("numpy==2.1.3")
    for url in (
        "?$skipToken=a%00",
        "?listViewType=All%00&$top=1",
        "?$orderBy=%00",
        "/a%00b",
        "/forecast/versions/1%00",
    ):
        assert caller("GET", LAB_V2 + url)[0] in (200, 400, 404), url
    for url in ("/?continuation=%00", "/forecast/labels/a%00", "/forecast/versions/%00"):
        assert caller("GET", LAB + url)[0] in (200, 400, 404), url
    assert ann.put(f"{UPLOAD}/a\0b") == (400, "InvalidResourceName")
    assert ann.put(f"{UPLOAD}/a", query="comp=block&blockid=%00&") == (400, "InvalidResourceName")
    assert ann.put(f"{UPLOAD}/a", x_ms_meta_a="\0") in ((201, ""), (400, "InvalidMetadata"))
    assert set(UploadedBlob.objects.values_list("name", flat=True)) <= {f"{UPLOAD}/a"}
    assert json.dumps(list(UploadedBlob.objects.values_list("metadata", flat=True))).count("u0000") == 0
