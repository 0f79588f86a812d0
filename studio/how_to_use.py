"""How a version is used elsewhere: texts to copy, each right for this version and this studio's address."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.urls import reverse
from django.utils.translation import gettext as _

from builds.exports import formats_for
from builds.images.lock import Lock
from builds.models import Image
from environments.definition.model import HOST
from environments.definition.secrets import masked
from environments.models import Version
from environments.texts import written

NEAR = ("localhost", "127.0.0.1", "::1")  # from where engines pull over plain HTTP without being told
SIGNED = '--header "Authorization: Bearer $STUDIO_TOKEN"'


@dataclass(frozen=True)
class Snippet:
    """One way to use a version: where its text goes, the text, and what to know about it."""

    key: str
    title: str
    place: str  # a file's name, or where it is typed
    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Way:
    """A version as others reach it: by its image where it has one, else by its definition."""

    version: Version
    image: Image | None
    address: str  # of this studio: https://studio.example.com
    user: str

    @property
    def host(self) -> str:
        """The studio as engines name it."""
        return self.address.partition("://")[2]

    @property
    def pulled(self) -> str:
        """The image's name as an engine takes it."""
        assert self.image is not None  # noqa: S101
        return self.image.pushed_to or f"{self.host}/{self.image.name}"

    @property
    def name(self) -> str:
        """A name that Azure ML takes: the prefix of curated ones is reserved there, too."""
        return self.version.environment.shown_name

    @property
    def python(self) -> str:
        """The interpreter: found by its name, but in images that somebody made by themselves."""
        managed = self.version.definition.python.user_managed
        return (self.image.interpreter if self.image and managed else "") or "python"

    @property
    def variables(self) -> dict[str, str]:
        """What is set when a container starts, and is no part of the image (rule 3). Secrets are left out."""
        found = sorted(self.version.definition.variables.items())
        return {name: value for name, value in found if masked(value) == value and value.isprintable()}

    @property
    def left_out(self) -> list[str]:
        """The variables whose values are not shown."""
        return sorted(self.version.definition.variables.keys() - self.variables.keys())

    def api(self, part: str, format: str) -> str:
        """Return the address of this version's definition or lock."""
        place = self.version.environment.workspace.name
        path = reverse("version", args=[place, self.version.environment.name, self.version.version])
        path = path.replace(f"/w/{place}/", f"/api/v1/workspaces/{place}/", 1)
        return f"{self.address}{path}{part}/?as={format}"


def snippets(version: Version, image: Image | None, address: str, user: str) -> list[Snippet]:
    """Return every way to use a version: by its image, or, as long as it has none, by its definition."""
    way = Way(version, image, address.rstrip("/"), user)
    return [*_of_image(way), *_local(way, image)] if image else [*_of_definition(way)]


def _of_image(way: Way) -> Iterator[Snippet]:
    variables, missing = way.variables, _missing(way)
    options = [*way.version.definition.run.arguments]
    if way.version.definition.run.shm_size:
        options.append(f"--shm-size={way.version.definition.run.shm_size}")
    if way.version.definition.platform != "linux/amd64":
        options.append(f"--platform={way.version.definition.platform}")
    given = [word for one in variables.items() for word in ("--env", "=".join(one))]
    given += [word for name in way.left_out for word in ("--env", name)]
    command = shlex.join(["docker", "run", "--rm", "-it", *options, *given, way.pulled, way.python])
    yield Snippet(
        "docker-run", "docker run", _("In a terminal"), f"{_login(way)}{command}\n", (*_access(way), *missing)
    )
    digest = _("The digest stays this one: a rebuild changes nothing here.")
    yield Snippet("dockerfile", "FROM", "Dockerfile", _dockerfile(way), (digest, *_access(way), *missing))
    yield Snippet(
        "dev-container",
        _("Dev container"),
        ".devcontainer/devcontainer.json",
        _dev_container(way, options),
        missing,
    )
    yield Snippet("sdk-v2", "SDK v2", "Python, azure-ai-ml", _sdk_v2(way), (_reach(), *missing))
    yield Snippet("sdk-v1", "SDK v1", "Python, azureml-core", _sdk_v1(way), (_reach(), *missing))
    create = ["az", "ml", "environment", "create", "--name", way.name, "--version", way.version.version]
    words = shlex.join([*create, "--image", way.pulled])
    yield Snippet("cli", "CLI", _("In a terminal, with Azure's “ml” extension"), f"{words}\n", (_reach(),))


def _login(way: Way) -> str:
    """Return how to sign in first, where not everybody may pull."""
    if way.image is None or way.image.pushed_to or way.image.workspace.anonymous_pull:
        return ""
    return shlex.join(["docker", "login", "--username", way.user, way.host]) + "\n"


def _access(way: Way) -> list[str]:
    notes = [_("The password is an access token: Your account → Access tokens.")] if _login(way) else []
    host = urlsplit(way.address).hostname or ""
    if way.image and not way.image.pushed_to and way.address.startswith("http://") and host not in NEAR:
        notes.append(
            _("This studio speaks plain HTTP: name %(host)s in the engine's “insecure-registries” first.")
            % {"host": way.host}
        )
    return notes


def _missing(way: Way) -> tuple[str, ...]:
    if not way.left_out:
        return ()
    return (_("Set yourself, because their values are not shown: %s") % ", ".join(way.left_out),)


def _reach() -> str:
    return _("Where it runs, this studio's address (or the workspace's registry) must be reached.")


def _dockerfile(way: Way) -> str:
    assert way.image is not None  # noqa: S101
    lines = [f"FROM {way.pulled}@{way.image.digest}"]
    # Quoted as JSON it is, but a Dockerfile would put a variable in the place of $NAME.
    lines += [
        f"ENV {name}={json.dumps(value, ensure_ascii=False).replace('$', chr(92) + '$')}"
        for name, value in way.variables.items()
    ]
    lines += ["WORKDIR /app", "COPY . .", f"CMD {json.dumps([way.python, 'main.py'])}"]
    return "\n".join(lines) + "\n"


def _dev_container(way: Way, options: list[str]) -> str:
    assert way.image is not None  # noqa: S101
    told: dict[str, object] = {"name": str(way.version), "image": way.pulled}
    if options:
        told["runArgs"] = options
    if way.variables:
        told["containerEnv"] = way.variables
    editor: dict[str, object] = {"extensions": ["ms-python.python"]}
    if way.image.interpreter:
        editor["settings"] = {"python.defaultInterpreterPath": way.image.interpreter}
    told["customizations"] = {"vscode": editor}
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _sdk_v2(way: Way) -> str:
    text = f"""\
from azure.ai.ml.entities import Environment

environment = Environment(
    name={way.name!r},
    version={way.version.version!r},
    image={way.pulled!r},
)
"""
    if way.variables:
        text += f"\n# For command(environment=environment, environment_variables=variables, ...)\nvariables = {_written(way.variables)}\n"
    return text


def _sdk_v1(way: Way) -> str:
    assert way.image is not None  # noqa: S101
    host, _slash, rest = way.pulled.partition("/")
    text = f"""\
from azureml.core import Environment

environment = Environment({way.name!r})
environment.docker.base_image_registry.address = {host!r}
environment.docker.base_image = {rest!r}
environment.python.user_managed_dependencies = True
"""
    if way.image.interpreter:
        text += f"environment.python.interpreter_path = {way.image.interpreter!r}\n"
    if way.variables:
        text += f"environment.environment_variables = {_written(way.variables)}\n"
    return text


def _written(variables: dict[str, str]) -> str:
    lines = "".join(f"    {name!r}: {value!r},\n" for name, value in variables.items())
    return f"{{\n{lines}}}"


def _local(way: Way, image: Image) -> Iterator[Snippet]:
    """Return how to have the same packages without a container, where one file holds them all."""
    lock = Lock.model_validate(image.lock or {})
    formats = formats_for(lock)
    python = ".".join((lock.python or image.python).split(".")[:2])
    terminal = _("In a terminal")
    if "pylock" in formats:
        text = _fetched(way.api("lock", "pylock"), "pylock.toml")
        text += f"uv venv --python {python}\n" if python else "uv venv\n"
        note = _(
            "For Linux, as in the image. Elsewhere take “requirements” in place of “pylock”: the same versions."
        )
        text += "uv pip sync pylock.toml\n"
        yield Snippet("uv", _("Local, with uv"), terminal, text, (_token(), note))
    elif "conda-explicit" in formats:
        text = _fetched(way.api("lock", "conda-explicit"), "conda-explicit.txt")
        words = shlex.join(["micromamba", "create", "--name", way.name, "--file", "conda-explicit.txt"])
        yield Snippet("conda", _("Local, with conda"), terminal, f"{text}{words}\n", (_token(),))
    elif lock.packages and written(way.version.definition, "conda-env"):
        text = _fetched(way.api("definition", "conda-env"), "environment.yml")
        words = shlex.join(["micromamba", "create", "--name", way.name, "--file", "environment.yml"])
        note = _("No lock holds conda and pip packages together, so this resolves anew: versions may differ.")
        yield Snippet("conda", _("Local, with conda"), terminal, f"{text}{words}\n", (_token(), note))


def _fetched(address: str, file: str) -> str:
    return f"curl --fail --location {SIGNED} \\\n    --output {file} {shlex.quote(address)}\n"


def _token() -> str:
    return _("STUDIO_TOKEN is an access token: Your account → Access tokens.")


def _of_definition(way: Way) -> Iterator[Snippet]:
    definition = way.version.definition
    # The host base is this studio's own: nobody else finds it by this name.
    if definition.image != HOST and written(definition, "v2-yaml"):
        got = _fetched(way.api("definition", "v2-yaml"), "environment.yaml")
        code = (
            'from azure.ai.ml import load_environment\n\nenvironment = load_environment("environment.yaml")\n'
        )
        yield Snippet(
            "sdk-v2", "SDK v2", "Python, azure-ai-ml", code, (_("“CLI” tells how to get environment.yaml."),)
        )
        create = f"{got}az ml environment create --file environment.yaml\n"
        yield Snippet("cli", "CLI", _("In a terminal, with Azure's “ml” extension"), create, (_token(),))
