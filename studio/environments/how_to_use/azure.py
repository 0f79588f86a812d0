"""Snippets for Azure ML: both SDKs and the command line, by the image or by the definition."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from django.utils.translation import gettext as _

from environments.definition.model import HOST
from environments.versions.texts import write_or_empty
from studio.environments.how_to_use.consumer import (
    Consumer,
    Snippet,
    missing_notes,
    python_dict,
    reachability_note,
)
from studio.environments.how_to_use.local import download_command, download_notes


def azure_snippets(consumer: Consumer) -> Iterator[Snippet]:
    """Return the snippets that take an image into Azure ML."""
    missing = missing_notes(consumer)
    notes = (reachability_note(), *missing)
    yield Snippet("sdk-v2", "Azure SDK v2", "Python, azure-ai-ml", _sdk_v2(consumer), notes, first=False)
    yield Snippet("sdk-v1", "Azure SDK v1", "Python, azureml-core", _sdk_v1(consumer), notes, first=False)
    create = ["az", "ml", "environment", "create", "--name", consumer.name]
    command = shlex.join(
        [*create, "--version", consumer.version.version, "--image", consumer.image_reference]
    )
    terminal = _("In a terminal, with Azure's “ml” extension")
    yield Snippet("cli", "Azure CLI", terminal, f"{command}\n", (reachability_note(),), first=False)


def definition_snippets(consumer: Consumer) -> Iterator[Snippet]:
    """Return the snippets that take a definition into Azure ML, which builds it there."""
    definition = consumer.version.definition
    # The host base exists in this studio only.
    if definition.image != HOST and write_or_empty(definition, "v2-yaml"):
        download = download_command(consumer.api("definition", "v2-yaml"), "environment.yaml")
        code = (
            'from azure.ai.ml import load_environment\n\nenvironment = load_environment("environment.yaml")\n'
        )
        yield Snippet(
            "sdk-v2",
            "Azure SDK v2",
            "Python, azure-ai-ml",
            code,
            (_("Download environment.yaml first (see Azure CLI)."),),
        )
        create = f"{download}az ml environment create --file environment.yaml\n"
        terminal = _("In a terminal, with Azure's “ml” extension")
        yield Snippet("cli", "Azure CLI", terminal, create, download_notes(consumer))


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
        text += f"\n# For command(environment=environment, environment_variables=variables, ...)\nvariables = {python_dict(consumer.variables)}\n"
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
        text += f"environment.environment_variables = {python_dict(consumer.variables)}\n"
    return text
