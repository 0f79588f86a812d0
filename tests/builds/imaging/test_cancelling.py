"""A cancelled build stops in any phase, and leaves no process behind."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from builds.confinement.confine import Confinement
from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.bases.find import find_base
from builds.imaging.bytecode.compilers import Compilers
from builds.imaging.bytecode.interpreters import running
from builds.imaging.child_process import run
from builds.imaging.download.fetch import fetch
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import Cancelled, ImageError
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, locked, make_wheel
from tests.services.processes import ProcessInfo, descendants, wait_until


class CancelledAtOnce(Recorder):
    """Cancels when it is first asked."""

    def check(self) -> None:
        raise Cancelled


class CancelledAtTwo(Recorder):
    """Cancels once two processes sleep."""

    def check(self) -> None:
        if len(sleeping()) == 2:
            raise Cancelled


def sleeping() -> list[ProcessInfo]:
    """Return the processes that this process or its fork server has started to sleep."""
    return [process for process in descendants(os.getpid()) if "time.sleep(600)" in process.command]


def children() -> set[str]:
    """Return the live child processes of this process."""
    threads = Path("/proc/self/task").glob("*/children")
    return {pid for thread in threads for pid in thread.read_text().split()}


def test_cancelling_kills_a_child_and_what_it_started(tmp_path: Path) -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"

    with pytest.raises(Cancelled):
        run(
            [sys.executable, "-c", script],
            CancelledAtTwo(),
            timeout=60,
            confinement=Confinement(processes=3),
        )

    wait_until(lambda: not sleeping(), 10, lambda: f"left running: {sleeping()}")


def test_a_child_that_takes_more_than_it_may_is_ended_with_a_sentence() -> None:
    program = "import os, time\nfor _ in range(9): os.fork() or time.sleep(60)\ntime.sleep(60)"
    with pytest.raises(ImageError, match="more memory, CPU or processes") as over:
        run(
            [sys.executable, "-c", program],
            Recorder(),
            timeout=60,
            confinement=Confinement(processes=5),
        )
    assert over.value.code == "out-of-memory"


def test_a_child_that_takes_too_long_is_ended_with_a_sentence() -> None:
    with pytest.raises(ImageError, match="did not finish within 0 seconds") as late:
        run(["sleep", "60"], Recorder(), timeout=0.1, confinement=Confinement())
    assert late.value.code == "timeout"


def test_a_child_dies_when_the_worker_is_killed(tmp_path: Path) -> None:
    read, write = os.pipe()
    code = f"""
import os, signal, sys
from builds.confinement.confine import die_with_parent
import subprocess
subprocess.Popen(["sleep", "600"], preexec_fn=die_with_parent, pass_fds=({write},))
os.kill(os.getpid(), signal.SIGKILL)
"""
    worker = subprocess.run([sys.executable, "-c", code], pass_fds=(write,), check=False)
    os.close(write)
    assert worker.returncode == -signal.SIGKILL

    # The pipe ends when the last process that holds it is gone.
    assert os.read(read, 1) == b""
    os.close(read)


@pytest.mark.slow
def test_cancelling_while_packing_leaves_nothing_half_done(tmp_path: Path, workshop: Workshop) -> None:
    assemble(empty_base(), *locked(make_wheel(tmp_path, "first")), ImageSettings(), workshop, Recorder())
    big = make_wheel(tmp_path, files={f"shop/m{n}.py": "x = [1, 2, 3]\n" * 3000 for n in range(60)})
    lock, fetched = locked(big)
    before = children()

    with pytest.raises(Cancelled):
        assemble(empty_base(), lock, fetched, ImageSettings(), workshop, CancelledAtOnce())

    assert children() == before
    assert list((workshop.store.path / "ingest").iterdir()) == []
    assert not assemble(empty_base(), lock, fetched, ImageSettings(), workshop, Recorder()).cached


def test_cancelling_does_not_wait_for_a_silent_index(workshop: Workshop, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        lock, _ = locked(make_wheel(tmp_path))
        package = lock.packages[0].model_copy(update={"url": f"{address}/{lock.packages[0].filename}"})

        with pytest.raises(Cancelled):
            fetch(lock.model_copy(update={"packages": (package,)}), workshop, CancelledAtOnce())
        with pytest.raises(Cancelled):
            resolve(
                empty_base(), ["numpy"], replace(workshop, index_url=f"{address}/simple"), CancelledAtOnce()
            )


def test_a_source_that_kills_its_compiler_costs_only_its_own_bytecode() -> None:
    with Compilers(running(), 1) as compilers:
        deep = b"x = " + b"-" * 3_000_000 + b"1\n"
        sources = [("a.py", b"x = 1\n"), ("deep.py", deep), ("b.py", b"y = 1\n")]

        made = compilers.compile(sources).result()

    assert [code is not None for code, _ in made] == [True, False, True]


def test_leaving_the_compilers_ends_them() -> None:
    before = children()
    with Compilers(running(), 2) as compilers:
        waiting = [compilers.compile([("a.py", b"x = 1\n")]) for _ in range(4)]
        assert all(future.result()[0][0] for future in waiting)
        assert children() > before

    assert children() == before


def test_cancelling_does_not_wait_for_a_silent_registry(workshop: Workshop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reference = f"127.0.0.1:{silent.getsockname()[1]}/team/base:1"

        with pytest.raises(Cancelled):
            find_base(reference, workshop, CancelledAtOnce())


KILLED = """
import os, signal, sys
from pathlib import Path
from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.oci.store import BlobStore
from builds.imaging.packing import packers
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from bench.memory import process_tree
from tests.builds.imaging.making import empty_base, locked

class Killed(Quiet):
    def check(self):
        pids = [pid for pid in process_tree(str(os.getpid())) if pid != str(os.getpid())]
        if len(pids) >= 2:
            print(*pids, flush=True)
            sys.stdin.readline()
            os.kill(os.getpid(), signal.SIGKILL)

lock, fetched = locked(Path(sys.argv[1]))
workshop = Workshop(BlobStore(sys.argv[2]), Path(sys.argv[3]))
assemble(empty_base(), lock, fetched, ImageSettings(), workshop, Killed())
"""


def test_a_worker_killed_while_packing_leaves_no_process_behind(tmp_path: Path, workshop: Workshop) -> None:
    wheel = make_wheel(tmp_path, files={f"shop/m{n}.py": "x = [1, 2, 3]\n" * 30_000 for n in range(60)})
    worker = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(wheel), str(workshop.store.path), str(workshop.cache)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    watched = [os.pidfd_open(int(pid)) for pid in worker.stdout.readline().split()]

    worker.communicate("now\n")

    assert worker.returncode == -signal.SIGKILL
    assert len(watched) >= 2
    for process in watched:
        ended, _, _ = select.select([process], [], [], 10)
        assert ended, "a process outlived the worker that started it"
        os.close(process)
