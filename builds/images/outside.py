"""Reaching what a definition names: never an address that is not its author's to reach."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import httpx

from builds.images.attended import attended
from builds.images.report import ImageError, Reporter
from builds.images.requirement import masked
from environments.connecting import checked_client
from environments.reach import AddressRefused, Reach


def client(reach: Reach, **options: Any) -> httpx.Client:
    """Return an HTTP client that raises ImageError for an address that the studio does not connect to."""
    try:
        return checked_client(reach, refusing=_told, **options)
    except httpx.InvalidURL as error:
        written = masked(str(options.get("base_url", "")))
        raise ImageError(
            "bad-reference", f"{written} is no address that can be asked: {error}.", "Correct the address."
        ) from error


def check(urls: Iterable[str], reach: Reach, reporter: Reporter) -> None:
    """Refuse addresses that another program is about to be sent to. Raises ImageError.

    The program looks names up once more, and follows redirects by itself.
    """
    for url in urls:
        if url.startswith(("http://", "https://")):
            attended(partial(_check, url, reach), reporter)


def a_file_here(url: str) -> ImageError:
    """Return the error for an index or channel that sends the studio to a file of its own machine."""
    return ImageError(
        "address-refused",
        f"{url[:200]} is a file of the studio's machine, which it does not read for a definition.",
        "Take the package from an index or a channel that gives https:// addresses.",
    )


def _check(url: str, reach: Reach) -> None:
    try:
        reach.check(url)
    except AddressRefused as refused:
        raise _told(refused) from refused
    except ValueError as error:
        raise ImageError(
            "bad-spec", f"{masked(url)[:200]} is no address that can be asked: {error}"
        ) from error


def _told(refused: AddressRefused) -> ImageError:
    return ImageError("address-refused", refused.message, refused.help)
