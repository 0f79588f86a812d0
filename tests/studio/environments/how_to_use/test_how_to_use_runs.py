"""The snippets of *Use it* run as they are printed on the page, each with the program that it is for."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.azure.clients import NotInstalled, install
from tests.services.fixtures import running
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.preloaded import run_preloaded
from tests.services.studio import Studio
from tests.studio.environments.how_to_use.terminal import typed
from tests.studio.management.commands import Desk

pytestmark = pytest.mark.slow
NASTY = """it's "50 %" of $HOME \\ ü"""
BUILT = {
    "name": "printed",
    "environmentVariables": {"GREETING": NASTY},
    "docker": {"baseImage": "host"},
    "python": {"condaDependencies": {"dependencies": [{"pip": ["six==1.17.0"]}]}},
}
DEFINED = "image: docker.io/library/python:3.11\nconda_file: {dependencies: [pip, {pip: [six]}]}\n"
TOKEN = (
    "from django.contrib.auth.models import User\n"
    "from environments.models import Scope\n"
    "from environments.workspaces.tokens import create_token\n"
    "print('token:', create_token(User.objects.get(username='admin'), 'printed', Scope.WRITE)[1])"
)
CHECK = "import os, six; print(six.__version__, os.environ['GREETING'])"
RESULT = f"1.17.0 {NASTY}"


@dataclass(frozen=True)
class Printed:
    """The snippets on the pages of two versions: with an image, and without."""

    built: dict[str, str]
    defined: dict[str, str]
    notes: str
    token: str


def snippets_of(browser: httpx.Client, path: str) -> tuple[dict[str, str], str]:
    """Return the snippets of a version's page by their keys, and all their notes."""
    first = browser.get(path).text
    texts, notes = {}, ""
    for key in re.findall(r'id="way-([\w-]+)"', first):
        page = browser.get(path, params={"use": key}).text
        match = re.search(r'<pre class="snippet" id="snippet"[^>]*><code>(.*?)</code>', page, re.DOTALL)
        assert match, page
        texts[key] = html.unescape(match[1])
        notes += html.unescape(page.partition('id="snippet"')[2].partition("</section>")[0])
    return texts, notes


@pytest.fixture(scope="module")
def studio_that_prints(run_folder: Path, stock: Path) -> Iterator[Studio]:
    yield from running(Studio(run_folder / "studio-that-prints", {}, stock))


@pytest.fixture(scope="module")
def printed(studio_that_prints: Studio) -> Printed:
    studio = studio_that_prints
    desk = Desk(studio.var.parent, studio.environment())
    done = desk.build(json.dumps(BUILT), name="environment.json")
    assert done.code == 0, done.stderr
    made = run_preloaded(["manage.py", "shell", "--command", TOKEN], env=studio.environment())
    token = made.stdout.partition("token: ")[2].split()[0]
    with httpx.Client(base_url=studio.url, trust_env=False, timeout=60) as browser:
        browser.get(studio.login_url)
        browser.post(studio.login_url, data={"csrfmiddlewaretoken": browser.cookies["studio_csrf"]})
        # Members alone may pull: the printed commands sign in first.
        form = {"csrfmiddlewaretoken": browser.cookies["studio_csrf"]}
        assert browser.post("/w/default/settings/pull", data=form).status_code == 302
        answer = browser.post(
            "/api/v1/workspaces/default/environments/defined/versions/",
            json={"text": DEFINED, "file_name": "environment.yaml"},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 201, answer.text
        built, notes = snippets_of(browser, "/w/default/environments/printed/versions/1/")
        defined, _notes = snippets_of(browser, "/w/default/environments/defined/versions/1/")
    return Printed(built, defined, notes, token)


@pytest.fixture
def reader(tmp_path: Path, printed: Printed, docker_engine: DockerEngine) -> Iterator[dict[str, str]]:
    """The environment of a reader's terminal, in an empty home; images that it pulls go at the end."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    # The machine's own way to an index
    network = {name: value for name, value in os.environ.items() if name.startswith(("SSL_CERT_", "UV_"))}
    network |= {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    yield {
        **network,
        "PATH": path,
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "NO_PROXY": "localhost,127.0.0.1",
        "DOCKER_HOST": docker_engine.host,
        "DOCKER_BUILDKIT": "0",
        "STUDIO_TOKEN": printed.token,
    }
    docker_engine.client.containers.prune()
    docker_engine.client.images.prune({"dangling": False})


def password(printed: Printed) -> tuple[str, str]:
    return "assword:", printed.token


def image_in(text: str, studio: Studio) -> str:
    match = re.search(rf"localhost:{studio.port}/\S+:1\S*", text)
    assert match, text
    return match[0]


TERMINAL = {"docker-run", "pull", "cli", "uv"}


def test_every_command_is_one_that_bash_reads(printed: Printed) -> None:
    assert printed.built.keys() >= {
        *TERMINAL,
        "dev-container",
        "dockerfile",
        "kubernetes",
        "sdk-v1",
        "sdk-v2",
    }
    commands = [printed.built[key] for key in TERMINAL] + [printed.defined["cli"]]
    for command in commands:
        done = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), command


def test_docker_signs_in_and_pulls(
    printed: Printed,
    reader: dict[str, str],
    tmp_path: Path,
    docker_command: Path,
    docker_engine: DockerEngine,
    studio_that_prints: Studio,
) -> None:
    shown = typed(printed.built["pull"], tmp_path, reader, [password(printed)])
    assert "Login Succeeded" in shown
    assert docker_engine.client.images.get(image_in(printed.built["pull"], studio_that_prints))


def test_docker_runs_python_in_the_readers_folder_with_the_variables(
    printed: Printed, reader: dict[str, str], tmp_path: Path, docker_command: Path
) -> None:
    (tmp_path / "mine.py").write_text(CHECK)
    replies = [password(printed), (">>> ", "import mine"), (">>> ", "exit()")]
    assert RESULT in typed(printed.built["docker-run"], tmp_path, reader, replies)


def test_docker_builds_the_dockerfile_and_its_image_runs(
    printed: Printed, reader: dict[str, str], tmp_path: Path, docker_command: Path
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Dockerfile").write_text(printed.built["dockerfile"])
    (folder / "main.py").write_text(CHECK)
    login = printed.built["pull"].splitlines()[0]
    command = f"{login}\ndocker build --quiet --tag mine .\ndocker run --rm mine\n"
    assert RESULT in typed(command, folder, reader, [password(printed)])


def test_the_dev_container_starts_with_its_variables_and_has_its_interpreter(
    printed: Printed, reader: dict[str, str], tmp_path: Path, docker_command: Path
) -> None:
    container = json.loads(printed.built["dev-container"])
    # https://containers.dev/implementors/json_reference/
    assert container.keys() <= {"name", "image", "runArgs", "containerEnv", "customizations"}
    interpreter = container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    (tmp_path / "mine.py").write_text(CHECK)
    variables = [part for pair in container["containerEnv"].items() for part in ("--env", "=".join(pair))]
    mount = ["--volume", f"{tmp_path}:/mine:ro"]
    run = ["docker", "run", "--rm", *container.get("runArgs", []), *variables, *mount, container["image"]]
    login = printed.built["pull"].splitlines()[0]
    command = f"{login}\n{shlex.join([*run, interpreter, '/mine/mine.py'])}"
    assert RESULT in typed(command, tmp_path, reader, [password(printed)])


def test_kubectl_reads_the_job_and_makes_the_secret_that_its_note_names(
    printed: Printed, reader: dict[str, str], tmp_path: Path
) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on this machine.")
    (tmp_path / "job.yaml").write_text(printed.built["kubernetes"])
    # Without a cluster: a label is put on the job in memory.
    job = json.loads(typed("kubectl label --local -f job.yaml checked=yes -o json", tmp_path, reader))
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "GREETING", "value": NASTY}]
    command = re.search(r'kubectl create secret [^\n<]*"\$STUDIO_TOKEN"', printed.notes)
    assert command, printed.notes
    secret = json.loads(typed(f"{command[0]} --dry-run=client -o json", tmp_path, reader))
    (pull_secret,) = job["spec"]["template"]["spec"]["imagePullSecrets"]
    assert secret["metadata"]["name"] == pull_secret["name"]


def test_uv_installs_the_same_packages_without_a_container(
    printed: Printed, reader: dict[str, str], tmp_path: Path
) -> None:
    typed(printed.built["uv"], tmp_path, reader)
    argv = [str(tmp_path / ".venv" / "bin" / "python"), "-c", "import six; print(six.__version__)"]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "1.17.0\n"


@pytest.fixture(scope="module")
def azure_python() -> Path:
    try:
        return install()
    except NotInstalled as problem:
        pytest.skip(f"The Azure ML SDKs cannot be installed: {problem}")


@pytest.mark.parametrize(
    ("key", "image"),
    [
        ("sdk-v2", "environment.image"),
        ("sdk-v1", "environment.docker.base_image_registry.address + '/' + environment.docker.base_image"),
    ],
)
def test_the_sdks_make_an_environment_of_the_image(
    printed: Printed, azure_python: Path, tmp_path: Path, studio_that_prints: Studio, key: str, image: str
) -> None:
    code = f"{printed.built[key]}\nprint({image})\n"
    done = run_python(azure_python, code, tmp_path)
    assert done == f"{image_in(printed.built['pull'], studio_that_prints)}\n"


def test_sdk_v2_loads_the_definition_that_curl_downloads(
    printed: Printed, reader: dict[str, str], azure_python: Path, tmp_path: Path
) -> None:
    download, separator, create = printed.defined["cli"].partition("az ml environment create")
    assert separator
    assert create == " --file environment.yaml\n"
    typed(download, tmp_path, reader)
    done = run_python(azure_python, f"{printed.defined['sdk-v2']}\nprint(environment.image)\n", tmp_path)
    assert done == "docker.io/library/python:3.11\n"


def run_python(python: Path, code: str, folder: Path) -> str:
    (folder / "main.py").write_text(code)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    argv = [str(python), "main.py"]
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
