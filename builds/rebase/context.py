"""The context of a rebase in one workspace: its credentials, the new base for each platform, its registry."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from builds.advisories.base_layers import save_base_packages
from builds.imaging.bases.model import Base, Bases
from builds.imaging.publish.mounts import origins_of, remember_origins
from builds.imaging.publish.moving import Mover
from builds.imaging.rebasing.rebase import Skeletons
from builds.imaging.reporting import ImageError
from builds.queue.limits import limits_of
from builds.rebase.reporting import RebaseReporter
from builds.worker.bases import resolve_bases
from builds.worker.budget import Budget
from builds.worker.steps import make_workshop
from environments.connections.service import workspace_logins
from environments.definition import ImageReference
from environments.encryption import DecryptionError
from environments.models import Workspace

PUSHES = 8  # at a time, of one batch: the registry waits for its disk much of the time
STOPPED = "cancelled"  # the code of errors that end the rebase, not a single image's
UNREADABLE = "The workspace's connections are encrypted with a key that this studio doesn't have."


class Context:
    """One workspace's way to a new base: each base is looked up and probed once. Close it at the end."""

    def __init__(self, workspace: Workspace, target: str, reporter: RebaseReporter) -> None:
        self.workspace = workspace
        self.target = target
        self.reporter = reporter
        try:
            # A base counts against the disk space of a build.
            budget = Budget(limits_of(workspace))
            self.workshop = make_workshop(budget.reserve_disk, workspace_logins(workspace))
        except DecryptionError as error:
            raise ImageError("connections-unreadable", UNREADABLE, fault="studio") from error
        self.made = Skeletons(self.workshop)
        self.checked: dict[str, bool] = {}
        """Layers of images, and whether the store has them: looked up once."""
        self.pool = ThreadPoolExecutor(PUSHES, thread_name_prefix="rebase")
        """Threads that prepare images, which read no rows."""
        self._bases: dict[str, Bases | ImageError] = {}
        self._mover: Mover | None = None
        self._lock = Lock()

    def close(self) -> None:
        """Leave what was not begun, and give the connections back."""
        self.pool.shutdown(wait=True, cancel_futures=True)
        if self._mover is not None:
            self._mover.close()

    def bases(self, platforms: str) -> Bases:
        """Return the new base on these platforms, which are joined by commas. Raises ImageError."""
        if platforms not in self._bases:
            try:
                bases = resolve_bases(
                    self.workspace,
                    self.target,
                    self.workshop,
                    self.reporter,
                    platforms=platforms.split(","),
                )
                save_base_packages(bases, self.workshop)
                self._bases[platforms] = bases
            except ImageError as error:
                if error.code == STOPPED:
                    raise
                self._bases[platforms] = error
        answer = self._bases[platforms]
        if isinstance(answer, ImageError):
            raise answer
        return answer

    @property
    def mover(self) -> Mover | None:
        """The mover of names in the workspace's registry; None without a registry."""
        with self._lock:
            if self._mover is None and self.workspace.registry:
                self._mover = Mover(self.workspace.registry, self.workshop, self.reporter)
            return self._mover

    def learn_origins(self, base: Base) -> None:
        """Learn which repositories of the registry have the layers of a base."""
        if self.mover is not None:
            self.mover.origins |= origins_of(base.layers, base, self._any(), self.workshop)

    def remember_origins(self, base: Base, repository: str) -> None:
        """Remember for builds that a repository of the registry has the layers of a base now."""
        target = ImageReference.parse(f"{self.workspace.registry}/{repository}:latest")
        remember_origins(base.layers, target, self.workshop)

    def whole(self, digests: list[str]) -> bool:
        """Return whether the store has all of these, and keep them from the next cleaning."""
        for digest in digests:
            if digest not in self.checked:
                self.checked[digest] = self.workshop.store.has(digest)
        return all(self.checked[digest] for digest in digests)

    def _any(self) -> ImageReference:
        return ImageReference.parse(f"{self.workspace.registry}/any:latest")
