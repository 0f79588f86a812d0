"""The outcome of a request for an image as a JSON object, for commands and programs alike."""

from typing import Any

from builds.models import Build, BuildRequest, Image


def outcome(request: BuildRequest, build: Build | None) -> dict[str, Any]:
    """Return state, image, steps and error of a request that has been answered."""
    image: Image | None = request.image if build is None else build.image
    return {
        "build": str(build.pk) if build else None,
        "state": build.state if build else "succeeded",
        "reused": build.reused if build else True,
        "hash": request.version.hash,
        "image": image.name if image else None,
        "digest": image.digest if image else None,
        "bytes": image.size if image else None,
        "seconds": round(build.seconds or 0.0, 3) if build else 0.0,
        "steps": steps_of(build) if build else [],
        "error": error_of(build) if build and build.error else None,
    }


def steps_of(build: Build) -> list[dict[str, Any]]:
    """Return the steps of a build's last attempt."""
    steps = build.steps.filter(attempt=build.attempt)
    return [
        {"name": step.name, "seconds": round(step.seconds or 0.0, 3), "cached": step.cached} for step in steps
    ]


def error_of(build: Build) -> dict[str, Any]:
    """Return why a build failed: what happened, whose fault, what to do, and the line of the log."""
    return {
        "code": build.error_code,
        "message": build.error,
        "help": build.error_help,
        "fault": build.error_fault,
        "line": build.error_line,
    }
