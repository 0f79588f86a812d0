"""The settings tab *Azure SDK*: variables, files and code for members, and for nobody else."""

from __future__ import annotations

import ast
import html
import json
import re
import subprocess
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from environments.models import Role
from studio.https.authority import ensure_certificate
from tests.builds.scenarios import browser_of, person, workspace_named

pytestmark = pytest.mark.django_db
PAGE = "/w/lab/settings/?tab=azure"


@pytest.fixture
def own_https(settings: Settings, tmp_path: Path) -> Path:
    """A studio as `manage.py run --https` starts it; the authority's certificate."""
    settings.VAR, settings.SERVES_HTTPS, settings.HTTPS_PORT = tmp_path, True, 8443
    settings.PUBLIC_URL = settings.CERTIFICATE = ""
    return ensure_certificate(tmp_path / "https", ["localhost"]).authority


def member(role: Role = Role.READER) -> Client:
    mia = User.objects.filter(username="mia").first()
    return browser_of(mia or person("mia", lab=role))


def snippet(client: Client, key: str, **more: object) -> str:
    page = client.get(PAGE, **more).content.decode()  # type: ignore[arg-type]
    match = re.search(rf'<pre class="snippet" id="{key}"[^>]*><code>(.*?)</code>', page, re.DOTALL)
    assert match, page
    return html.unescape(match[1])


def test_a_reader_gets_config_json_with_which_both_sdks_know_the_workspace() -> None:
    answer = member().get("/w/lab/settings/azure/config.json")
    assert answer["Content-Disposition"] == 'attachment; filename="config.json"'
    content = json.loads(answer.content)
    assert set(content) == {"subscription_id", "resource_group", "workspace_name"}
    assert content["workspace_name"] == "lab"
    assert html.escape(answer.content.decode().splitlines()[1]) in member().get(PAGE).content.decode()


@pytest.mark.parametrize(
    "path", [PAGE, "/w/lab/settings/azure/config.json", "/w/lab/settings/azure/authority.pem"]
)
def test_strangers_learn_nothing(own_https: Path, path: str) -> None:
    workspace_named("lab")
    assert browser_of(person("stranger", other=Role.OWNER)).get(path).status_code == 404
    assert Client().get(path).status_code == 302


def test_the_authority_is_sent_without_its_key(own_https: Path) -> None:
    answer = member().get("/w/lab/settings/azure/authority.pem")
    assert answer.content == own_https.read_bytes()
    assert b"PRIVATE" not in answer.content


def test_without_an_authority_of_its_own_there_is_no_file_and_no_variable_to_trust_it(
    own_https: Path, settings: Settings
) -> None:
    client = member()
    assert "REQUESTS_CA_BUNDLE=studio-authority.pem" in snippet(client, "sdk-v2-variables")
    for name, value in (
        ("CERTIFICATE", "/own.pem"),
        ("PUBLIC_URL", "https://ml.example"),
        ("SERVES_HTTPS", False),
    ):
        before = getattr(settings, name)
        setattr(settings, name, value)
        assert client.get("/w/lab/settings/azure/authority.pem")["Location"] == PAGE
        assert "REQUESTS_CA_BUNDLE" not in snippet(client, "sdk-v2-variables")
        setattr(settings, name, before)


def test_the_code_names_https_even_on_a_page_that_came_over_http(own_https: Path) -> None:
    assert "https://testserver:8443" in snippet(member(), "sdk-v2-python")
    assert "AZUREML_DEV_URL_MFE=https://testserver:8443\n" in snippet(member(), "sdk-v2-variables")
    assert "ARM_CLOUD_METADATA_URL=https://testserver:8443/metadata/endpoints\n" in snippet(
        member(), "sdk-v1-variables"
    )


def test_the_public_url_is_what_members_send_to(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://ml.example"
    assert "AZUREML_DEV_URL_MFE=https://ml.example\n" in snippet(member(), "sdk-v2-variables")
    assert 'authority="https://ml.example"' in snippet(member(), "sdk-v1-python")


def test_a_studio_without_https_says_that_the_sdks_need_it(own_https: Path, settings: Settings) -> None:
    client = member()
    assert "make run HTTPS=1" not in client.get(PAGE).content.decode()
    settings.SERVES_HTTPS = False
    assert "make run HTTPS=1" in client.get(PAGE).content.decode()
    assert "make run HTTPS=1" not in client.get(PAGE, secure=True).content.decode()


@pytest.mark.parametrize("sdk", ["sdk-v1", "sdk-v2"])
def test_the_snippets_are_valid(own_https: Path, sdk: str) -> None:
    client = member()
    ast.parse(snippet(client, f"{sdk}-python"))
    variables = snippet(client, f"{sdk}-variables")
    subprocess.run(["bash", "-eu", "-c", f"{variables}\n: $STUDIO_TOKEN $SSL_CERT_FILE"], check=True)


def test_a_hostile_host_gets_nothing_into_the_snippets(own_https: Path) -> None:
    headers = {"HTTP_X_FORWARDED_HOST": "evil.example", "HTTP_X_FORWARDED_PORT": "1'\";$(reboot)"}
    assert "evil" not in snippet(member(), "sdk-v2-python", **headers)
    assert member().get(PAGE, HTTP_HOST="evil.example';$(reboot)").status_code == 400
