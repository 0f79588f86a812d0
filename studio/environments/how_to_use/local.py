"""Snippets that install the same packages without a container."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from django.utils.translation import gettext as _

from builds.images.exports import formats_for
from environments.versions.texts import write_or_empty
from studio.environments.how_to_use.consumer import Consumer, Snippet
from studio.https.variables import own_authority_at

AUTHORIZATION_HEADER = '--header "Authorization: Bearer $STUDIO_TOKEN"'


def local_snippets(consumer: Consumer) -> Iterator[Snippet]:
    """Return the snippet for the tool that can install them, if one file holds them all."""
    assert consumer.image is not None  # noqa: S101
    lock = consumer.lock
    formats = formats_for(lock)
    python = ".".join((lock.python or consumer.image.python).split(".")[:2])
    terminal = _("In a terminal")
    if "pylock" in formats:
        text = download_command(consumer.api("lock", "pylock"), "pylock.toml")
        text += f"uv venv --python {python}\n" if python else "uv venv\n"
        note = _(
            "For Linux, as in the image. Elsewhere use “requirements” instead of “pylock”: same versions."
        )
        text += "uv pip sync pylock.toml\n"
        yield Snippet(
            "uv", _("Local, with uv"), terminal, text, (*download_notes(consumer), note), first=False
        )
    elif "conda-explicit" in formats:
        text = download_command(consumer.api("lock", "conda-explicit"), "conda-explicit.txt")
        command = shlex.join(
            ["micromamba", "create", "--name", consumer.name, "--file", "conda-explicit.txt"]
        )
        yield Snippet(
            "conda",
            _("Local, with conda"),
            terminal,
            f"{text}{command}\n",
            download_notes(consumer),
            first=False,
        )
    elif "conda-lock" in formats:
        text = download_command(consumer.api("lock", "conda-lock"), "conda-lock.yml")
        command = shlex.join(["conda-lock", "install", "--name", consumer.name, "conda-lock.yml"])
        note = _("conda-lock installs the conda and pip packages of the image, in the same versions.")
        notes = (*download_notes(consumer), note)
        yield Snippet(
            "conda", _("Local, with conda-lock"), terminal, f"{text}{command}\n", notes, first=False
        )
    elif lock.packages and write_or_empty(consumer.version.definition, "conda-env"):
        text = download_command(consumer.api("definition", "conda-env"), "environment.yml")
        command = shlex.join(["micromamba", "create", "--name", consumer.name, "--file", "environment.yml"])
        note = _(
            "No lock holds conda and pip packages together, so versions are resolved again and may differ."
        )
        yield Snippet(
            "conda",
            _("Local, with conda"),
            terminal,
            f"{text}{command}\n",
            (*download_notes(consumer), note),
            first=False,
        )


def download_command(address: str, file: str) -> str:
    """Return the command that downloads a file through the API."""
    return f"curl --fail --location {AUTHORIZATION_HEADER} \\\n    --output {file} {shlex.quote(address)}\n"


def download_notes(consumer: Consumer) -> tuple[str, ...]:
    """Return what a download from the API needs."""
    if not own_authority_at(consumer.base_url):
        return (token_note(),)
    link = _(
        "curl has to trust this studio's certificate: Settings → Azure SDK has the file and the variables."
    )
    return token_note(), link


def token_note() -> str:
    """Return where the token of a command comes from."""
    return _("STUDIO_TOKEN is an access token: Your account → Access tokens.")
