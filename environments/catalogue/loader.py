"""The curated catalogue that comes with the studio: v2 YAML files, loaded as often as one likes."""

from pathlib import Path

from environments.definition import read_path
from environments.models import CATALOGUE, Version, Workspace
from environments.services import Refused, Saved, save_reading

FOLDER = Path(__file__).parent / "curated"


def catalogue_workspace() -> Workspace:
    """Return the workspace that holds the curated environments."""
    workspace, _ = Workspace.objects.get_or_create(
        curated=True, defaults={"name": CATALOGUE, "title": "Curated environments", "anonymous_pull": True}
    )
    return workspace


def load_catalogue(folder: Path = FOLDER) -> list[Saved]:
    """Save each file of the folder as a version of a curated environment, and return what was new or read again.

    A file whose text is there already is not even read: a studio starts with this. Raises Refused, naming the file, when one cannot be read or changed without a new version number.
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
        except Refused as error:
            raise Refused(error.code, f"{file.name}: {error.message}", error.help) from error
    return saved
