"""Django's deployment checks pass."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_a_studio_behind_https_passes_the_deployment_check(tmp_path: Path) -> None:
    argv = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    env = {
        **os.environ,
        "STUDIO_VAR": str(tmp_path),
        "STUDIO_HTTPS": "true",
        "DJANGO_SETTINGS_MODULE": "studio.settings",
    }
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
