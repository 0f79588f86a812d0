"""Check paths in images: every engine must be able to unpack them, and none may delete what is below it."""

from __future__ import annotations

import re

from builds.imaging.reporting import ImageError

WHITEOUT = ".wh."
MOST_COMPONENT_BYTES = 255
MOST_PATH_BYTES = 4095  # Linux counts 4,096 with the NUL at the end

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def why_unusable(path: str) -> str:
    """Return why no file can be at this path of an image, in words that follow “because”; empty if it can.

    A directory's path may end with a slash.
    """
    short = len(path) < 250 and path.isascii() and path.isprintable()
    if short and path[:1] not in ("", ".", "/") and "/." not in path and "//" not in path:
        return ""
    if _CONTROL.search(path):
        return "it has control characters"
    try:
        encoded = path.removesuffix("/").encode()
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    if len(encoded) > MOST_PATH_BYTES:
        return f"it is longer than {MOST_PATH_BYTES:,} bytes"
    for part in encoded.split(b"/"):
        if part in (b"", b".", b".."):
            return "it would be written elsewhere"
        if part.startswith(WHITEOUT.encode()):
            return f"a name that begins with {WHITEOUT} deletes files of other packages"
        if len(part) > MOST_COMPONENT_BYTES:
            return f"a name in it is longer than {MOST_COMPONENT_BYTES} bytes"
    return ""


def refuse_unusable(path: str) -> None:
    """Refuse a path that no file of an image can have. Raises ImageError."""
    if why := why_unusable(path):
        raise _unusable(path, why)


def refuse_unusable_target(path: str, target: str) -> None:
    """Refuse a symbolic link that nobody can create. Raises ImageError."""
    try:
        length = len(target.encode())
    except UnicodeEncodeError:
        raise _unusable(path, "its link is not valid Unicode") from None
    if not 0 < length <= MOST_PATH_BYTES or _CONTROL.search(target):
        raise _unusable(path, "its link leads to no path")


def _unusable(path: str, why: str) -> ImageError:
    return ImageError(
        "bad-package",
        f"The image cannot have a file “{shown(path)}”: {why}.",
        "Leave out the package that brings it, or pin another version of it.",
        fault="outside",
    )


def shown(path: str) -> str:
    """Return a path as it may be in a message: short, and without what a terminal would obey."""
    text = path if len(path) <= 120 else f"{path[:60]}…{path[-40:]}"
    return text.encode(errors="backslashreplace").decode() if text.isprintable() else ascii(text)[1:-1]
