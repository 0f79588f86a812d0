"""The packages to install on a base: those for pip, and those for conda, if conda is needed at all."""

from dataclasses import dataclass

from rattler import MatchSpec, Version, VersionSpec

from builds.imaging.bases.model import Base
from builds.imaging.bases.probing import leads_to_a_file
from builds.imaging.packing.wheel import PREFIX
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop
from environments.definition import Definition

# Conda packages that the base's own Python or the package index provides as well.
BY_PIP = {"pip", "setuptools", "wheel"}


@dataclass(frozen=True)
class InstallPlan:
    """The packages to install: `conda` match specs (conda's Python among them) and `pip` requirement lines."""

    conda: tuple[str, ...]
    pip: tuple[str, ...]
    reason: str  # one sentence for the log

    @property
    def empty(self) -> bool:
        """Whether there is nothing to install."""
        return not self.conda and not self.pip


def plan_for_base(base: Base, definition: Definition) -> InstallPlan:
    """Return the install plan for a base. Raises ImageError if the environment would replace the base's Python."""
    inside = base.probe.python.startswith(f"/{PREFIX}/")
    plan = install_plan(definition, "" if inside else base.probe.version)
    if inside and plan.pip and not plan.conda:
        raise ImageError(
            "base-unfit",
            f"The Python of the base image {base.reference} is part of an environment in /{PREFIX},"
            " which the new one replaces.",
            "Ask conda for python too, or take the image that this base was made from.",
        )
    return plan


def install_plan(definition: Definition, base_python: str) -> InstallPlan:
    """Return the install plan for a base with this Python ("3.12.11", empty for none).

    If the definition needs conda only for a Python that the base has already, the base's own is used: the
    environment behaves the same, is smaller, and is ready sooner.
    """
    python = definition.python
    if python.user_managed:
        return InstallPlan((), (), "The image holds everything (user-managed): nothing is installed.")
    if not python.conda:
        source = "Packages come from the package index." if python.pip else "The definition has no packages."
        return InstallPlan((), python.pip, source)
    if not base_python:
        return InstallPlan(
            python.conda, python.pip, "The base has no Python of its own, so conda brings one."
        )
    from_pip: list[str] = []
    for spec in python.conda:
        parsed = _parse(spec)
        name = _name(parsed)
        if name == "python" and _allows(parsed, base_python):
            continue
        if name in BY_PIP and parsed.build is None:
            from_pip.append(_as_requirement(name, parsed.version))
            continue
        return InstallPlan(python.conda, python.pip, f"“{spec}” is a conda package.")
    reason = f"The base has Python {base_python} already, so conda is not needed."
    return InstallPlan((), (*from_pip, *python.pip), reason)


def interpreter_misfits(
    definition: Definition, base: Base, workshop: Workshop, reporter: Reporter
) -> list[str]:
    """Return a sentence if a user-managed image has no Python at its interpreter path (rule 22)."""
    path = definition.python.interpreter_path
    if not definition.python.user_managed or not path.startswith("/"):
        return []
    if leads_to_a_file(path, base, workshop, reporter):
        return []
    alternative = f"the one found is {base.probe.python}" if base.probe.python else "none was found in it"
    return [f"The definition says that Python is at {path}, and the image has no such file: {alternative}."]


def _parse(spec: str) -> MatchSpec:
    try:
        return MatchSpec(spec, strict=False)
    except Exception as error:  # rattler raises a different class for each kind of mistake
        raise ImageError(
            "bad-spec",
            f"“{spec}” is not a conda package specification: {error}",
            "Write it as name, name=1.2 or name>=1.2,<2.",
        ) from error


def _name(spec: MatchSpec) -> str:
    return "" if spec.name is None else str(getattr(spec.name, "normalized", spec.name))


def _allows(spec: MatchSpec, version: str) -> bool:
    """Return whether a conda spec allows this version, with any build."""
    return spec.build is None and (not spec.version or VersionSpec(spec.version).matches(Version(version)))


def _as_requirement(name: str, version: str | None) -> str:
    """Return a conda version constraint in pip's syntax: `24.0.*` becomes `==24.0.*`."""
    if not version:
        return name
    if version[0].isdigit():
        return f"{name}=={version}"
    return f"{name}{version}"
