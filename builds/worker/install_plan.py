"""What build step 2 has to install: which packages come by pip, and whether conda is needed at all."""

from dataclasses import dataclass

from rattler import MatchSpec, Version, VersionSpec

from builds.images import Base, ImageError, Reporter, Workshop
from builds.images.probing import leads_to_a_file
from builds.images.wheel import PREFIX
from environments.definition import Definition

# Conda packages that a base image's own Python and the package index give as well.
BY_PIP = {"pip", "setuptools", "wheel"}


@dataclass(frozen=True)
class Plan:
    """The packages of step 2: `conda` match specs (the conda Python among them) and `pip` requirement lines."""

    conda: tuple[str, ...]
    pip: tuple[str, ...]
    reason: str  # one sentence for the log

    @property
    def empty(self) -> bool:
        """Whether there is nothing to install."""
        return not self.conda and not self.pip


def plan_on(base: Base, definition: Definition) -> Plan:
    """Return what to install on a base, whose Python may stand where the environment goes: then it is no help."""
    inside = base.probe.python.startswith(f"/{PREFIX}/")
    found = plan(definition, "" if inside else base.probe.version)
    if inside and found.pip and not found.conda:
        raise ImageError(
            "base-unfit",
            f"The Python of the base image {base.reference} is part of an environment in /{PREFIX},"
            " which the new one replaces.",
            "Ask conda for python too, or take the image that this base was made from.",
        )
    return found


def plan(definition: Definition, base_python: str) -> Plan:
    """Return what to install on a base with this Python ("3.12.11", empty where there is none).

    Where conda was asked for nothing but a Python that the base has already, the base's own is used: the
    environment is the same to its user, smaller, and ready sooner.
    """
    python = definition.python
    if python.user_managed:
        return Plan((), (), "The image holds everything (user-managed): nothing is installed.")
    if not python.conda:
        source = (
            "Packages come from the package index." if python.pip else "The definition asks for no package."
        )
        return Plan((), python.pip, source)
    if not base_python:
        return Plan(python.conda, python.pip, "The base has no Python of its own, so conda brings one.")
    from_pip: list[str] = []
    for spec in python.conda:
        parsed = _parse(spec)
        name = _name(parsed)
        if name == "python" and _allows(parsed, base_python):
            continue
        if name in BY_PIP and parsed.build is None:
            from_pip.append(_as_requirement(name, parsed.version))
            continue
        return Plan(python.conda, python.pip, f"“{spec}” is a conda package.")
    reason = f"The base has Python {base_python} already, so conda is not needed."
    return Plan((), (*from_pip, *python.pip), reason)


def interpreter_misfits(
    definition: Definition, base: Base, workshop: Workshop, reporter: Reporter
) -> list[str]:
    """Return a sentence where a user-managed image has no Python at the path that is given for it (rule 22)."""
    path = definition.python.interpreter_path
    if not definition.python.user_managed or not path.startswith("/"):
        return []
    if leads_to_a_file(path, base, workshop, reporter):
        return []
    there = f"the one found is {base.probe.python}" if base.probe.python else "none was found in it"
    return [f"The definition says that Python is at {path}, and the image has no such file: {there}."]


def _parse(spec: str) -> MatchSpec:
    try:
        return MatchSpec(spec, strict=False)
    except Exception as error:  # rattler has a class of its own for each way a spec can be wrong
        raise ImageError(
            "bad-spec",
            f"“{spec}” is not a conda package specification: {error}",
            "Write it as name, name=1.2 or name>=1.2,<2.",
        ) from error


def _name(spec: MatchSpec) -> str:
    return "" if spec.name is None else str(getattr(spec.name, "normalized", spec.name))


def _allows(spec: MatchSpec, version: str) -> bool:
    """Whether a conda specification is content with this version, whatever its build."""
    return spec.build is None and (not spec.version or VersionSpec(spec.version).matches(Version(version)))


def _as_requirement(name: str, version: str | None) -> str:
    """Return a conda version constraint as pip writes it: `24.0.*` is `==24.0.*`."""
    if not version:
        return name
    if version[0].isdigit():
        return f"{name}=={version}"
    return f"{name}{version}"
