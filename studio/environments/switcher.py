"""The menu of an environment's versions, and what is newer than the version that a page shows."""

from dataclasses import dataclass
from typing import Any

from builds.pages.queries import NOT_BUILT, ImageState, image_states
from environments.models import Version
from environments.models.environments import CONTENT
from environments.versions.labels import labels_of

MAX_VERSIONS = 30


@dataclass(frozen=True)
class Choice:
    """A version of the menu."""

    version: Version
    labels: list[str]
    image: ImageState


def switcher(version: Version, latest: Version | None) -> dict[str, Any]:
    """Return the menu's context: the newest versions with date, state and labels, and the version that is shown."""
    environment = version.environment
    rows = list(environment.versions.defer(*CONTENT).order_by("-number")[: MAX_VERSIONS + 1])
    more = len(rows) > MAX_VERSIONS
    rows = rows[:MAX_VERSIONS]
    if version not in rows:
        rows.append(version)
    labels = labels_of(rows)
    states = image_states(environment.workspace, [row.hash for row in rows])
    return {
        "choices": [Choice(row, labels[row.pk], states.get(row.hash, NOT_BUILT)) for row in rows],
        "more_versions": more,
        "labels": labels[version.pk],
        "newer": latest if latest is not None and latest.number > version.number else None,
    }
