"""The curated catalogue that comes with the studio: v2 YAML files, loaded as often as one likes."""

from pathlib import Path

from environments.definition import read_path
from environments.models import CATALOGUE, Workspace
from environments.services import Refused, Saved, save_reading

FOLDER = Path(__file__).parent / "curated"


def catalogue_workspace() -> Workspace:
    """Return the workspace that holds the curated environments."""
    workspace, _ = Workspace.objects.get_or_create(
        curated=True, defaults={"name": CATALOGUE, "title": "Curated environments"}
    )
    return workspace


def load_catalogue(folder: Path = FOLDER) -> list[Saved]:
    """Save each file of the folder as a version of a curated environment; what is there already stays.

    Raises Refused, naming the file, when one cannot be read or changed without a new version number.
    """
    workspace = catalogue_workspace()
    saved = []
    for file in sorted(folder.glob("*.yaml")):
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
