"""A run of pytest inside a test, with one plugin of the project and none of the installed ones: half a second."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run_tests(
    folder: Path, text: str, *options: str, plugin: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the tests in the text."""
    path = folder / "test_given.py"
    path.write_text(text)
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    argv = [sys.executable, "-m", "pytest", "-p", plugin, "-p", "no:cacheprovider", "-c", os.devnull, "-ra"]
    return subprocess.run(
        [*argv, *options, path],
        cwd=ROOT,
        env={**os.environ, **alone, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
