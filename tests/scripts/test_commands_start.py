"""The commands of the project start from a shell: nothing of theirs needs settings that only the tests have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.services.servers.preloaded import run_preloaded

ROOT = Path(__file__).parents[2]
COMMANDS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("scripts", "bench")
    for path in (ROOT / folder).rglob("*.py")
    if 'if __name__ == "__main__"' in path.read_text()
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_can_be_imported_without_settings(command: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\nimport {command}\n")
    env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = run_preloaded([script], env=env)
    assert done.returncode == 0, done.stderr
