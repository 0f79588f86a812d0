"""Forked commands end, print and see their environment as commands of a new Python do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.servers.preloaded import run_preloaded

PROGRAMS = {
    "ends well": "print('well')",
    "exits with a number": "import sys; print('out'); sys.exit(3)",
    "exits with a sentence": "import sys; sys.exit('This does not work.')",
    "raises": "1 / 0",
    "is killed": "import os; os.kill(os.getpid(), 9)",
    "writes without a newline": "import sys; sys.stdout.write('a'); sys.stderr.write('b')",
    "has arguments": "import sys; print(sys.argv[1:], __name__)",
    "sees its environment": "import os; print(sorted(os.environ.items()), os.getcwd())",
    "waits for its threads": "import threading, time\nthreading.Timer(0.1, print, ['later']).start()",
    "does what was registered for its end": "import atexit; atexit.register(print, 'at the end')",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_command_is_run_as_a_new_python_runs_it(program: str, tmp_path: Path) -> None:
    script = tmp_path / "command.py"
    script.write_text(PROGRAMS[program])
    environment = {"PATH": os.environ["PATH"], "ONLY": "this", "LC_CTYPE": "C.UTF-8"}
    argv = [str(script), "a b", "--c"]

    forked = run_preloaded(argv, env=environment, cwd=tmp_path)
    plain = subprocess.run(
        [sys.executable, *argv], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (forked.returncode, forked.stdout) == (plain.returncode, plain.stdout)
    # A traceback of runpy has more lines above the command's own.
    assert forked.stderr.splitlines()[-1:] == plain.stderr.splitlines()[-1:]


def test_nothing_of_the_studio_and_no_settings_are_imported_before_the_command(tmp_path: Path) -> None:
    script = tmp_path / "command.py"
    script.write_text(
        "import sys\n"
        "from django.conf import settings\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('studio', 'builds', 'environments')])\n"
        "print(settings.configured, 'django.db.models' in sys.modules)\n"
    )

    done = run_preloaded([script], env={})

    assert done.stdout == "[]\nFalse True\n", done.stderr
