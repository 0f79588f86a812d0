"""Options for Debian's Chromium in tests: as root, headless, without requests to the outside."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

ARGUMENTS = [
    "--no-sandbox",  # it cannot be had as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def launch_options(chromium: Path) -> dict[str, Any]:
    """Return what Playwright's `chromium.launch` takes."""
    return {
        "executable_path": Path(__file__).with_name("steady_chromium.py"),
        "env": {**os.environ, "CHROMIUM": str(chromium)},
        "args": ARGUMENTS,
        "headless": True,
    }
