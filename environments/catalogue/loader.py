"""The curated catalogue that comes with the studio: v2 YAML files, which may be loaded repeatedly."""

from pathlib import Path

from environments.definition import read_path
from environments.errors import ServiceError
from environments.models import CATALOGUE, Version, Workspace
from environments.versions.service import SavedVersion, save_reading

FOLDER = Path(__file__).parent / "curated"


def catalogue_workspace() -> Workspace:
    """Return the workspace that holds the curated environments."""
    workspace, _ = Workspace.objects.get_or_create(
        curated=True, defaults={"name": CATALOGUE, "title": "Curated environments", "anonymous_pull": True}
    )
    return workspace


def load_catalogue(folder: Path = FOLDER) -> list[SavedVersion]:
    """Save each file of a folder as a version of a curated environment, and return those versions.

    A file whose text is saved already is skipped: this runs at each start. Raises ServiceError with the file's name
    if it cannot be read, or has changed under the same version.
    """
    workspace = catalogue_workspace()
    known = set(Version.objects.filter(environment__workspace=workspace).values_list("source", flat=True))
    saved = []
    for file in sorted(folder.glob("*.yaml")):
        if file.read_text() in known:
            continue
        reading = read_path(file)
        try:
            saved.append(
                save_reading(
                    workspace,
                    reading.name or file.stem,
                    reading,
                    source=file.read_text(),
                    version=reading.version or "",
                )
            )
        except ServiceError as error:
            raise ServiceError(error.code, f"{file.name}: {error.message}", error.help) from error
    return saved
