"""The model of an environment: a frozen value that every format is read into and written from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from environments.definition.files.folder import link_stays_inside
from environments.definition.hash import definition_hash

SYSTEM_MANAGED = "system-managed"
USER_MANAGED = "user-managed"
HOST = "host"
MOST_SMOKE_TEST = 10_000  # characters
LINUX = "linux/amd64"  # the platform of a definition that names none

_MODEL = ConfigDict(
    defer_build=True, frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64"
)


class Value(BaseModel):
    """A frozen value; two of them are equal when their fields are."""

    model_config = _MODEL


def _inside_context(path: str) -> str:
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or "" in parts or "\0" in path:
        raise ValueError(f"{path!r} is not a path inside the build context")
    return path


class ContextFile(Value):
    """One file of a build context: its path inside the context, permission bits and bytes.

    `link` is where a symbolic link to a folder of the context leads, relative to its own folder.
    """

    path: Annotated[str, AfterValidator(_inside_context)]
    mode: int = 0o644
    content: Annotated[bytes, Field(repr=False)]
    link: str = ""

    @model_validator(mode="after")
    def _leads_to_the_inside(self) -> Self:
        if self.link and not link_stays_inside(self.path, self.link):
            raise ValueError(f"{self.path!r} is a link out of the build context")
        return self


class BuildContext(Value):
    """The files that a Dockerfile may COPY, and which of them is the Dockerfile."""

    files: tuple[ContextFile, ...]
    folders: tuple[Annotated[str, AfterValidator(_inside_context)], ...] = ()
    """The empty folders, which COPY takes as well."""
    dockerfile_path: str = "Dockerfile"
    args: dict[str, str] = {}
    target: str = ""

    def text(self, path: str) -> str | None:
        """The text of the file at this path; None where there is none."""
        for file in self.files:
            if file.path == path:
                return file.content.decode("utf-8", "replace")
        return None

    @property
    def dockerfile(self) -> str:
        """The text of the context's Dockerfile."""
        return self.text(self.dockerfile_path) or ""

    @model_validator(mode="after")
    def _has_its_dockerfile(self) -> Self:
        if self.text(self.dockerfile_path) is None:
            raise ValueError(f"the build context has no file {self.dockerfile_path!r}")
        paths = [*(file.path for file in self.files), *self.folders]
        if len(set(paths)) != len(paths):
            raise ValueError("the build context holds the same path twice")
        return self


class PythonLayer(Value):
    """The packages on top of the base: channels and packages in the order in which they were written."""

    channels: tuple[str, ...] = ()
    conda: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    user_managed: bool = False
    interpreter_path: str = ""
    base_conda_environment: str = ""
    package_indexes: dict[str, str] = {}
    """The only index that a pip package may come from, by its normalised name."""
    requires_python: str = ""
    """The Pythons that the packages are meant for (`>=3.11`); checked before a build, no part of its content."""


TARGET_LABELS = {"cuda": "CUDA", "glibc": "glibc", "linux": "Linux kernel", "cpu": "processor"}


class Target(Value):
    """The machine that an image will run on, by conda's virtual packages."""

    cuda: str = ""
    """The newest CUDA that its driver supports, such as 12.4; empty without a GPU."""
    glibc: str = ""
    linux: str = ""
    cpu: str = ""
    """The level of its processor by archspec's names, such as x86_64_v3."""

    @property
    def stated(self) -> dict[str, str]:
        """The values that are given, by the names of their fields."""
        return {name: value for name in TARGET_LABELS if (value := getattr(self, name))}

    def __str__(self) -> str:
        return ", ".join(f"{TARGET_LABELS[name]} {value}" for name, value in self.stated.items())


class Cutoff(Value):
    """The time after which uploads are left out: a date, or an age that they must have."""

    as_of: str = ""
    """A date or time in ISO 8601; nothing uploaded later is used."""
    newest: str = ""
    """The least age of what is used, such as `14 days`, counted from the solve."""
    exceptions: dict[str, str] = {}
    """Another date or age for a package, by its normalised name; `any` for no limit."""


class Selection(Value):
    """The part of a project to read, where it holds several environments; its own default where empty."""

    environment: str = ""
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    no_groups: tuple[str, ...] = ()
    """The groups that are left out, also where they are default groups or requested."""
    no_default_groups: Annotated[bool, Field(exclude=True)] = False
    """Whether to leave out every default group that is not requested; what was read has their names in `no_groups`."""
    ignore_lock: bool = False
    """Whether to read what the project requests instead of what its lock holds."""
    platforms: tuple[str, ...] = ()
    """The platforms to build for, whatever the definition says of them; empty for what it says."""

    @property
    def part(self) -> Selection:
        """The part of the project alone, without the platforms."""
        return self.model_copy(update={"platforms": ()})

    def __str__(self) -> str:
        """It by the names of the command's options: `environment gpu; extra viz, test; ignore-lock`."""
        named = {
            "environment": (self.environment,),
            "extra": self.extras,
            "group": self.groups,
            "no-group": self.no_groups,
        }
        parts = [f"{kind} {', '.join(names)}" for kind, names in named.items() if any(names)]
        return "; ".join(parts + ["ignore-lock"] * self.ignore_lock)


class SparkPackage(Value):
    """A Maven coordinate."""

    group: str
    artifact: str
    version: str


class SparkLayer(Value):
    """Repositories and packages for Spark."""

    repositories: tuple[str, ...] = ()
    packages: tuple[SparkPackage, ...] = ()
    precache: bool = True


class Route(Value):
    """A server's endpoint: a port and a path."""

    port: int = 0
    path: str = ""


class InferenceConfig(Value):
    """The routes that a serving image answers on."""

    liveness: Route | None = None
    readiness: Route | None = None
    scoring: Route | None = None


class RunOptions(Value):
    """Options of `docker run` for the image; not part of the image's content."""

    arguments: tuple[str, ...] = ()
    docker_enabled: bool | None = None
    shared_volumes: bool | None = None
    shm_size: str = ""
    inferencing_stack_version: str = ""


class Definition(Value):
    """An environment's content, on exactly one of image, Dockerfile text and build context (rule 36)."""

    image: str | None = None
    dockerfile: str | None = None
    context: BuildContext | None = None
    python: PythonLayer = PythonLayer()
    spark: SparkLayer = SparkLayer()
    variables: dict[str, str] = {}
    platform: str = LINUX
    other_platforms: tuple[str, ...] = ()
    """The further platforms of an image that is an index; `platform` is the first by name."""
    inference: InferenceConfig | None = None
    run: RunOptions = RunOptions()
    properties: dict[str, str] = {}
    target: Target = Target()
    cutoff: Cutoff = Cutoff()
    selection: Selection = Selection()
    """What was read of the project that this is from; no part of the image's content."""
    smoke_test: str = Field(default="", max_length=MOST_SMOKE_TEST)
    """A command of the shell that must succeed in a container of the image; no part of the image's content."""
    registry: str = ""
    """Address of the private registry that `image` names; its credentials are a connection's."""

    @field_validator("dockerfile")
    @classmethod
    def _one_kind_of_line_end(cls, text: str | None) -> str | None:
        return None if text is None else text.replace("\r\n", "\n").replace("\r", "\n")

    @field_validator("platform")
    @classmethod
    def _names_system_and_processor(cls, platform: str) -> str:
        if not re.fullmatch(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?", platform):
            raise ValueError(f"{platform!r} is not a platform such as linux/amd64")
        return platform

    @model_validator(mode="before")
    @classmethod
    def _in_one_order(cls, values: Any) -> Any:
        """Bring several platforms into one order, each once: the same platforms are the same content."""
        if isinstance(values, Mapping) and (others := values.get("other_platforms")):
            first, *rest = sorted({values.get("platform", LINUX), *others})
            return {**values, "platform": first, "other_platforms": tuple(rest)}
        return values

    @field_validator("other_platforms")
    @classmethod
    def _are_built_for(cls, platforms: tuple[str, ...]) -> tuple[str, ...]:
        for platform in platforms:
            cls._names_system_and_processor(platform)
        return platforms

    @model_validator(mode="after")
    def _has_one_base(self) -> Self:
        given = [part for part in (self.image, self.dockerfile, self.context) if part is not None]
        if len(given) != 1:
            raise ValueError("exactly one of image, dockerfile and context must be given")
        return self

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms that the image is for, by name; an image for several is an index."""
        return (self.platform, *self.other_platforms)

    # Not cached: a copy with other fields would inherit it.
    @property
    def hash(self) -> str:
        """The definition hash: 32 lower-case hex digits that decide between reuse and build (rule 1)."""
        return definition_hash(self)

    @property
    def kind(self) -> str:
        """`user-managed` where the image already holds everything, else `system-managed`."""
        return USER_MANAGED if self.python.user_managed else SYSTEM_MANAGED

    @property
    def dockerfile_text(self) -> str:
        """The Dockerfile's text, from the definition or its build context; empty for a base image."""
        return self.context.dockerfile if self.context else self.dockerfile or ""
