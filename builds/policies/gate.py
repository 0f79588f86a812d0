"""The gate of a build: before anything is published, its image is checked against the workspace's rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from builds.imaging.bases.model import Base
from builds.imaging.lock import Lock
from builds.imaging.reporting import ImageError, Reporter
from builds.models import Build
from builds.policies.evaluate import Hit
from builds.policies.subjects import hits_of_lock, import_test_of

Run = Callable[[Callable[[], list[Hit]]], list[Hit]]
LOGGED = 500  # a base may have thousands
SHOWN = 10  # sentences of a failure; the log has all


def gate(
    build: Build,
    base: Base,
    locks: Sequence[Lock],
    reporter: Reporter,
    *,
    run: Run,
    digest: str = "",
    base_digest: str = "",
) -> None:
    """Log what breaks the rules of a build's workspace. Raises ImageError if a rule blocks it.

    `locks` are those of all platforms; `digest` is that of the image, by which its import test is known; `base_digest`
    that of the base on all platforms, if there are several; `run` calls a function that uses the database.
    """

    def hits_of_build() -> list[Hit]:
        return hits_of_lock(
            build.workspace,
            build.version,
            [lock.model_dump(mode="json") for lock in locks],
            base=base.reference,
            base_digest=base_digest or base.digest,
            base_created=base.created_at,
            import_test=import_test_of(digest),
        )

    hits = run(hits_of_build)
    for hit in hits[:LOGGED]:
        reporter.line(f"Policy, {_effect(hit)}: {hit.message}")
    if len(hits) > LOGGED:
        reporter.line(f"Policy: and {len(hits) - LOGGED:,} more.")
    blocking = [hit for hit in hits if hit.level == "block"]
    if blocking:
        raise ImageError("policy", _sentences(blocking), blocking[0].help, subject=blocking[0].package)


def _effect(hit: Hit) -> str:
    if hit.level == "block":
        return f"rule “{hit.rule}” blocks"
    return f"rule “{hit.rule}” warns" + (f", blocks from {hit.starts_on}" if hit.starts_on else "")


def _sentences(hits: Sequence[Hit]) -> str:
    shown = [
        f"The rule “{hit.rule}” of the workspace's policy stops this build: {hit.message}" for hit in hits[:1]
    ]
    shown += [hit.message for hit in hits[1:SHOWN]]
    more = len(hits) - SHOWN
    return " ".join(shown) + (f" And {more} more, which the log lists." if more > 0 else "")
