"""Snippets that show how to use a version elsewhere, with its names and the studio's URL filled in."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.urls import reverse
from django.utils.translation import gettext as _

from builds.images.exports import formats_for
from builds.images.repositories import PullNames, pull_names
from builds.imaging.lock import Lock
from builds.models import Image
from environments.definition.findings.secrets import masked
from environments.definition.model import HOST
from environments.models import Version
from environments.versions.texts import write_or_empty

# Engines pull from these over plain HTTP without being configured to.
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
AUTHORIZATION_HEADER = '--header "Authorization: Bearer $STUDIO_TOKEN"'


@dataclass(frozen=True)
class Snippet:
    """A text to copy: its location, the text, and notes."""

    key: str
    title: str
    location: str  # a file name, or the program to type it in
    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Consumer:
    """A version as seen by its consumers: reached by its image, or by its definition until it has one."""

    version: Version
    image: Image | None
    base_url: str  # of this studio: https://studio.example.com
    user: str
    names: PullNames | None = None  # of the image

    @property
    def host(self) -> str:
        """The studio's registry host."""
        return self.base_url.partition("://")[2]

    @property
    def image_reference(self) -> str:
        """The image's reference for a container engine."""
        assert self.names is not None  # noqa: S101
        return self.names.first

    @property
    def name(self) -> str:
        """A name that Azure ML accepts: without the prefix of curated environments, which it reserves."""
        return self.version.environment.shown_name

    @property
    def python(self) -> str:
        """The interpreter: a path in user-managed images, else found on PATH."""
        managed = self.version.definition.python.user_managed
        return (self.image.interpreter if self.image and managed else "") or "python"

    @property
    def variables(self) -> dict[str, str]:
        """The variables to set when a container starts, which no image contains (rule 3); without secrets."""
        variables = sorted(self.version.definition.variables.items())
        return {name: value for name, value in variables if masked(value) == value and value.isprintable()}

    @property
    def secret_names(self) -> list[str]:
        """The names of the variables whose values are secret."""
        return sorted(self.version.definition.variables.keys() - self.variables.keys())

    def api(self, part: str, format: str) -> str:
        """Return the API URL of the version's definition or lock."""
        workspace = self.version.environment.workspace.name
        path = reverse("version", args=[workspace, self.version.environment.name, self.version.version])
        path = path.replace(f"/w/{workspace}/", f"/api/v1/workspaces/{workspace}/", 1)
        return f"{self.base_url}{path}{part}/?as={format}"


def snippets(version: Version, image: Image | None, address: str, user: str) -> list[Snippet]:
    """Return the snippets of a version: those of its image, or of its definition until it has one."""
    address = address.rstrip("/")
    names = pull_names(image, address.partition("://")[2], version) if image else None
    consumer = Consumer(version, image, address, user, names)
    return (
        [*_image_snippets(consumer), *_local_snippets(consumer, image)]
        if image
        else [*_definition_snippets(consumer)]
    )


def _image_snippets(consumer: Consumer) -> Iterator[Snippet]:
    variables, missing = consumer.variables, _missing_notes(consumer)
    options = [*consumer.version.definition.run.arguments]
    if consumer.version.definition.run.shm_size:
        options.append(f"--shm-size={consumer.version.definition.run.shm_size}")
    definition = consumer.version.definition
    # An engine takes its own platform of several.
    if definition.platform != "linux/amd64" and not definition.other_platforms:
        options.append(f"--platform={definition.platform}")
    env_options = [option for pair in variables.items() for option in ("--env", "=".join(pair))]
    env_options += [option for name in consumer.secret_names for option in ("--env", name)]
    command = shlex.join(
        ["docker", "run", "--rm", "-it", *options, *env_options, consumer.image_reference, consumer.python]
    )
    yield Snippet(
        "docker-run",
        "docker run",
        _("In a terminal"),
        f"{_login_command(consumer)}{command}\n",
        (*_access_notes(consumer), *missing),
    )
    digest = _("The digest stays this one: a rebuild changes nothing here.")
    yield Snippet(
        "dockerfile",
        "FROM",
        "Dockerfile",
        _dockerfile(consumer),
        (digest, *_access_notes(consumer), *missing),
    )
    yield Snippet(
        "dev-container",
        _("Dev container"),
        ".devcontainer/devcontainer.json",
        _dev_container(consumer, options),
        missing,
    )
    yield Snippet(
        "sdk-v2", "SDK v2", "Python, azure-ai-ml", _sdk_v2(consumer), (_reachability_note(), *missing)
    )
    yield Snippet(
        "sdk-v1", "SDK v1", "Python, azureml-core", _sdk_v1(consumer), (_reachability_note(), *missing)
    )
    create = [
        "az",
        "ml",
        "environment",
        "create",
        "--name",
        consumer.name,
        "--version",
        consumer.version.version,
    ]
    command = shlex.join([*create, "--image", consumer.image_reference])
    yield Snippet(
        "cli", "CLI", _("In a terminal, with Azure's “ml” extension"), f"{command}\n", (_reachability_note(),)
    )


def _login_command(consumer: Consumer) -> str:
    """Return the command that signs in to the registry; empty if anybody may pull."""
    if consumer.image is None or _in_other_registry(consumer):
        return ""
    owners = (consumer.image.workspace, consumer.version.environment.workspace)
    if all(owner.anonymous_pull for owner in owners):
        return ""
    return shlex.join(["docker", "login", "--username", consumer.user, consumer.host]) + "\n"


def _in_other_registry(consumer: Consumer) -> bool:
    return not consumer.image_reference.startswith(f"{consumer.host}/")


def _access_notes(consumer: Consumer) -> list[str]:
    notes = (
        [_("The password is an access token: Your account → Access tokens.")]
        if _login_command(consumer)
        else []
    )
    host = urlsplit(consumer.base_url).hostname or ""
    if (
        consumer.image
        and not _in_other_registry(consumer)
        and consumer.base_url.startswith("http://")
        and host not in LOOPBACK_HOSTS
    ):
        notes.append(
            _("This studio speaks plain HTTP: name %(host)s in the engine's “insecure-registries” first.")
            % {"host": consumer.host}
        )
    return notes


def _missing_notes(consumer: Consumer) -> tuple[str, ...]:
    if not consumer.secret_names:
        return ()
    return (_("Set yourself, because their values are not shown: %s") % ", ".join(consumer.secret_names),)


def _reachability_note() -> str:
    return _("Where it runs, this studio's address (or the workspace's registry) must be reached.")


def _dockerfile(consumer: Consumer) -> str:
    assert consumer.names is not None  # noqa: S101
    lines = [f"FROM {consumer.names.pinned}"]
    # JSON quoting fits, except that a Dockerfile would substitute $NAME.
    lines += [
        f"ENV {name}={json.dumps(value, ensure_ascii=False).replace('$', chr(92) + '$')}"
        for name, value in consumer.variables.items()
    ]
    lines += ["WORKDIR /app", "COPY . .", f"CMD {json.dumps([consumer.python, 'main.py'])}"]
    return "\n".join(lines) + "\n"


def _dev_container(consumer: Consumer, options: list[str]) -> str:
    assert consumer.image is not None  # noqa: S101
    config: dict[str, object] = {"name": str(consumer.version), "image": consumer.image_reference}
    if options:
        config["runArgs"] = options
    if consumer.variables:
        config["containerEnv"] = consumer.variables
    editor: dict[str, object] = {"extensions": ["ms-python.python"]}
    if consumer.image.interpreter:
        editor["settings"] = {"python.defaultInterpreterPath": consumer.image.interpreter}
    config["customizations"] = {"vscode": editor}
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"


def _sdk_v2(consumer: Consumer) -> str:
    text = f"""\
from azure.ai.ml.entities import Environment

environment = Environment(
    name={consumer.name!r},
    version={consumer.version.version!r},
    image={consumer.image_reference!r},
)
"""
    if consumer.variables:
        text += f"\n# For command(environment=environment, environment_variables=variables, ...)\nvariables = {_python_dict(consumer.variables)}\n"
    return text


def _sdk_v1(consumer: Consumer) -> str:
    assert consumer.image is not None  # noqa: S101
    host, _slash, rest = consumer.image_reference.partition("/")
    text = f"""\
from azureml.core import Environment

environment = Environment({consumer.name!r})
environment.docker.base_image_registry.address = {host!r}
environment.docker.base_image = {rest!r}
environment.python.user_managed_dependencies = True
"""
    if consumer.image.interpreter:
        text += f"environment.python.interpreter_path = {consumer.image.interpreter!r}\n"
    if consumer.variables:
        text += f"environment.environment_variables = {_python_dict(consumer.variables)}\n"
    return text


def _python_dict(variables: dict[str, str]) -> str:
    lines = "".join(f"    {name!r}: {value!r},\n" for name, value in variables.items())
    return f"{{\n{lines}}}"


def _local_snippets(consumer: Consumer, image: Image) -> Iterator[Snippet]:
    """Return the snippet that installs the same packages without a container, if one file holds them all."""
    lock = Lock.model_validate(image.lock or {})
    formats = formats_for(lock)
    python = ".".join((lock.python or image.python).split(".")[:2])
    terminal = _("In a terminal")
    if "pylock" in formats:
        text = _download_command(consumer.api("lock", "pylock"), "pylock.toml")
        text += f"uv venv --python {python}\n" if python else "uv venv\n"
        note = _(
            "For Linux, as in the image. Elsewhere take “requirements” in place of “pylock”: the same versions."
        )
        text += "uv pip sync pylock.toml\n"
        yield Snippet("uv", _("Local, with uv"), terminal, text, (_token_note(), note))
    elif "conda-explicit" in formats:
        text = _download_command(consumer.api("lock", "conda-explicit"), "conda-explicit.txt")
        command = shlex.join(
            ["micromamba", "create", "--name", consumer.name, "--file", "conda-explicit.txt"]
        )
        yield Snippet("conda", _("Local, with conda"), terminal, f"{text}{command}\n", (_token_note(),))
    elif lock.packages and write_or_empty(consumer.version.definition, "conda-env"):
        text = _download_command(consumer.api("definition", "conda-env"), "environment.yml")
        command = shlex.join(["micromamba", "create", "--name", consumer.name, "--file", "environment.yml"])
        note = _("No lock holds conda and pip packages together, so this resolves anew: versions may differ.")
        yield Snippet("conda", _("Local, with conda"), terminal, f"{text}{command}\n", (_token_note(), note))


def _download_command(address: str, file: str) -> str:
    return f"curl --fail --location {AUTHORIZATION_HEADER} \\\n    --output {file} {shlex.quote(address)}\n"


def _token_note() -> str:
    return _("STUDIO_TOKEN is an access token: Your account → Access tokens.")


def _definition_snippets(consumer: Consumer) -> Iterator[Snippet]:
    definition = consumer.version.definition
    # The host base exists in this studio only.
    if definition.image != HOST and write_or_empty(definition, "v2-yaml"):
        download = _download_command(consumer.api("definition", "v2-yaml"), "environment.yaml")
        code = (
            'from azure.ai.ml import load_environment\n\nenvironment = load_environment("environment.yaml")\n'
        )
        yield Snippet(
            "sdk-v2", "SDK v2", "Python, azure-ai-ml", code, (_("“CLI” tells how to get environment.yaml."),)
        )
        create = f"{download}az ml environment create --file environment.yaml\n"
        yield Snippet("cli", "CLI", _("In a terminal, with Azure's “ml” extension"), create, (_token_note(),))
