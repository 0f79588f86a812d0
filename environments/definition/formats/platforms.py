"""The platforms that a definition's image is built for: read, chosen, checked and written."""

from __future__ import annotations

from collections.abc import Iterable

from environments.definition.findings.catalogue import At
from environments.definition.findings.result import Draft
from environments.definition.formats.shapes import texts_of
from environments.definition.model import HOST, Definition
from environments.definition.packages.locked import SUBDIRS
from environments.definition.packages.pythons import Pythons, machine_of
from environments.definition.syntax.text import Placed
from environments.definition.syntax.tree import Tree

KNOWN = ("linux/amd64", "linux/arm64")
"""The platforms that an image can be an index of: both have wheels, and packages of conda."""


def read(draft: Draft, node: Tree | None) -> None:
    """Read the studio's own key `platforms`, which takes the place of a single platform."""
    if node is None:
        return
    names = texts_of(draft, node, "platforms")
    _take(draft, [name for name in names if _checked(draft, name)])


def choose(draft: Draft) -> None:
    """Take the platforms that were chosen beside the file, in place of those that it names; check them all."""
    chosen = [Placed(name) for name in draft.selection.platforms]
    written = draft.platform
    _take(draft, [name for name in chosen if _checked(draft, name)])
    # A list of conda packages is made of one platform's files.
    others = {draft.platform, *draft.other_platforms} - {written}
    if draft.locked and draft.conda and others:
        draft.note(
            "locked-platform", None, what=SUBDIRS.get(written, written), others=", ".join(sorted(others))
        )
    if draft.other_platforms and (what := _made_elsewhere(draft)):
        draft.note("several-platforms", draft.dockerfile or draft.image, what=what)


def note_uncovered(draft: Draft, lock: str, at: At, others: Iterable[str]) -> None:
    """Add the finding that a lock leaves out the platform that is read; `others` are those that it is for."""
    known = [platform for platform in others if platform in KNOWN]
    draft.note("lock-uncovered", at, help=choose_instead(known), lock=lock, what=name_of(draft.platform))


def choose_instead(platforms: Iterable[str]) -> str:
    """Return the advice to build for one of these platforms; empty for none."""
    named = " or ".join(platforms)
    first = named.partition(" ")[0]
    return (
        f"It is for {named}: choose that platform (`--platform {first}`), add yours to the project and lock it again, "
        "or have the versions solved again."
        if named
        else ""
    )


def name_of(platform: str) -> str:
    """Return a platform's name for people."""
    return {"linux/amd64": "Linux on x86-64", "linux/arm64": "Linux on ARM64"}.get(platform, platform)


def meant_by(markers: Iterable[str]) -> list[str]:
    """Return the platforms for which any of these markers holds. Raises ValueError for what is no marker."""
    markers = list(markers)
    machines = {platform: Pythons("", markers, machine_of(platform)) for platform in KNOWN}
    return [platform for platform, pythons in machines.items() if any(map(pythons.where, markers))]


def _take(draft: Draft, names: Iterable[str]) -> None:
    platforms = sorted({str(name) for name in names})
    if platforms:
        draft.platform, *draft.other_platforms = platforms


def _checked(draft: Draft, name: Placed) -> bool:
    if name in KNOWN:
        return True
    draft.note("bad-platform", name if name.line else None, what=name[:40], known=" and ".join(KNOWN))
    return False


def _made_elsewhere(draft: Draft) -> str:
    """Return the base that is there for one platform alone; empty for an image of a registry."""
    if draft.dockerfile is not None:
        return "a Dockerfile"
    if draft.context is not None:
        return "a build context"
    return "the base host" if draft.image == HOST else ""


def write_yaml(definition: Definition) -> str:
    """Return the key for the platforms in YAML; empty for that of every other definition."""
    if definition.other_platforms:
        return f"platforms: [{', '.join(definition.platforms)}]\n"
    if definition.platform in ("linux/amd64", "windows/amd64"):
        return ""
    return f"platform: {definition.platform}\n"
