"""The settings tab *Azure SDK* shows commands and code that work as printed, in a terminal of a member with the unmodified SDKs."""

from __future__ import annotations

import html
import os
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.azure.clients import NotInstalled, install
from tests.services.servers.preloaded import run_preloaded
from tests.services.studio import Studio
from tests.studio.https.signing_in import sign_in

pytestmark = pytest.mark.slow
PROGRAM = (
    "from django.contrib.auth.models import User\n"
    "from environments.models import Scope\n"
    "from environments.workspaces.tokens import create_token\n"
    "print('token:', create_token(User.objects.get(username='admin'), 'sdk', Scope.WRITE)[1])"
)


@pytest.fixture(scope="module")
def python() -> Path:
    try:
        return install()
    except NotInstalled as problem:
        pytest.skip(f"The Azure ML SDKs cannot be installed: {problem}")


@pytest.fixture(scope="module")
def project(secure_studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A member's folder with what the page offers: the page itself, config.json, the authority, and a token."""
    folder = tmp_path_factory.mktemp("project")
    with httpx.Client(base_url=secure_studio.url, trust_env=False, timeout=30) as browser:
        sign_in(secure_studio, browser)
        page = browser.get("/w/default/settings/?tab=azure")
        assert page.status_code == 200
        (folder / "page.html").write_text(page.text)
        files = {"config.json": ".azureml/config.json", "authority.pem": "studio-authority.pem"}
        for url, name in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(browser.get(f"/w/default/settings/azure/{url}").content)
    done = run_preloaded(["manage.py", "shell", "--command", PROGRAM], env=secure_studio.environment())
    (folder / "token").write_text(done.stdout.partition("token: ")[2].split()[0])
    return folder


def printed(project: Path, key: str) -> str:
    page = (project / "page.html").read_text()
    match = re.search(rf'<pre class="snippet" id="{key}"[^>]*><code>(.*?)</code>', page, re.DOTALL)
    assert match, page
    return html.unescape(match[1])


def run(project: Path, python: Path, sdk: str, code: str) -> str:
    """Run the code in a terminal in which the printed variables are set, the token among them."""
    (project / "main.py").write_text(code)
    token = (project / "token").read_text()
    variables = printed(project, f"{sdk}-variables").replace("STUDIO_TOKEN=…", f"STUDIO_TOKEN={token}")
    environment = {"PATH": os.environ["PATH"], "HOME": str(project), "NO_PROXY": "*"}
    environment["AZURE_CONFIG_DIR"] = str(project / "azure")
    argv = ["bash", "-eu", "-c", f"{variables}\nexec {python} main.py"]
    done = subprocess.run(argv, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_sdk_v2_lists_the_workspace(project: Path, python: Path) -> None:
    assert "base" in run(project, python, "sdk-v2", printed(project, "sdk-v2-python"))


def test_sdk_v1_lists_the_workspace(project: Path, python: Path) -> None:
    assert "base" in run(project, python, "sdk-v1", printed(project, "sdk-v1-python"))


def test_sdk_v2_uploads_a_build_context_over_the_studios_own_https(project: Path, python: Path) -> None:
    (project / "context").mkdir()
    (project / "context" / "Dockerfile").write_text("FROM localhost/base:1\nCOPY big /big\n")
    (project / "context" / "big").write_bytes(b"x" * 5_000_000)
    code = (
        "from azure.ai.ml.entities import BuildContext, Environment\n"
        "context = Environment(name='uploaded', build=BuildContext(path='context'))\n"
        "print(ml_client.environments.create_or_update(context).build.path)\n"
    )
    shown = run(project, python, "sdk-v2", printed(project, "sdk-v2-python") + code)
    assert "https://localhost:" in shown
