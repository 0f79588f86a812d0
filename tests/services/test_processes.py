"""Processes that tests start are seen, killed and buried with all that came from them."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.services import sharing
from tests.services.fixtures import StartProcess
from tests.services.processes import NotReadyError, Process, processes_holding, wait_until
from tests.services.servers.registry import Registry
from tests.services.sharing import MEMORY_FOR_FILES, done, put_in_memory

pytestmark = pytest.mark.slow

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


def test_a_program_that_ends_early_is_reported_with_its_last_output(start_process: StartProcess) -> None:
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


def test_another_process_with_the_number_of_one_that_has_ended_is_not_killed(
    start_process: StartProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers are given again: tests that start many processes come to the same within minutes."""
    ended = start_process(["true"])
    ended.wait()
    other = start_process(["sh", "-c", "sleep 300 & echo ready; wait"])
    other.wait_for_line("ready")
    monkeypatch.setattr(ended.popen, "pid", other.pid)

    ended.kill_family()

    assert other.running
    assert commands(other) == {"300"}


def test_ctrl_c_reaches_the_whole_group(start_process: StartProcess) -> None:
    process = start_process(["sh", "-c", "sleep 300 & echo ready; wait"])
    process.wait_for_line("ready")

    process.interrupt()

    assert process.wait() == -signal.SIGINT


HANGING_TESTS = """
import time
from pathlib import Path

import pytest

@pytest.mark.parametrize("number", range(2))
def test_that_never_ends(number, run_folder, shared_folder, registry, redis_server, start_process):
    start_process(["sleep", "300"])
    there = Path(__file__).with_name(f"there-{number}")
    there.with_suffix(".new").write_text(f"{run_folder} {shared_folder} {registry.url}")
    there.with_suffix(".new").rename(there)
    time.sleep(300)
"""


@pytest.mark.parametrize(
    ("sign", "workers"),
    [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, 0), (signal.SIGINT, 2), (signal.SIGKILL, 2)],
)
def test_a_run_that_is_ended_leaves_nothing(
    sign: int, workers: int, start_process: StartProcess, tmp_path: Path
) -> None:
    """Neither what each of its processes has for itself, nor what they share."""
    (tmp_path / "test_hanging.py").write_text(HANGING_TESTS)
    options = ["-p", "xdist.plugin", "-p", "tests.services.fixtures", f"-n{workers}", "-c", os.devnull]
    alone = {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    run = start_process(
        [sys.executable, "-m", "pytest", *options, tmp_path / "test_hanging.py"], env={**os.environ, **alone}
    )
    there = [tmp_path / f"there-{number}" for number in range(workers or 1)]
    run.wait_until(lambda: all(file.exists() for file in there), 60)
    payload = [file.read_text().split() for file in there]
    folders = {folder for *folders, _ in payload for folder in folders}
    assert len(folders) == workers + 1
    assert len({url for *_, url in payload}) == 1

    run.signal(sign)

    run.wait(60)
    for folder in folders:
        wait_until(lambda f=folder: not processes_holding(f), 30, lambda f=folder: str(processes_holding(f)))  # type: ignore[misc]
        wait_until(lambda f=folder: not Path(f).exists(), 30, f"{folder} is still there")  # type: ignore[misc]


def test_a_service_that_others_use_too_cannot_be_stopped(registry: Registry) -> None:
    with pytest.raises(RuntimeError, match="a Registry that may be stopped"), registry.outage():
        pass
    assert registry.answers()


@pytest.mark.parametrize("plenty", [True, False])
def test_what_tests_write_is_in_memory_where_there_is_plenty(
    plenty: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, other = tmp_path / "folder", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    monkeypatch.setattr(sharing, "available_memory", lambda: MEMORY_FOR_FILES - (not plenty))
    may_mount = done("mount", "-t", "tmpfs", "tests", str(other)) and done("umount", str(other))

    put_in_memory(folder)

    assert os.path.ismount(folder) == (plenty and may_mount)
    assert not list(folder.iterdir())
    assert done("umount", str(folder)) == (plenty and may_mount)
