"""Whether the channels of a definition have its conda packages."""

from __future__ import annotations

import difflib
import hashlib
from functools import partial

from django.conf import settings

from environments.connections.service import workspace_logins
from environments.definition import Finding, Reading
from environments.definition.findings.catalogue import finding
from environments.definition.findings.misnamed import IMPORT_NAMES
from environments.definition.findings.secrets import holds_secret
from environments.definition.packages.specs import BadSpec, Spec, conda_spec
from environments.definition.syntax.text import Placed
from environments.encryption import DecryptionError
from environments.models import Workspace
from environments.network.credentials import Logins
from studio.defining.early.background import Background
from studio.defining.early.channels import channel_names

MOST_PACKAGES = 60
PRESENT_SECONDS, MISSING_SECONDS = 600.0, 60.0
HELP = "Correct the name, or add the channel that has it."
_LIKENESS = 0.75
_SUBDIRS = {"linux/amd64": "linux-64", "linux/arm64": "linux-aarch64"}
names = Background("conda", threads=2)


def conda_findings(reading: Reading, workspace: Workspace) -> tuple[list[Finding], bool]:
    """Return what there is to report on conda packages, and whether some are still being looked up."""
    requested = _requested(reading)
    subdir = _SUBDIRS.get(reading.definition.platform if reading.definition else "")
    if not requested or subdir is None or reading.definition is None:
        return [], False
    try:
        logins = workspace_logins(workspace)
    except DecryptionError:
        return [], False
    findings, more = [], False
    for text, spec in requested:
        channels = _channels(reading.definition.python.channels, spec)
        if not channels:
            continue
        key = hashlib.sha256(repr((logins.mark, channels, subdir, spec.name)).encode()).hexdigest()
        answer, pending = names.answer(key, partial(_look_up, channels, subdir, spec.name, logins))
        more = more or pending
        if answer is not None and answer != "":
            findings.append(finding("package-unknown", text, help=HELP, what=spec.name, meant=answer.strip()))
    return findings, more


def _requested(reading: Reading) -> list[tuple[Placed, Spec]]:
    if reading.requested.locked:
        return []
    requested = []
    for text in reading.requested.conda[: MOST_PACKAGES * 5]:
        try:
            spec = None if holds_secret(text) else conda_spec(str(text))
        except BadSpec:
            continue
        if spec is not None and not spec.url and spec.name not in IMPORT_NAMES["conda"]:
            requested.append((text, spec))
    return requested[:MOST_PACKAGES]


def _channels(written: tuple[str, ...], spec: Spec) -> tuple[str, ...]:
    """Return the URLs of the channels that a package may come from; empty where a build would refuse them."""
    # Loaded here and not above: the web process starts without what builds use.
    from builds.imaging.channels import channels_of
    from builds.imaging.reporting import ImageError, Quiet

    named = [spec.channel] if spec.channel else list(written)
    try:
        channels = channels_of(named, [], settings.CHANNEL_MIRRORS, Quiet(), folders=settings.FILE_CHANNELS)
    except ImageError:
        return ()
    urls = tuple(channels.effective_urls())
    return urls if all(url.startswith(("http://", "https://")) for url in urls) else ()


def _look_up(channels: tuple[str, ...], subdir: str, name: str, logins: Logins) -> tuple[str, float]:
    """Return the name that is meant, or a blank, for a package that no channel has; empty for one that is there."""
    known: set[str] = set()
    for channel in channels:
        for each in (subdir, "noarch"):
            listed = channel_names.of(channel, each, logins)
            if listed is None:
                return "", MISSING_SECONDS
            if name.lower() in listed:
                return "", PRESENT_SECONDS
            known |= listed
    if not known:
        return "", MISSING_SECONDS
    meant = IMPORT_NAMES["conda"].get(name) or next(
        iter(difflib.get_close_matches(name.lower(), known, n=1, cutoff=_LIKENESS)), ""
    )
    return meant or " ", MISSING_SECONDS
