"""Writing a definition in the formats that people bring and take."""

from __future__ import annotations

from environments.definition.formats import azure_v1, azure_v2, conda_env, dockerfile_text, requirements
from environments.definition.model import Definition


class CannotWrite(ValueError):
    """The format cannot say all that the definition says; the message names what is in the way."""


def write(
    definition: Definition, format: str, *, name: str = "", version: str = "", description: str = ""
) -> str:
    """The definition as a text in this format; reading it gives the same hash, else CannotWrite is raised."""
    if format == azure_v2.FORMAT:
        return azure_v2.write(definition, name, version, description)
    if format == azure_v1.FORMAT:
        return azure_v1.write(definition, name, version)
    if format == conda_env.FORMAT:
        return conda_env.write(definition, name)
    if format == requirements.FORMAT:
        return requirements.write(definition.python.pip)
    if format == dockerfile_text.FORMAT:
        return dockerfile_text.write(definition)
    raise CannotWrite(f"{format!r} is no format that can be written")
