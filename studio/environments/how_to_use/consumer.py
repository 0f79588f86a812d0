"""A version as those who use it see it, and the notes that several snippets share."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.urls import reverse
from django.utils.translation import gettext as _

from builds.images.repositories import PullNames
from builds.imaging.lock import Lock
from builds.models import Image
from environments.definition.findings.secrets import masked
from environments.models import Version
from studio.environments.summary.contents import requested_specs
from studio.environments.summary.cuda import cuda_of, uses_gpu

# Engines pull from these over plain HTTP without being configured to.
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
FOLDER = "/work"  # where the reader's folder is in a container
MOUNT = '"${PWD}:' + FOLDER + '"'  # shells on Linux, macOS and PowerShell read it alike


@dataclass(frozen=True)
class Snippet:
    """A text to copy: its location, the text, and notes."""

    key: str
    title: str
    location: str  # a file name, or the program to type it in
    text: str
    notes: tuple[str, ...] = ()
    first: bool = True  # whether its tab is shown at once, or in the menu of the rest


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
    def pinned(self) -> str:
        """The image's reference with its digest."""
        assert self.names is not None  # noqa: S101
        return self.names.pinned

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
    def lock(self) -> Lock:
        """The packages of the image; none before a build."""
        return Lock.model_validate((self.image.lock if self.image else None) or {})

    @property
    def gpu(self) -> bool:
        """Whether it is made for GPUs."""
        definition = self.version.definition
        return uses_gpu(self.version, cuda_of(definition, requested_specs(definition), self.lock))

    @property
    def variables(self) -> dict[str, str]:
        """The variables to set when a container starts, which no image contains (rule 3); without secrets."""
        variables = sorted(self.version.definition.variables.items())
        return {name: value for name, value in variables if masked(value) == value and value.isprintable()}

    @property
    def secret_names(self) -> list[str]:
        """The names of the variables whose values are secret."""
        return sorted(self.version.definition.variables.keys() - self.variables.keys())

    @property
    def run_options(self) -> list[str]:
        """Options of `docker run` that the definition states, and its platform."""
        definition = self.version.definition
        options = [*definition.run.arguments]
        if definition.run.shm_size:
            options.append(f"--shm-size={definition.run.shm_size}")
        # An engine takes its own platform of several.
        if definition.platform != "linux/amd64" and not definition.other_platforms:
            options.append(f"--platform={definition.platform}")
        return options

    @property
    def gpu_options(self) -> list[str]:
        """The option that gives a container the machine's GPUs, where it can use them."""
        stated = any(option.startswith(("--gpus", "--device", "--runtime")) for option in self.run_options)
        return ["--gpus", "all"] if self.gpu and not stated else []

    def api(self, part: str, format: str) -> str:
        """Return the API URL of the version's definition or lock."""
        workspace = self.version.environment.workspace.name
        path = reverse("version", args=[workspace, self.version.environment.name, self.version.version])
        path = path.replace(f"/w/{workspace}/", f"/api/v1/workspaces/{workspace}/", 1)
        return f"{self.base_url}{path}{part}/?as={format}"


def login_command(consumer: Consumer) -> str:
    """Return the command that signs in to the registry; empty if anyone may pull."""
    if consumer.image is None or in_other_registry(consumer):
        return ""
    owners = (consumer.image.workspace, consumer.version.environment.workspace)
    if all(owner.anonymous_pull for owner in owners):
        return ""
    return shlex.join(["docker", "login", "--username", consumer.user, consumer.host]) + "\n"


def in_other_registry(consumer: Consumer) -> bool:
    """Return whether the image is pulled from the workspace's registry."""
    return not consumer.image_reference.startswith(f"{consumer.host}/")


def access_notes(consumer: Consumer) -> list[str]:
    """Return what a pull from this studio needs."""
    notes = (
        [_("The password is an access token: Your account → Access tokens.")]
        if login_command(consumer)
        else []
    )
    host = urlsplit(consumer.base_url).hostname or ""
    if (
        consumer.image
        and not in_other_registry(consumer)
        and consumer.base_url.startswith("http://")
        and host not in LOOPBACK_HOSTS
    ):
        notes.append(
            _("This studio speaks plain HTTP: name %(host)s in the engine's “insecure-registries” first.")
            % {"host": consumer.host}
        )
    return notes


def missing_notes(consumer: Consumer) -> tuple[str, ...]:
    """Return which variables the reader has to set."""
    if not consumer.secret_names:
        return ()
    return (_("Set these yourself; the studio doesn't show them: %s") % ", ".join(consumer.secret_names),)


def reachability_note() -> str:
    """Return what a machine needs that runs it elsewhere."""
    return _("The machine must be able to reach this studio or your registry.")


def python_dict(variables: dict[str, str]) -> str:
    """Return variables as a dictionary in Python, a line each."""
    lines = "".join(f"    {name!r}: {value!r},\n" for name, value in variables.items())
    return f"{{\n{lines}}}"
