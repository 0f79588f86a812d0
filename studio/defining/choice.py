"""The choice of a part of a project: an environment, extras, groups, and whether its lock is read."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from environments.definition import Reading
from environments.definition.formats.platforms import KNOWN
from environments.definition.model import Selection
from environments.versions.input import DefinitionInput

LOCK_REFUSED = {"lock-stale", "lock-uncovered"}


@dataclass(frozen=True)
class Option:
    """A name to choose, whether it is chosen, and whether the project has it chosen by default."""

    name: str
    chosen: bool
    default: bool = False


@dataclass(frozen=True)
class Choice:
    """The form's part for choosing; a list of a single environment, or an empty one, is not shown."""

    environments: list[Option]
    extras: list[Option]
    groups: list[Option]
    has_lock: bool
    ignore_lock: bool


@dataclass(frozen=True)
class PlatformChoice:
    """A choice of platforms: its value in the form, and whether it is chosen."""

    value: str
    chosen: bool


def platform_choices(given: DefinitionInput | None) -> list[PlatformChoice]:
    """Return the platforms to choose from: what the definition says, each of them, and all together.

    None for a build context, whose Dockerfile runs on the engine's own platform.
    """
    if given is not None and given.path:
        return []
    chosen = ",".join(given.selection.platforms) if given is not None else ""
    return [PlatformChoice(value, value == chosen) for value in ("", *KNOWN, ",".join(KNOWN))]


def choice_of(given: DefinitionInput) -> Choice | None:
    """Return what there is to choose; None where the definition is no project with several parts."""
    reading = given.reading
    offers, chosen = reading.offers, _chosen(given)
    choice = Choice(
        _environments(offers.environments, chosen.environment),
        _options(offers.extras, chosen.extras),
        _options(offers.groups, chosen.groups, offers.default.groups, chosen.no_groups),
        chosen.ignore_lock or _has_lock(reading),
        chosen.ignore_lock,
    )
    several = len(choice.environments) > 1 or choice.extras or choice.groups
    return choice if several or choice.has_lock else None


def _chosen(given: DefinitionInput) -> Selection:
    """Return what was read; for a refused definition, what was requested, else the project's default."""
    if given.reading.definition is not None:
        return given.reading.definition.selection
    requested = given.selection
    if requested.part.model_copy(update={"ignore_lock": False}) != Selection():
        return requested
    return given.reading.offers.default.model_copy(update={"ignore_lock": requested.ignore_lock})


def _environments(offered: tuple[str, ...], chosen: str) -> list[Option]:
    options = _options(offered, [chosen])
    # One that is not offered can be taken back for the default, whose name may be unknown.
    return options if not chosen or chosen in offered else [Option("", False), *options]


def _options(
    offered: Iterable[str],
    chosen: Iterable[str],
    default: Collection[str] = (),
    left_out: Collection[str] = (),
) -> list[Option]:
    """Return what is offered, and after it what is chosen and not offered: it can only be taken back here."""
    names = {name for name in chosen if name}
    # The request for a definition that was refused does not name the defaults.
    names |= {name for name in default if name not in left_out}
    return [
        Option(name, name in names, name in default) for name in dict.fromkeys((*offered, *chosen)) if name
    ]


def _has_lock(reading: Reading) -> bool:
    """Return whether a lock was read, or refused, beside the manifest that it is for."""
    refused = any(finding.code in LOCK_REFUSED for finding in reading.errors)
    return refused or (bool(reading.packages) and len(reading.files) > 1)
