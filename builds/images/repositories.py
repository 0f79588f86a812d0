"""Images by the names of environments: `HOST/<workspace>/<environment>:<version>`.

A repository is an environment, its tags are the versions that have an image, their labels, and `latest`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from builds.models import Image
from builds.queue.registry_tags import pushed_names
from environments.definition.findings.named_environments import NamedEnvironment, resolving
from environments.definition.syntax.registry_names import LATEST, tag_of, version_of
from environments.models import Environment, Version, VersionLabel, Workspace
from environments.models.environments import CONTENT
from environments.public_url import public_host

__all__ = ["LATEST", "PullNames", "tag_of"]

CATALOGUE_REGISTRY = "azureml"  # as Azure ML calls the registry of its curated environments


def environment_in(workspace: Workspace, repository: str) -> Environment | None:
    """Return the environment with this repository name, also if it is archived."""
    named = Environment.objects.named().filter(workspace=workspace, repository=repository)
    environment = named.first()
    if environment is not None:
        environment.workspace = workspace  # without another query
    return environment


def version_tagged(environment: Environment, tag: str) -> Version | None:
    """Return the version that a tag means, without its content; archived versions by number and label only.

    This is the only place that gives tags their meaning.
    """
    name = version_of(tag)
    version = environment.version_called(name, without_content=True) if name else None
    if version is not None:
        version.environment = environment
    return version


def images_of(environment: Environment, *, catalogue: bool) -> QuerySet[Image]:
    """Return the images of an environment's versions, newest first, without locks and layers; older ones too.

    With `catalogue` also those that the catalogue has of the same content, after the workspace's own.
    """
    readable = Q(workspace=environment.workspace_id)
    if catalogue:
        readable |= Q(workspace__curated=True)
    images = Image.objects.filter(readable, hash__in=environment.versions.values("hash"))
    images = images.only("digest", "current", "used_at", "hash", "workspace_id")
    return images.order_by("workspace__curated", "-built_at")


def image_of_version(version: Version, *, catalogue: bool) -> Image | None:
    """Return the current image of a version, without lock and layers: the workspace's own comes first."""
    images = images_of(version.environment, catalogue=catalogue)
    return images.filter(hash=version.hash, current=True).first()


def resolving_environments(workspace: Workspace) -> AbstractContextManager[None]:
    """Have Azure ML's names of environments resolved to their images, in definitions of a workspace that are read meanwhile.

    As any own base image: of the workspace itself, the catalogue, or a workspace whose images anybody may pull.
    """

    def resolve(named: NamedEnvironment) -> str:
        for owner in _owners(named, workspace):
            environment = Environment.objects.named().filter(workspace=owner, name=named.name).first()
            version = _version_of(environment, named) if environment is not None else None
            if environment is None or version is None:
                continue
            environment.workspace = owner
            version.environment = environment
            return f"{public_host()}/{name_of(version)}" if image_of_version(version, catalogue=True) else ""
        return ""

    return resolving(resolve)


def _owners(named: NamedEnvironment, workspace: Workspace) -> QuerySet[Workspace]:
    """Return the workspaces to look in, the definition's own first."""
    readable = Workspace.objects.filter(Q(pk=workspace.pk) | Q(curated=True) | Q(anonymous_pull=True))
    if named.registry == CATALOGUE_REGISTRY:
        return readable.filter(curated=True)
    if name := named.registry or named.workspace:
        return readable.filter(name=name)
    return readable.filter(Q(pk=workspace.pk) | Q(curated=True)).order_by("curated")


def _version_of(environment: Environment, named: NamedEnvironment) -> Version | None:
    """Return the named version: by its own name, or by a label; a name without either is no version in Azure ML."""
    versions = environment.versions.defer(*CONTENT)
    if named.version:
        return versions.filter(version=named.version).first()
    if named.label == LATEST:
        return environment.latest(without_content=True)
    return versions.filter(labels__name=named.label).first() if named.label else None


def tags_of(environment: Environment, *, catalogue: bool) -> list[str]:
    """Return the tags of an environment, without order: its versions with an image, their labels, and `latest`."""
    images = images_of(environment, catalogue=catalogue).filter(current=True)
    hashes = set(images.order_by().values_list("hash", flat=True))
    rows = environment.versions.filter(hash__in=hashes).values_list("version", flat=True)
    labels = environment.labels.filter(version__hash__in=hashes).values_list("name", flat=True)
    latest = environment.latest(without_content=True)
    return [*map(tag_of, rows), *labels, *([LATEST] if latest is not None and latest.hash in hashes else [])]


def name_of(version: Version) -> str:
    """Return a version's image name without a host: workspace/environment:version."""
    environment = version.environment
    return f"{environment.workspace.name}/{environment.repository}:{tag_of(version.version)}"


def label_name_of(label: VersionLabel) -> str:
    """Return the image name of the version with a label, without a host: workspace/environment:label."""
    environment = label.version.environment
    return f"{environment.workspace.name}/{environment.repository}:{label.name}"


@dataclass(frozen=True)
class PullNames:
    """The names that an image is pulled by, with the host: readable, by its hash, and by its digest.

    `readable` is empty where no version of the viewer's has the image.
    """

    readable: str
    by_hash: str
    by_digest: str

    @property
    def first(self) -> str:
        """The name to show first."""
        return self.readable or self.by_hash

    @property
    def command(self) -> str:
        """The command that pulls it by the name to show first."""
        return f"docker pull {self.first}"

    @property
    def other_commands(self) -> list[str]:
        """The commands that pull it by its hash and by its digest."""
        names = [self.by_digest] if self.first == self.by_hash else [self.by_hash, self.by_digest]
        return [f"docker pull {name}" for name in names]

    @property
    def pinned(self) -> str:
        """The name to show first, with the digest: it means these bytes, also after a rebuild."""
        return f"{self.readable}@{self.by_digest.rpartition('@')[2]}" if self.readable else self.by_digest


def pull_names(image: Image, host: str, version: Version | None) -> PullNames:
    """Return the names of an image; `version` is one that shares it."""
    return pull_names_of([(image, version)], host)[0]


def names_at(image: Image, version: Version) -> Callable[[str], PullNames]:
    """Return what makes an image's names at a host, without queries."""
    pushed = pushed_names([(image, version)]) if image.pushed_to else {}
    return lambda host: _names(image, host, version, pushed)


def pull_names_of(rows: Sequence[tuple[Image, Version | None]], host: str) -> list[PullNames]:
    """Return the names of images, each with a version that shares it, with at most one query.

    An image that was pushed to its workspace's registry has its names there, any other in this studio. A replaced
    image has no readable name: that means its successor.
    """
    shared = [(image, version) for image, version in rows if version is not None and image.pushed_to]
    pushed = pushed_names(shared) if shared else {}
    return [_names(image, host, version, pushed) for image, version in rows]


def _names(
    image: Image, host: str, version: Version | None, pushed: Mapping[tuple[int, str], str]
) -> PullNames:
    repository = image.pushed_to or f"{host}/{image.name}"
    readable = ""
    # An anonymous version is no repository: its image is pulled by hash and by digest.
    if version is not None and image.current and not version.environment.anonymous:
        own = image.workspace_id == version.environment.workspace_id
        there = pushed.get((version.pk, image.digest), "")
        readable = there if own and image.pushed_to else f"{host}/{name_of(version)}"
    # `ctr` takes no name without a tag or a digest.
    return PullNames(readable, f"{repository}:{LATEST}", f"{repository}@{image.digest}")


def version_to_name(versions: Iterable[Version], image: Image) -> Version | None:
    """Return which of the versions that share an image names it: the newest of its workspace; archived ones last."""
    own = [version for version in versions if version.environment.workspace_id == image.workspace_id]
    return max(own, key=lambda version: (version.archived_at is None, version.created_at), default=None)
