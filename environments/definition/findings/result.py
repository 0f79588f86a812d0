"""The result of reading a file: a definition or a refusal, with its findings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pydantic import ValidationError

from environments.definition.findings.catalogue import At, finding
from environments.definition.findings.finding import Finding
from environments.definition.findings.secrets import masked
from environments.definition.model import (
    LINUX,
    BuildContext,
    Cutoff,
    Definition,
    InferenceConfig,
    PythonLayer,
    RunOptions,
    Selection,
    SparkLayer,
    Target,
)
from environments.definition.packages.locked import LockedPackage
from environments.definition.syntax.text import Placed


@dataclass(frozen=True, slots=True)
class Offers:
    """The environments, extras and groups of a project, by name, in the order of its file."""

    environments: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    default: Selection = field(default_factory=Selection)
    """What is read without a selection."""

    def __bool__(self) -> bool:
        return bool(len(self.environments) > 1 or self.extras or self.groups)


@dataclass(frozen=True, slots=True)
class Requested:
    """The requests of a file, with their positions in the text; also of a file that was refused."""

    conda: tuple[Placed, ...] = ()
    pip: tuple[Placed, ...] = ()
    image: Placed | None = None
    dockerfile: Placed | None = None
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """The outcome of `read`: a definition where it is accepted, an error among the findings where not."""

    format: str
    definition: Definition | None
    findings: tuple[Finding, ...]
    name: str = ""
    version: str = ""
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    packages: tuple[LockedPackage, ...] = ()
    """What a lock or a list of resolved packages holds; empty for every other format."""
    offers: Offers = field(default_factory=Offers)
    """What else of the project could be read, for a choice; what was read is `definition.selection`."""
    file: str = ""
    """Which file of a folder, an archive or several files holds the definition."""
    files: dict[str, bytes] = field(default_factory=dict)
    """The texts that were read of them, by their paths; read as a folder again, they give the same definition."""
    requested: Requested = field(default_factory=Requested, repr=False)

    @property
    def accepted(self) -> bool:
        """Whether the file was taken as a definition."""
        return self.definition is not None

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Why it was refused."""
        return tuple(finding for finding in self.findings if finding.severity == "error")


_WITHOUT_PACKAGES = ("secret-in-definition", "selection-unknown")
"""Errors with which there is nothing to compare either: a secret must not leave, and a wrong part answers nothing."""
MOST_OF_A_KIND = 1_000
"""Nobody reads more findings of one code than this; a hostile file would have a hundred thousand."""


class Refused(Exception):
    """The file cannot be read any further; the finding that says why is already in the draft."""


@dataclass(slots=True)
class Draft:
    """A definition in the making: each format's reader fills it in, and says what it notices."""

    format: str
    default_image: str = "host"
    findings: list[Finding] = field(default_factory=list)
    name: str = ""
    version: str = ""
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    image: Placed | None = None
    dockerfile: Placed | None = None
    context: BuildContext | None = None
    channels: list[Placed] = field(default_factory=list)
    conda: list[Placed] = field(default_factory=list)
    pip: list[Placed] = field(default_factory=list)
    has_pip_section: bool = False
    any_channel: bool = False
    """Whether the format has no channels to name, so that their absence is no mistake."""
    locked: bool = False
    """Whether the packages are a lock: exact and complete, so that advice about pins is out of place."""
    user_managed: bool = False
    interpreter_path: str = ""
    base_conda_environment: str = ""
    spark: SparkLayer = field(default_factory=SparkLayer)
    variables: dict[str, Placed] = field(default_factory=dict)
    platform: str = LINUX
    other_platforms: list[str] = field(default_factory=list)
    inference: InferenceConfig | None = None
    run: RunOptions = field(default_factory=RunOptions)
    properties: dict[str, str] = field(default_factory=dict)
    registry: str = ""
    package_indexes: dict[str, str] = field(default_factory=dict)
    requires_python: str = ""
    target: Target = field(default_factory=Target)
    cutoff: Cutoff = field(default_factory=Cutoff)
    """What limits which uploads are used, as written; the checks bring it into one spelling."""
    cutoff_places: dict[str, Placed] = field(default_factory=dict)
    """Where `as_of`, `newest` and the exceptions are written, by their names."""
    smoke_test: str = ""
    offers: Offers = field(default_factory=Offers)
    selection: Selection = field(default_factory=Selection)
    """What is requested of a project; its reader fills in the defaults that it took."""
    packages: tuple[LockedPackage, ...] = ()
    file: str = ""
    lines: list[str] = field(default_factory=list)
    """The lines of the file that is read first, for what only its comments say."""
    files_read: dict[str, list[str]] = field(default_factory=dict)
    """The lines of the other files that the definition names, by their paths in the folder."""
    counts: Counter[str] = field(default_factory=Counter)
    complete: bool = True
    """Whether the file was read to its end; if not, what it lacks may be in the part that was not read."""
    open_from: int | None = None
    """The line of the item in which reading ended, where it is not complete."""

    def note(self, code: str, at: At = None, *, help: str = "", **values: object) -> None:
        """Add the finding with this code (of any severity) at this place; `help` replaces the catalogue's advice."""
        self.counts[code] += 1
        if self.counts[code] <= MOST_OF_A_KIND:
            # Every message passes here, so that no secret leaves in one of them.
            shown = {key: masked(value) if isinstance(value, str) else value for key, value in values.items()}
            self.findings.append(finding(code, at, file=self.file, help=masked(help), **shown))

    def refuse(self, code: str, at: At = None, *, help: str = "", **values: object) -> Refused:
        """Add the finding and return what to raise: nothing after this place can be read."""
        self.note(code, at, help=help, **values)
        return Refused(code)

    def cut(self, open_from: int | None) -> None:
        """Take down that the file was not read to its end, and the line of the item in which reading ended."""
        self.complete, self.open_from = False, open_from

    def lines_around(self, at: Placed) -> list[str]:
        """Return the lines of the file that this is from."""
        return self.lines if at.file in ("", self.file) else self.files_read.get(at.file, [])

    @property
    def refused(self) -> bool:
        """Whether an error was found."""
        return any(finding.severity == "error" for finding in self.findings)

    def another(self) -> Draft:
        """Return an empty draft for reading the same file another time."""
        return Draft(
            self.format,
            self.default_image,
            file=self.file,
            selection=self.selection,
            platform=self.platform,
        )

    def take_findings(self, other: Draft) -> None:
        """Take the format and the findings of another reading of the same file, each once."""
        known = set(self.findings)
        self.format = other.format
        self.files_read.update(other.files_read)
        self.findings += [finding for finding in dict.fromkeys(other.findings) if finding not in known]
        self.counts |= other.counts

    def finish(self) -> Reading:
        """The reading that this draft became."""
        definition = None if self.refused else self._definition()
        return Reading(
            format=self.format,
            definition=definition,
            findings=tuple(sorted(self.findings, key=_by_position)),
            name=masked(self.name),
            version=masked(self.version),
            description=masked(self.description),
            tags={name: masked(value) for name, value in self.tags.items()},
            packages=() if any(map(self.counts.__getitem__, _WITHOUT_PACKAGES)) else self.packages,
            offers=self.offers,
            requested=Requested() if self.counts["secret-in-definition"] else self._requested(),
        )

    def _requested(self) -> Requested:
        locked = self.locked or bool(self.packages)
        return Requested(tuple(self.conda), tuple(self.pip), self.image, self.dockerfile, locked)

    def _definition(self) -> Definition | None:
        try:
            return Definition(
                image=None if self.image is None else str(self.image),
                dockerfile=None if self.dockerfile is None else str(self.dockerfile),
                context=self.context,
                python=PythonLayer(
                    channels=tuple(map(str, self.channels)),
                    conda=tuple(map(str, self.conda)),
                    pip=tuple(map(str, self.pip)),
                    user_managed=self.user_managed,
                    interpreter_path=self.interpreter_path,
                    base_conda_environment=self.base_conda_environment,
                    package_indexes=self.package_indexes,
                    requires_python=self.requires_python,
                ),
                spark=self.spark,
                variables={name: str(value) for name, value in self.variables.items()},
                platform=self.platform,
                other_platforms=tuple(self.other_platforms),
                inference=self.inference,
                run=self.run,
                properties=self.properties,
                registry=self.registry,
                target=self.target,
                cutoff=self.cutoff,
                selection=self.selection,
                smoke_test=self.smoke_test,
            )
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the definition"
            self.note("wrong-shape", what=where, expected="valid", found=str(first["msg"]))
            return None


_RANK = {"error": 0, "warning": 1, "note": 2}


def _by_position(finding: Finding) -> tuple[int, int]:
    return (finding.line or 0, _RANK[finding.severity])
