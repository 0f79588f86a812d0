"""What Django asks of a site that the world can reach (issue 6 point 2)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_studio_behind_https_passes_the_deployment_check(tmp_path: Path) -> None:
    asked = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    env = {
        **os.environ,
        "STUDIO_VAR": str(tmp_path),
        "STUDIO_HTTPS": "true",
        "DJANGO_SETTINGS_MODULE": "studio.settings",
    }
    done = subprocess.run(asked, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
