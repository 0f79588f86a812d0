"""`manage.py demo`: define, build, reuse, on a terminal, with the real worker and the real package index."""

import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from builds.logs.follow import follow
from builds.models import Build, BuildRequest, BuildState
from builds.pages.outcome import outcome
from builds.queue.requests import request_build
from environments.definition import read_path
from environments.versions.service import save_reading
from studio.management.base import StudioCommand
from studio.management.commands.run import END_WITHIN_SECONDS, worker
from studio.management.processes import Child, end
from studio.preparation import prepare

EXAMPLE = Path("examples/requirements.txt")


class Command(StudioCommand):
    """Show the main job from end to end."""

    help = "Build the example, then the same content under a second name: a cache hit."

    def handle(self, *args: Any, **options: Any) -> None:
        """Start a worker, build, reuse, stop the worker."""
        prepared = prepare()
        hand = worker()
        hand.start()
        try:
            first = self.ask("demo", prepared.workspace)
            built = self.wait_for(first, hand)
            self.show(first, built)
            self.show_reuse(self.ask("demo-again", prepared.workspace), built)
        finally:
            end([hand], END_WITHIN_SECONDS)

    def ask(self, name: str, workspace: Any) -> BuildRequest:
        """Save the example under a name, and ask for its image."""
        reading = read_path(settings.BASE_DIR / EXAMPLE, default_image=settings.DEFAULT_BASE)
        source = (settings.BASE_DIR / EXAMPLE).read_text()
        saved = save_reading(workspace, name, reading, source=source)
        started = time.perf_counter()
        request = request_build(saved.version)
        self.request_seconds = time.perf_counter() - started
        self.stdout.write(
            f"{EXAMPLE} is {saved.version} in the workspace {workspace}, hash {saved.version.hash}"
        )
        return request

    def wait_for(self, request: BuildRequest, hand: Child) -> Build | None:
        """Return the finished build with its log on the terminal; None when the image was there."""
        if request.build is None:
            return None

        def worker_lives() -> None:
            if not hand.alive:
                raise CommandError("The worker ended by itself; its output above says why.")

        build = follow(request.build.pk, self.write, worker_lives)
        if build.state != BuildState.SUCCEEDED:
            sys.exit(1)
        return build

    def show(self, request: BuildRequest, build: Build | None) -> None:
        """Print what there is now."""
        result = outcome(request, build)
        how = "reused: it was there already" if result["reused"] else f"built in {result['seconds']:.1f} s"
        self.stdout.write(
            f"\n  image   {result['image']}\n  digest  {result['digest']}\n"
            f"  size    {result['bytes'] / 1e6:.1f} MB\n  time    {how}\n"
        )

    def show_reuse(self, request: BuildRequest, build: Build | None) -> None:
        """Print that the second name got the same image without a build."""
        if request.build is not None:
            raise CommandError(
                "The same content under a second name was queued for a build; it should be a cache hit."
            )
        self.stdout.write(
            f"Cache hit in {self.request_seconds * 1000:.1f} ms: no second build, the image is the same.\n"
            f"See it in the browser:  make run"
        )

    def write(self, text: str) -> None:
        """Write a part of the log."""
        self.stdout.write(text, ending="")
        self.stdout.flush()
