"""Processes that tests start are seen, killed and buried with all that came from them."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.services.fixtures import StartProcess
from tests.services.processes import NotReadyError, Process, processes_holding, wait_until

# A parent, its child, and a grandchild that leaves the session and the family as a daemon does.
FAMILY = """
import subprocess, sys, time
if len(sys.argv) == 1:
    child = "import subprocess, sys; subprocess.Popen(['sleep', '300'], start_new_session=True)"
    subprocess.run([sys.executable, "-c", child])
    subprocess.Popen(["sleep", "301"])
    print("all are there", flush=True)
    time.sleep(300)
"""


def commands(process: Process) -> set[str]:
    return {member.command.split()[-1] for member in process.family() if member.command.startswith("sleep")}


def test_a_line_is_waited_for_and_found(start_process: StartProcess) -> None:
    process = start_process(["sh", "-c", "echo starting; sleep 0.1; echo listening on 4711; sleep 300"])

    assert process.wait_for_line(r"listening on (\d+)").group(1) == "4711"


def test_a_program_that_ends_early_is_told_with_its_last_words(start_process: StartProcess) -> None:
    process = start_process(["sh", "-c", "echo no such database; exit 3"])

    with pytest.raises(NotReadyError, match=r"(?s)ended with 3.*no such database"):
        process.wait_for_line("listening")


def test_a_daemon_that_left_home_still_belongs_to_its_family(start_process: StartProcess) -> None:
    process = start_process([sys.executable, "-c", FAMILY])
    process.wait_for_line("all are there")

    assert commands(process) == {"300", "301"}


def test_orphans_of_a_crash_are_found_and_killed(start_process: StartProcess) -> None:
    process = start_process([sys.executable, "-c", FAMILY])
    process.wait_for_line("all are there")

    process.kill()

    with pytest.raises(NotReadyError, match=r"left behind: .*sleep 30"):
        process.assert_nothing_left(seconds=0)
    process.kill_family()
    process.assert_nothing_left()


def test_ctrl_c_reaches_the_whole_group(start_process: StartProcess) -> None:
    process = start_process(["sh", "-c", "sleep 300 & echo ready; wait"])
    process.wait_for_line("ready")

    process.interrupt()

    assert process.wait() == -signal.SIGINT


HANGING_TEST = """
import time

pytest_plugins = ["tests.services.fixtures"]

def test_that_never_ends(run_folder, registry, start_process):
    start_process(["sleep", "300"])
    print("RUN FOLDER", run_folder, flush=True)
    time.sleep(300)
"""


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_nothing(sign: int, start_process: StartProcess, tmp_path: Path) -> None:
    (tmp_path / "test_hanging.py").write_text(HANGING_TEST)
    options = ["-p", "no:django", "-c", os.devnull, "-s"]
    run = start_process(
        [sys.executable, "-m", "pytest", *options, tmp_path / "test_hanging.py"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    folder = Path(run.wait_for_line(r"RUN FOLDER (\S+)").group(1))

    run.signal(sign)

    run.wait()
    wait_until(lambda: not processes_holding(str(folder)), 20, lambda: str(processes_holding(str(folder))))
    assert not folder.exists()
