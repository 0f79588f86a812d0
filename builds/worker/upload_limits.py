"""Limits on the uploads that a build uses: by its definition, and by the policy of its workspace."""

from django.utils import timezone

from builds.imaging.cutoffs.limits import Limits
from builds.imaging.reporting import Reporter
from builds.models import Build
from environments.definition.packages.cutoffs import in_words
from environments.workspaces.uploads import upload_policy


def upload_limits(build: Build, reporter: Reporter) -> Limits:
    """Return the limits of a build, and log them as times.

    Ages are counted from the request of the build: a second attempt, and everybody who joins it, gets the same. A build
    that is not saved, of a preview, counts from now.
    """
    definition, policy = build.version.definition.cutoff, upload_policy(build.workspace)
    limits = Limits(definition, policy, build.queued_at or timezone.now())
    if limits:
        sides = {"the definition": definition, "the workspace's policy": policy}
        labels = {name: in_words(**side.model_dump()) for name, side in sides.items()}
        named = "; ".join(f"{name}: {text}" for name, text in labels.items() if text)
        default = limits.of()
        until = f"Only what was uploaded before {default.text} is used" if default else "Uploads are limited"
        reporter.line(f"{until} ({named})")
    return limits
