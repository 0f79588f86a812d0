"""Writing a definition in the formats that people bring and take."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from environments.definition.findings.result import Reading
from environments.definition.formats import dockerfile_text, pylock, requirements
from environments.definition.formats.azure import v1, v2
from environments.definition.formats.conda import environment_file, explicit
from environments.definition.formats.conda import lock as conda_lock
from environments.definition.formats.projects.pep621 import pyproject
from environments.definition.formats.projects.pixi import lock as pixi_lock
from environments.definition.formats.projects.pixi import manifest as pixi
from environments.definition.formats.projects.pixi import write_lock as write_pixi_lock
from environments.definition.formats.projects.pixi import write_manifest as write_pixi
from environments.definition.formats.projects.pixi.specs import NotALine
from environments.definition.hash import canonical_form
from environments.definition.model import HOST, Cutoff, Definition, RunOptions
from environments.definition.packages.locked import CONDA, PIP, LockedPackage
from environments.definition.packages.pythons import Pythons, machine_of
from environments.definition.reading.read import read
from environments.definition.writing import pylock as pylock_text
from environments.definition.writing import pyproject as pyproject_text

DEFINITION_FORMATS = (
    v1.FORMAT,
    v2.FORMAT,
    environment_file.FORMAT,
    requirements.FORMAT,
    dockerfile_text.FORMAT,
    pixi.FORMAT,
    pyproject.FORMAT,
)
FILE_NAMES = {
    v1.FORMAT: "azureml_environment.json",
    v2.FORMAT: "environment.yaml",
    environment_file.FORMAT: "environment.yml",
    requirements.FORMAT: "requirements.txt",
    dockerfile_text.FORMAT: "Dockerfile",
    pixi.FORMAT: pixi.MANIFEST,
    pyproject.FORMAT: pyproject.FILE_NAME,
}
BILLS = ("cyclonedx", "spdx")
LOCK_FORMATS = (pylock.FORMAT, conda_lock.FORMAT, explicit.FORMAT, pixi_lock.FORMAT, *BILLS)
FORMATS = (*DEFINITION_FORMATS, *LOCK_FORMATS)


class CannotWrite(ValueError):
    """The format cannot say all that the definition says; the message names what is in the way."""


def write(
    definition: Definition,
    format: str,
    *,
    name: str = "",
    version: str = "",
    description: str = "",
    tags: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The definition as a text in this format; CannotWrite where reading it would not give the same hash.

    A conda file and requirements name no base image: they are to be read with the same `default_image`.
    `left_out` names the rest that a format has no key for.
    """
    if format not in DEFINITION_FORMATS:
        raise CannotWrite(f"{format!r} is no format that a definition can be written in")
    _check(definition, format)
    if format == v2.FORMAT:
        text = v2.write(definition, name, version, description, tags)
    elif format == v1.FORMAT:
        text = v1.write(definition, name, version, description, tags)
    elif format == environment_file.FORMAT:
        text = environment_file.write(definition, name)
    elif format == requirements.FORMAT:
        text = requirements.write(definition.python.pip)
    elif format == pixi.FORMAT:
        text = _pixi(definition, name, version, description)
    elif format == pyproject.FORMAT:
        text = _pyproject(definition, name, version, description)
    else:
        text = dockerfile_text.write(definition)
    again = read(text, FILE_NAMES[format], default_image=definition.image or HOST).definition
    if again is None or again.hash != definition.hash:
        raise CannotWrite(f"{format} would mean something else than this definition")
    return text


def _pixi(definition: Definition, name: str, version: str, description: str) -> str:
    try:
        return write_pixi.write(definition, name, version, description)
    except NotALine as reason:
        raise CannotWrite(str(reason)) from None


def _pyproject(definition: Definition, name: str, version: str, description: str) -> str:
    try:
        return pyproject_text.write(definition, name, version, description)
    except pyproject_text.NoPlace as reason:
        raise CannotWrite(f"{pyproject.FORMAT}: {reason}") from None


def write_lock(
    packages: tuple[LockedPackage, ...],
    format: str,
    *,
    platform: str = "linux/amd64",
    name: str = "",
    requires_python: str = "",
) -> str:
    """Exact packages as a lock or a bill of materials; CannotWrite where the format has no place for them."""
    if format == pylock.FORMAT:
        _only(packages, PIP, format)
        bare = next((package for package in packages if not pylock_text.can_write(package)), None)
        if bare is not None:
            raise CannotWrite(f"pylock needs the URL and the sha256 of every package; {bare.name} has none")
        return pylock_text.write(packages, requires_python)
    if format == conda_lock.FORMAT:
        return conda_lock.write(_for_conda_lock(packages, platform), platform)
    if format == explicit.FORMAT:
        if any(package.ecosystem == CONDA and not package.url for package in packages):
            raise CannotWrite("an explicit list needs the URL of every conda package; this lock has none")
        return explicit.write(packages, platform)
    if format == pixi_lock.FORMAT:
        try:
            return write_pixi_lock.write(packages, platform)
        except NotALine as reason:
            raise CannotWrite(str(reason)) from None
    if format in BILLS:
        from environments.definition.writing import sbom

        return sbom.write(packages, format, name or "environment")
    raise CannotWrite(f"{format!r} is no format that a lock can be written in")


def write_reading(reading: Reading, format: str) -> str:
    """Write a reading in this format: its definition, or its lock."""
    if reading.definition is None:
        raise CannotWrite("it was refused, so it cannot be written")
    if format == explicit.FORMAT and reading.format == format:
        return explicit.write_definition(reading.definition)
    if format in LOCK_FORMATS:
        if not reading.packages:
            raise CannotWrite(f"{format} holds exact packages; give a lock or a list of installed packages")
        return write_lock(
            reading.packages,
            format,
            platform=reading.definition.platform,
            name=reading.name,
            requires_python=reading.definition.python.requires_python,
        )
    return write(
        reading.definition,
        format,
        name=reading.name,
        version=reading.version,
        description=reading.description,
        tags=reading.tags,
    )


def left_out(reading: Reading, format: str) -> tuple[str, ...]:
    """Return what a definition says beside its content that this format has no key for."""
    definition = reading.definition
    if definition is None or format not in DEFINITION_FORMATS:
        return ()
    given = {
        "name": reading.name,
        "version": reading.version,
        "description": reading.description,
        "tags": reading.tags,
        "variables": definition.variables,
        "properties": definition.properties,
        "inference routes": definition.inference,
        "smoke test": definition.smoke_test,
        "options of docker run": definition.run if definition.run != RunOptions() else None,
    }
    return tuple(what for what, value in given.items() if value and what not in _BESIDE_CONTENT[format])


_DESCRIBED = ("name", "version", "description", "tags", "variables", "properties")
_BESIDE_CONTENT = {
    v1.FORMAT: (*_DESCRIBED, "options of docker run", "smoke test"),
    v2.FORMAT: (*_DESCRIBED, "inference routes", "smoke test"),
    environment_file.FORMAT: ("name", "variables"),
    requirements.FORMAT: (),
    dockerfile_text.FORMAT: (),
    pixi.FORMAT: ("name", "version", "description", "variables"),
    pyproject.FORMAT: ("name", "version", "description"),
}


def _for_conda_lock(packages: tuple[LockedPackage, ...], platform: str) -> tuple[LockedPackage, ...]:
    """Return the packages that a lock of conda-lock holds, which knows no markers: those of its own Python."""
    for package in packages:
        kind = "MD5" if package.ecosystem == CONDA else "sha256"
        digest = package.md5 if package.ecosystem == CONDA else package.sha256
        if package.ecosystem not in (CONDA, PIP):
            raise CannotWrite(
                f"conda-lock has no place for {package.ecosystem} packages such as {package.name}"
            )
        if not (package.url and digest):
            raise CannotWrite(
                f"conda-lock needs the URL and the {kind} of every package; {package.name} lacks one"
            )
    python = next((p.version for p in packages if p.ecosystem == CONDA and p.name == "python"), "")
    marked = next((package for package in packages if package.marker), None)
    if marked is None:
        return packages
    if not python:
        raise CannotWrite(f"conda-lock has no markers, and no Python of the lock decides on {marked.name}")
    pythons = Pythons("", {package.marker for package in packages}, machine_of(platform))
    own = pythons.python(python)
    return tuple(package for package in packages if pythons.where(package.marker) & own)


def _only(packages: tuple[LockedPackage, ...], ecosystem: str, format: str) -> None:
    other = next((package for package in packages if package.ecosystem != ecosystem), None)
    if other is not None:
        raise CannotWrite(f"{format} has no place for {other.ecosystem} packages such as {other.name}")


_KEYS = {
    environment_file.FORMAT: ("channels", "conda", "pip"),
    requirements.FORMAT: ("pip",),
    dockerfile_text.FORMAT: (),
    pixi.FORMAT: ("channels", "conda", "pip", "package_indexes"),
    pyproject.FORMAT: ("pip", "package_indexes"),
}


def _check(definition: Definition, format: str) -> None:
    """Refuse what the format would lose, though the hash is made of it."""
    if definition.context is not None and format in (v1.FORMAT, v2.FORMAT):
        raise CannotWrite(f"{format} is one text, and cannot hold the files of a build context")
    if format not in _KEYS:
        return
    if format == dockerfile_text.FORMAT and definition.dockerfile is None:
        what = "a build context" if definition.context else f"the image {definition.image}"
        raise CannotWrite(f"a Dockerfile alone cannot say this: the base of the definition is {what}")
    if format != dockerfile_text.FORMAT and definition.image is None:
        raise CannotWrite(f"{format} has no place for a Dockerfile or a build context")
    python, spark = canonical_form(definition)["python"], canonical_form(definition)["spark"]
    for key, value in python.items():
        if value and key not in _KEYS[format]:
            raise CannotWrite(f"{format} has no place for python.{key}")
    if definition.cutoff != Cutoff() and format not in (pyproject.FORMAT, pixi.FORMAT):
        raise CannotWrite(f"{format} has no place for a date or age that limits uploads (as_of, newest)")
    if spark["packages"] or spark["repositories"]:
        raise CannotWrite(f"{format} has no place for Spark packages")
    if (stated := str(definition.target)) and format not in (environment_file.FORMAT, pixi.FORMAT):
        raise CannotWrite(f"{format} has no place for the target ({stated})")
    if definition.platforms != ("linux/amd64",) and format != pixi.FORMAT:
        raise CannotWrite(f"{format} has no place for the platform {' and '.join(definition.platforms)}")
