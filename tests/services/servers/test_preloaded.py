"""Forked commands end, print and see their environment as commands of a new Python do."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.processes import Process, kill, process_table, processes_holding, wait_until
from tests.services.servers.preloaded import Forked, PreloadedProcess, run_preloaded

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


def test_no_settings_and_nothing_that_needs_them_are_imported_before_the_command(tmp_path: Path) -> None:
    script = tmp_path / "command.py"
    script.write_text(
        "import sys\n"
        "from django.conf import settings\n"
        "print([name for name in sys.modules if name.startswith('studio.') or name.endswith('.models')\n"
        "       and name.split('.')[0] in ('builds', 'environments')])\n"
        "print(settings.configured, 'django.db.models' in sys.modules)\n"
    )

    done = run_preloaded([script], env={})

    assert done.stdout == "[]\nFalse True\n", done.stderr


def setting(name: str, var: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Print a setting of a studio with this folder."""
    env = {"PATH": os.environ["PATH"], "STUDIO_VAR": str(var), **settings}
    code = f"from django.conf import settings; print(settings.{name})"
    return run_preloaded(["manage.py", "shell", "-v", "0", "-c", code], env=env)


def test_a_studios_next_command_has_its_settings_as_they_are_then(tmp_path: Path) -> None:
    key = tmp_path / "secret-key"

    for _ in range(2):
        assert setting("SECRET_KEY", tmp_path).stdout.strip() == key.read_text()
    key.write_text("another key that somebody put into the folder of the studio")

    assert setting("SECRET_KEY", tmp_path).stdout.strip() == key.read_text()
    assert setting("COMPRESSION", tmp_path, STUDIO_COMPRESSION="zstd").stdout == "zstd\n"
    assert setting("COMPRESSION", tmp_path).stdout == "gzip\n"


OF_SET_UP = """
from django.conf import settings
from django.db import connection
from rest_framework.settings import api_settings
with connection.cursor() as cursor:
    cursor.execute("PRAGMA database_list")
    print(settings.STORE, cursor.fetchone()[2], api_settings.DEFAULT_THROTTLE_RATES["anon"], settings.DEBUG)
"""


def test_each_studio_has_settings_of_its_own_also_those_that_are_read_to_set_it_up(tmp_path: Path) -> None:
    different: tuple[dict[str, str], ...] = (
        {},
        {},
        {"STUDIO_LOG_LEVEL": "ERROR"},
        {"STUDIO_API_RATE_ANONYMOUS": "7/min"},
        {"DEBUG": "true"},
    )
    for number, settings in enumerate(different):
        var = tmp_path / f"studio-{number}"
        env = {"PATH": os.environ["PATH"], "STUDIO_VAR": str(var), **settings}

        done = run_preloaded(["manage.py", "shell", "-v", "0", "-c", OF_SET_UP], env=env)

        rate = settings.get("STUDIO_API_RATE_ANONYMOUS", "60/min")
        expected = f"{var / 'store'} {var / 'studio.sqlite3'} {rate} {'DEBUG' in settings}\n"
        assert done.stdout == expected, done.stderr


def test_a_studio_that_refuses_its_settings_prints_why_each_time(tmp_path: Path) -> None:
    for _ in range(2):
        done = setting("COMPRESSION", tmp_path, STUDIO_COMPRESSION="nonsense")

        assert done.returncode == 1
        assert "STUDIO_COMPRESSION" in done.stderr


REPORT = """
import os, subprocess, sys
print(os.getppid(), os.getsid(0) == os.getpid(), sys.argv, os.getcwd(), os.environ["ONLY"], flush=True)
subprocess.run(["sleep", "1000"])
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Process]:
    script = tmp_path / "server.py"
    script.write_text(REPORT)
    environment = {"PATH": os.environ["PATH"], "ONLY": "this"}
    argv: list[str | Path] = [sys.executable, script, "--port", "1"]
    process = PreloadedProcess(argv, output=tmp_path / "out.txt", env=environment, cwd=tmp_path)
    yield process
    process.kill_family()


def test_a_forked_server_is_a_child_of_the_test_with_its_own_session_folder_and_environment(
    started: Process, tmp_path: Path
) -> None:
    script = str(tmp_path / "server.py")
    expected = f"{os.getpid()} True {[script, '--port', '1']} {tmp_path} this"

    started.wait_for_line(re.escape(expected))

    assert isinstance(started.popen, Forked)


def test_a_forked_server_is_found_by_its_marker_with_what_it_started(started: Process) -> None:
    started.wait_for_line("True")
    wait_until(lambda: len(started.family()) == 2, 30, "no child")

    assert {process.pid for process in processes_holding(started.marker)} == {
        process.pid for process in started.family()
    }


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_the_signal_that_ended_a_forked_server_is_its_exit_code(started: Process, sign: int) -> None:
    started.wait_for_line("True")
    assert started.returncode is None
    with pytest.raises(subprocess.TimeoutExpired):
        started.popen.wait(0.01)

    started.signal(sign)

    assert started.popen.wait(30) == started.returncode == -sign


def test_ctrl_c_reaches_a_forked_server_and_its_children(started: Process) -> None:
    wait_until(lambda: len(started.family()) == 2, 30, "no child")

    started.interrupt()

    assert started.wait() == 1
    assert "KeyboardInterrupt" in started.text()
    started.assert_nothing_left()


def test_what_needs_another_library_from_its_start_is_not_forked(tmp_path: Path) -> None:
    environment = {**os.environ, "LD_PRELOAD": ""}
    process = PreloadedProcess(
        [sys.executable, "-c", "print('new')"], output=tmp_path / "out.txt", env=environment
    )

    assert process.wait() == 0
    assert not isinstance(process.popen, Forked)


def test_orphans_of_other_programs_do_not_come_to_the_test(started: Process) -> None:
    """Or each would stay a zombie."""
    left = subprocess.run(
        ["sh", "-c", "sleep 1000 > /dev/null & echo $!"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        start_new_session=True,
    )
    pid = int(left.stdout)
    parent = process_table()[pid].parent
    kill([pid])

    assert parent != os.getpid()
