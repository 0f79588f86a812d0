"""`manage.py build FILE`: a definition file, saved as a version and built here and now."""

import json
import re
import sys
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.db import connection

from builds.images.repositories import resolving_environments
from builds.logs.follow import follow
from builds.models import Build, BuildRequest, BuildState
from builds.pages.outcome import outcome
from builds.queue.requests import StateConflict, cancel_request, request_build
from builds.worker import runner
from environments.definition import Reading
from environments.definition.cli import add_choice, choice_from
from environments.definition.model import Selection
from environments.errors import ServiceError
from environments.models import Version, Workspace
from environments.versions.input import read_at
from studio.management.base import StudioCommand
from studio.preparation import prepare

SUCCEEDED, FAILED, REFUSED = 0, 1, 2


class Command(StudioCommand):
    """Build in the foreground, with the log on the terminal."""

    help = "Save a definition file as a version and build it. Exit code: 0 built, 1 failed, 2 refused."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the file, and where and under which name to save it."""
        parser.add_argument("file", type=Path, metavar="FILE", help="any definition file, folder or archive")
        parser.add_argument("--workspace", default="default", help="the workspace to save it in")
        parser.add_argument(
            "--name", help="the environment's name (default: the file's own, or its file name)"
        )
        add_choice(parser)
        parser.add_argument("--rebuild", action="store_true", help="make a new image even where there is one")
        parser.add_argument("--json", action="store_true", help="log to stderr, one JSON object to stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        """Save, build, say how it went, and exit with it."""
        self.json: bool = options["json"]
        prepare()
        try:
            version = self.save(options["file"], options["workspace"], options["name"], choice_from(options))
            request = request_build(version, rebuild=options["rebuild"], inline=True)
        except ServiceError as error:
            self.refuse(error)
        except StateConflict as problem:
            self.refuse(ServiceError("not-possible", str(problem)))
        build = self.build(request) if request.build else None
        result = outcome(request, build)
        if self.json:
            print(json.dumps(result), flush=True)
        else:
            self.say(result)
        sys.exit(SUCCEEDED if result["state"] == BuildState.SUCCEEDED else FAILED)

    def save(self, file: Path, workspace: str, name: str | None, selection: Selection) -> Version:
        """Return the version that holds this file's definition, and say whether it is new."""
        if not file.exists():
            raise ServiceError("file-not-found", f"There is no file {file}.", "Check the path.")
        home = Workspace.objects.filter(name=workspace).first()
        if home is None:
            raise ServiceError(
                "workspace-not-found",
                f"There is no workspace {workspace}.",
                "Leave --workspace out for the default one.",
            )
        with resolving_environments(home):
            given = read_at(file, selection)
        self.show_findings(given.reading)
        saved = given.save(home, name or given.reading.name or name_from(file))
        self.log(f"{saved.version} {'saved' if saved.created else 'has this content already'}.\n")
        return saved.version

    def build(self, request: BuildRequest) -> Build:
        """Build it in this process, or watch the worker that has it; cancel on Ctrl-C."""
        build = request.build
        assert build is not None  # noqa: S101
        hand = threading.Thread(target=run_and_close, args=(build.pk,), name=f"build {build.pk}")
        hand.start()
        try:
            return follow(build.pk, self.log)
        except KeyboardInterrupt:
            self.log("\nCancelling …\n")
            cancel_request(request, None)
            return follow(build.pk, lambda _: None)
        finally:
            hand.join()

    def show_findings(self, reading: Reading) -> None:
        """Print what there is to say about the definition."""
        for finding in reading.findings:
            line = f"line {finding.line}: " if finding.line else ""
            self.log(f"{finding.severity}: {line}{in_sentences(finding.message, finding.help)}\n")

    def refuse(self, error: ServiceError) -> None:
        """Say why nothing was built, and exit."""
        self.log(f"Refused: {in_sentences(error.message, error.help)}\n")
        if self.json:
            problem = {"code": error.code, "message": error.message, "help": error.help}
            empty = dict.fromkeys(["build", "hash", "image", "digest", "bytes"])
            print(
                json.dumps(
                    {
                        **empty,
                        "state": "refused",
                        "reused": False,
                        "seconds": 0.0,
                        "steps": [],
                        "error": problem,
                    }
                ),
                flush=True,
            )
        sys.exit(REFUSED)

    def say(self, result: dict[str, Any]) -> None:
        """Print how it went, for people."""
        if result["error"]:
            return  # the log has reported it
        size = f"{result['bytes'] / 1e6:.1f} MB" if result["bytes"] else "-"
        how = "reused, nothing was built" if result["reused"] else f"built in {result['seconds']:.1f} s"
        self.stdout.write(
            f"image   {result['image']}\ndigest  {result['digest']}\nsize    {size}\n        {how}"
        )

    def log(self, text: str) -> None:
        """Write to the terminal; beside the JSON, not into it."""
        stream = sys.stderr if self.json else sys.stdout
        stream.write(text)
        stream.flush()


def in_sentences(what: str, help: str) -> str:
    """Return what happened and what to do as sentences. It may begin with a name, so it is not capitalised."""
    ends = (".", "?", "!", "…")
    return " ".join(part if part.endswith(ends) else f"{part}." for part in (what, help) if part)


def run_and_close(build_id: Any) -> None:
    """Build in this thread, and give its connection back."""
    try:
        runner.run_build(build_id, runner.worker_name())
    finally:
        connection.close()


def name_from(file: Path) -> str:
    """Return a name for an environment from a file's name: `envs/Fore cast.yml` is `Fore-cast`."""
    stem = file.absolute().stem if file.is_file() else file.absolute().name
    generic = {"requirements", "environment", "conda", "env", "dockerfile", "pylock", "conda-lock"}
    if stem.lower() in generic:
        stem = file.absolute().parent.name or stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._") or "environment"
