"""Builds with logs, made behind a studio: failed in several ways, and long."""

from __future__ import annotations

from typing import Any


def failed_build(workspace: str, name: str, lines: str) -> str:
    """Return the address of a Dockerfile's build that failed, with a log of so many lines."""
    from django.urls import reverse

    from builds.logs import pack_log
    from builds.models import Build, BuildRequest
    from builds.models.steps import StepName
    from tests.builds.scenarios import claim_build, save_text

    wanted = save_text(f"{name}==1.0\n", name=name, workspace=workspace)
    space = wanted.environment.workspace
    build = Build.objects.create(workspace=space, version=wanted, hash=wanted.hash)
    BuildRequest.objects.create(workspace=space, version=wanted, build=build)
    other = {
        "code": "apt-failed",
        "message": "apt-get failed: E: Unable to locate package gcc",
        "help": "Run apt-get update first.",
        "fault": "author",
        "line": 5,
    }
    with claim_build(build) as (claim, reporter):
        with reporter.step(StepName.BASE) as step:
            reporter.line("Step 1/3 : FROM docker.io/library/python:3.11")
            reporter.line(" ---> Using cache")
            reporter.line("Step 2/3 : RUN apt-get install -y gcc ; pip install everything that was ever made")
            for number in range(4, int(lines)):
                text = f"\x1b[32mline {number}\x1b[0m of the log, which \x1b]8;;https://example.org\x07links\x1b]8;;\x07"
                reporter.line("needle" if number % 1000 == 0 else text)
            reporter.line("sh: 1: gcc: not found")
            reporter.flush(everything=True)
            step.row.failed = True
        what = "The step “RUN make” at line 3 failed: sh: 1: gcc: not found"
        help = "Install what the command needs in a step before it, or check how it is spelled."
        claim.fail("missing-command", what, help, "author", reporter.log.lines, [other])
    pack_log(build.pk)
    return reverse("builds:build", args=[workspace, build.pk])


KINDS_OF_FAILURES: dict[str, dict[str, Any]] = {
    "short": {"lines": 3},
    "at-the-start": {"lines": 300, "at": 1},
    "in-the-middle": {"lines": 1000, "at": 500},
    "at-the-end": {"lines": 300},
    "of-a-long-log": {"lines": 6_000, "at": 100},
    "with-a-long-message": {"lines": 300, "message": "Because a==1 depends on b>=2 and so on. " * 200},
    "with-many-causes": {"lines": 300, "causes": 3},
    "of-many-steps": {"lines": 40, "steps": 3},
    "with-long-lines": {"lines": 300, "width": 5000},
    "in-a-folded-step": {"lines": 900, "at": 300, "steps": 2, "ended_well": True},
}


def failure(workspace: str, kind: str) -> tuple[str, int]:
    """Return the address of a failed build of this kind, and the line that shows why it failed."""
    import os

    from django.urls import reverse

    from builds.logs import pack_log
    from builds.models import Build, BuildRequest
    from builds.models.steps import StepName
    from tests.builds.scenarios import claim_build, save_text

    wanted = {"lines": 3, "at": 0, "steps": 1, "causes": 0, "width": 40} | KINDS_OF_FAILURES[kind]
    name = f"{kind}-{os.urandom(3).hex()}"
    version = save_text(f"# {name}\nbroken-package==1.0\n", name=name, workspace=workspace)
    space = version.environment.workspace
    build = Build.objects.create(workspace=space, version=version, hash=version.hash)
    BuildRequest.objects.create(workspace=space, version=version, build=build)
    names = list(StepName)[: wanted["steps"]]
    at = wanted["at"] or wanted["lines"] * len(names)
    number = 0
    with claim_build(build) as (claim, reporter):
        for step_name in names:
            with reporter.step(step_name) as step:
                for _ in range(wanted["lines"]):
                    number += 1
                    text = f"sha256:{'ab' * 32} line {number} " + "x" * wanted["width"]
                    reporter.line("broken-package does not compile" if number == at else text)
                reporter.flush(everything=True)
                step.cached = step_name == StepName.BASE
                step.row.failed = step_name == names[-1] and "ended_well" not in wanted
        for cause in range(wanted["causes"] and wanted["causes"] - 1):
            reporter.line(f"error: what came of it, {cause}")
        reporter.flush(everything=True)
        message = wanted.get("message", "broken-package 1.0 cannot be built.")
        claim.fail("build-failed", message, "Take another version.", "author", at)
    pack_log(build.pk)
    return reverse("builds:build", args=[workspace, build.pk]), at


def long_build(workspace: str, name: str, *lines: str) -> str:
    """Return the address of a build that succeeded with a log of so many lines in each of its first steps."""
    from django.urls import reverse

    from builds.logs import pack_log
    from builds.models import Build, BuildRequest
    from builds.models.steps import StepName
    from tests.builds.scenarios import claim_build, image_for, save_text

    version = save_text(f"# {name}\nsix==1.16.0\n", name=name, workspace=workspace)
    space = version.environment.workspace
    build = Build.objects.create(workspace=space, version=version, hash=version.hash)
    BuildRequest.objects.create(workspace=space, version=version, build=build)
    with claim_build(build) as (claim, reporter):
        for step_name, count in zip(StepName, lines, strict=False):
            with reporter.step(step_name):
                for number in range(int(count)):
                    reporter.log.add(
                        f"line {number} of {step_name.label}, about as long as lines are in practice"
                    )
                reporter.flush(everything=True)
        claim.succeed(image_for(version), reused=False)
    pack_log(build.pk)
    return reverse("builds:build", args=[workspace, build.pk])
