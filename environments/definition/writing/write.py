"""Writing a definition in the formats that people bring and take."""

from __future__ import annotations

from environments.definition.canonical import canonical_form
from environments.definition.formats import (
    azure_v1,
    azure_v2,
    conda_env,
    conda_explicit,
    dockerfile_text,
    pylock,
    requirements,
)
from environments.definition.locked import CONDA, PIP, LockedPackage
from environments.definition.model import HOST, Definition
from environments.definition.read import read
from environments.definition.reading import Reading

DEFINITION_FORMATS = (
    azure_v1.FORMAT,
    azure_v2.FORMAT,
    conda_env.FORMAT,
    requirements.FORMAT,
    dockerfile_text.FORMAT,
)
FILE_NAMES = {
    azure_v1.FORMAT: "azureml_environment.json",
    azure_v2.FORMAT: "environment.yaml",
    conda_env.FORMAT: "environment.yml",
    requirements.FORMAT: "requirements.txt",
    dockerfile_text.FORMAT: "Dockerfile",
}
BILLS = ("cyclonedx", "spdx")
LOCK_FORMATS = (pylock.FORMAT, conda_explicit.FORMAT, *BILLS)
FORMATS = (*DEFINITION_FORMATS, *LOCK_FORMATS)


class CannotWrite(ValueError):
    """The format cannot say all that the definition says; the message names what is in the way."""


def write(
    definition: Definition, format: str, *, name: str = "", version: str = "", description: str = ""
) -> str:
    """The definition as a text in this format; CannotWrite where reading it would not give the same hash.

    A conda file and requirements name no base image: they are to be read with the same `default_image`.
    """
    if format not in DEFINITION_FORMATS:
        raise CannotWrite(f"{format!r} is no format that a definition can be written in")
    _check(definition, format)
    if format == azure_v2.FORMAT:
        text = azure_v2.write(definition, name, version, description)
    elif format == azure_v1.FORMAT:
        text = azure_v1.write(definition, name, version)
    elif format == conda_env.FORMAT:
        text = conda_env.write(definition, name)
    elif format == requirements.FORMAT:
        text = requirements.write(definition.python.pip)
    else:
        text = dockerfile_text.write(definition)
    again = read(text, FILE_NAMES[format], default_image=definition.image or HOST).definition
    if again is None or again.hash != definition.hash:
        raise CannotWrite(f"{format} would be read as something else than this definition")
    return text


def write_lock(
    packages: tuple[LockedPackage, ...], format: str, *, platform: str = "linux/amd64", name: str = ""
) -> str:
    """Exact packages as a lock or a bill of materials; CannotWrite where the format has no place for them."""
    if format == pylock.FORMAT:
        _only(packages, PIP, format)
        return pylock.write(packages)
    if format == conda_explicit.FORMAT:
        if any(one.ecosystem == CONDA and not one.url for one in packages):
            raise CannotWrite("an explicit list needs the URL of every conda package; this lock has none")
        return conda_explicit.write(packages, platform)
    if format in BILLS:
        from environments.definition import sbom

        return sbom.write(packages, format, name or "environment")
    raise CannotWrite(f"{format!r} is no format that a lock can be written in")


def write_reading(reading: Reading, format: str) -> str:
    """What was read, in this format: a definition, or the lock that it was."""
    if reading.definition is None:
        raise CannotWrite("it was refused, so there is nothing to write")
    if format == conda_explicit.FORMAT and reading.format == format:
        return conda_explicit.write_definition(reading.definition)
    if format in LOCK_FORMATS:
        if not reading.packages:
            raise CannotWrite(f"{format} holds exact packages; give a lock or a list of installed packages")
        return write_lock(reading.packages, format, platform=reading.definition.platform, name=reading.name)
    return write(
        reading.definition,
        format,
        name=reading.name,
        version=reading.version,
        description=reading.description,
    )


def _only(packages: tuple[LockedPackage, ...], ecosystem: str, format: str) -> None:
    other = next((one for one in packages if one.ecosystem != ecosystem), None)
    if other is not None:
        raise CannotWrite(f"{format} has no place for {other.ecosystem} packages such as {other.name}")


_PLACES = {
    conda_env.FORMAT: ("channels", "conda", "pip"),
    requirements.FORMAT: ("pip",),
    dockerfile_text.FORMAT: (),
}


def _check(definition: Definition, format: str) -> None:
    """Refuse what the format would lose, though the hash is made of it."""
    if definition.context is not None and format in (azure_v1.FORMAT, azure_v2.FORMAT):
        raise CannotWrite(f"{format} is one text, and cannot hold the files of a build context")
    if format not in _PLACES:
        return
    if format == dockerfile_text.FORMAT and definition.dockerfile is None:
        what = "a build context" if definition.context else f"the image {definition.image}"
        raise CannotWrite(f"a Dockerfile alone cannot say this: the definition stands on {what}")
    if format != dockerfile_text.FORMAT and definition.image is None:
        raise CannotWrite(f"{format} has no place for a Dockerfile or a build context")
    python, spark = canonical_form(definition)["python"], canonical_form(definition)["spark"]
    for key, value in python.items():
        if value and key not in _PLACES[format]:
            raise CannotWrite(f"{format} has no place for python.{key}")
    if spark["packages"] or spark["repositories"]:
        raise CannotWrite(f"{format} has no place for Spark packages")
    if definition.platform != "linux/amd64":
        raise CannotWrite(f"{format} has no place for the platform {definition.platform}")
