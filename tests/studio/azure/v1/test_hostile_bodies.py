"""Bodies of any shape are answered, never with an error of the studio's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from environments.models import Role
from tests.builds.scenarios import person, save_text
from tests.examples import examples
from tests.studio.azure.v1.bodies import body
from tests.studio.azure.v1.calling import LAB, PREFIX, V2, SdkCaller

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("on_postgresql")]
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["host", "python:3.12", "FROM x\n", "${IFS}", "\0", "\ud800", "../x", "{{x}}", "https://u:p@x/"]
    ),
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
PATHS = [(section, key) for section, part in body().items() if isinstance(part, dict) for key in part] + [
    (section, "") for section in body()
]


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PATHS), value=VALUES)
def test_a_definition_with_anything_in_it_is_saved_or_refused(path: tuple[str, str], value: Any) -> None:
    cache.clear()
    section, key = path
    sent = body()
    if key:
        sent[section][key] = value
    else:
        sent[section] = value
    with transaction.atomic():
        sdk = SdkCaller(person("olga", lab=Role.CONTRIBUTOR))
        status, answer = sdk("PUT", "forecast", json.dumps(sent).encode())
        assert status in (200, 400), answer
        if status == 200:
            assert sdk("GET", "forecast/versions/1")[0] == 200
            assert sdk("GET", "forecast/image")[0] == 200
            assert sdk("POST", "forecast/recipe", {})[0] == 200
            assert sdk("GET", "")[0] == 200
        transaction.set_rollback(True)


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES)
def test_any_body_of_labels_builds_and_recipes_is_answered(value: Any) -> None:
    cache.clear()
    with transaction.atomic():
        sdk = SdkCaller(person("olga", lab=Role.CONTRIBUTOR))
        save_text("numpy==2.1.3")
        version = f"{LAB}/forecast/versions/1"
        for sent in (value, {"Labels": value}, {"platform": value, "useDocker": value}):
            content = json.dumps(sent).encode()
            assert sdk("PUT", f"{version}/metadata", content)[0] in (200, 400)
            assert sdk("POST", f"{version}/recipe", content)[0] in (200, 400)
            assert sdk("POST", f"{V2}/lab/environments/forecast/image", content)[0] in (202, 400)
        transaction.set_rollback(True)


V2_PATHS = [
    "image",
    "condaFile",
    "build",
    "osType",
    "inferenceConfig",
    "description",
    "tags",
    "properties",
    "",
]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(V2_PATHS), value=VALUES)
def test_a_version_of_sdk_v2_with_anything_in_it_is_saved_or_refused(path: str, value: Any) -> None:
    cache.clear()
    sent: Any = {"properties": {"image": "python:3.12"}}
    if path:
        sent["properties"][path] = value
    else:
        sent["properties"] = value
    url = f"{PREFIX}/lab/environments/forecast"
    with transaction.atomic():
        sdk = SdkCaller(person("olga", lab=Role.CONTRIBUTOR))
        status, answer = sdk("PUT", f"{url}/versions/1", json.dumps(sent).encode())
        assert status in (201, 400), answer
        if status == 201:
            assert sdk("GET", f"{url}/versions/1")[1] == answer
            assert sdk("PUT", f"{url}/versions/1", {"properties": answer["properties"]})[0] == 200
            assert sdk("GET", url)[0] == 200
        transaction.set_rollback(True)
