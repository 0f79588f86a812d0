"""Whether an environment works: the state of its image, its last build, and the trial of its imports."""

from __future__ import annotations

from dataclasses import dataclass

from builds.imaging.reporting import plain
from builds.logs import lines_between
from builds.models import ACTIVE, Build, BuildState, Image, Trial
from builds.queue.trials import trial_of
from environments.models import Version

LINES_BEFORE = 2  # the line that failed


@dataclass(frozen=True)
class Status:
    """The state of a version, as lists show it, with what explains it."""

    state: str
    image: Image | None
    build: Build | None  # the last build of this definition in the workspace
    made_by: Build | None  # the build that made the image
    trial: Trial | None
    base_updated: bool

    @property
    def active(self) -> Build | None:
        """The build that is queued or running."""
        return self.build if self.build is not None and self.build.state in ACTIVE else None

    @property
    def failed(self) -> Build | None:
        """The last build, if it failed and there is no image."""
        return self.build if self.state == BuildState.FAILED else None

    @property
    def failed_rebuild(self) -> Build | None:
        """The last build, if it failed and an earlier image is in use."""
        failed = self.build is not None and self.build.state == BuildState.FAILED
        return self.build if self.image is not None and failed else None

    @property
    def log(self) -> list[tuple[int, str]]:
        """The line of the log that failed, and those before it."""
        build = self.failed
        if build is None or not build.error_line:
            return []
        first = max(1, build.error_line - LINES_BEFORE)
        chunks = lines_between(build.pk, first, build.error_line)
        lines = [line for chunk in chunks for line in plain(chunk.text).rstrip("\n").split("\n")]
        return list(enumerate(lines, first))


def status_of(version: Version, image: Image | None, *, base_updated: bool) -> Status:
    """Return the status of a version, in the same words as lists."""
    workspace = version.environment.workspace
    last = Build.objects.filter(workspace=workspace, hash=version.hash).order_by("-queued_at", "-pk").first()
    if last is not None:
        last.workspace = workspace
        if last.version_id == version.pk:
            last.version = version
    if image is None:
        # As `image_states` has it: a build that succeeded, and whose image is gone, counts as none.
        state = "none" if last is None or last.state == BuildState.SUCCEEDED else last.state
        return Status(state, None, last, None, None, base_updated)
    made_by = last if last and last.image_id == image.pk and not last.reused else None
    if made_by is None:
        made_by = image.builds.filter(reused=False).order_by("-queued_at").first()
    return Status("ready", image, last, made_by, trial_of(image), base_updated)
