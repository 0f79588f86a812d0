"""The process that works with rattler: its errors, and its end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

import pytest

from builds.confinement.confine import Confinement
from builds.imaging.conda.workers import conda_worker
from builds.imaging.reporting import ImageError
from tests.builds.imaging.conftest import Recorder

pytestmark = pytest.mark.slow


def test_a_worker_that_vanishes_is_the_studios_fault() -> None:
    with conda_worker(Confinement()) as worker:
        os.kill(worker._child.pid, signal.SIGKILL)
        with pytest.raises(ImageError) as result:
            worker.ask({"do": "solve"}, Recorder(), timeout=60)

    assert (result.value.code, result.value.fault) == ("conda-failed", "studio")


def test_an_unexpected_error_is_reported_and_ends_nothing() -> None:
    with conda_worker(Confinement()) as worker:
        for _ in range(2):
            with pytest.raises(ImageError) as result:
                worker.ask({"do": "solve"}, Recorder(), timeout=60)
            assert (result.value.code, result.value.fault) == ("conda-failed", "studio")
            assert "KeyError" in result.value.message


def test_a_worker_ends_with_the_studio_however_that_ends() -> None:
    program = (
        "from builds.confinement.confine import Confinement; from builds.imaging.conda.workers import conda_worker; "
        "w = conda_worker(Confinement()); print(w._child.pid, flush=True); "
    )
    program += "input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as studio:
        assert studio.stdout is not None
        worker = os.pidfd_open(int(studio.stdout.readline()))
        studio.kill()

    ended, _, _ = select.select([worker], [], [], 30)

    assert ended == [worker]
    os.close(worker)
