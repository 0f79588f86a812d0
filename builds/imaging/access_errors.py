"""Explain why a registry, an index or a channel denied access."""

from __future__ import annotations

from builds.imaging.reporting import ImageError
from environments.network.credentials import host_of

_CODES = {"registry": "registry-refused", "index": "index-refused", "channel": "channel-refused"}
_NAMES = {"registry": "container registry", "index": "package index", "channel": "conda channel"}


def refused(kind: str, url: str, what: str = "", status: int | str = "") -> ImageError:
    """Return the error for an address that wants credentials, or others than it was shown."""
    host = host_of(url) or url
    thing = f" fetch {what}" if what else " in"
    note = f" ({status})" if status else ""
    return ImageError(
        _CODES[kind],
        f"{host} does not let the studio{thing}{note}.",
        f"Add a connection to the {_NAMES[kind]} {host}, or correct the one there is,"
        " in Settings → Connections of the workspace.",
    )
