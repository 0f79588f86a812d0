"""Copies of versions under another name or in another workspace: the same content, hence the same image."""

from django.contrib.auth.models import User

from environments.models import Version, Workspace
from environments.versions.input import texts_beside
from environments.versions.service import SavedVersion, save_version


def copy_version(
    source: Version,
    workspace: Workspace,
    name: str,
    *,
    user: User | None,
    description: str | None = None,
    tags: dict[str, str] | None = None,
    only_new: bool = False,
    version: str = "",
    based_on: bool = True,
) -> SavedVersion:
    """Save the definition and the texts of a version as the given or the next version of `name`. Raises ServiceError.

    Description and tags are those of the version unless they are given; `based_on` remembers where it came from.
    """
    return save_version(
        workspace,
        name,
        source.definition,
        user=user,
        version=version,
        description=source.description if description is None else description,
        tags=source.tags if tags is None else tags,
        based_on=source if based_on else None,
        source=source.source,
        source_path=source.source_path,
        beside=texts_beside(source),
        source_format=source.source_format,
        only_new=only_new,
    )
